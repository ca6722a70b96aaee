#pragma once
/// \file
/// Grey pictures as PNG, with libpng's row interface.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace cosformer {

/// A picture in grey, row by row.
struct GreyImage {
  std::int64_t width = 0;
  std::int64_t height = 0;
  std::vector<std::uint8_t> pixels;  ///< width · height
};

/// Largest width and height that are read.
inline constexpr std::int64_t kMaxImageSide = 4096;

/// Decodes a PNG of 8 bits a channel, grey or RGB (turned to grey by `grey_of`), not interlaced, at most 4096 x 4096. Throws
/// InputError that says what is wrong, without the file's name: no PNG, another kind, damaged or cut off.
GreyImage decode_png(std::string_view bytes);

/// A PNG of 8-bit grey, not interlaced. Throws Error if sizes do not fit.
std::string encode_png(const GreyImage& image);

}  // namespace cosformer

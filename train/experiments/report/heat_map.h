#pragma once
/// \file
/// Matrices as small pictures.

#include <cstdint>
#include <string>
#include <vector>

namespace cosformer {

/// A matrix to show, with what to say about it.
struct HeatMap {
  std::string title;
  std::string caption;
  std::string section = {};  ///< heat maps of one section stand in one row: the model that they belong to
  std::int64_t rows = 0, columns = 0;
  std::vector<float> values;  ///< [rows, columns], at least 0; the largest gets the last colour
};

/// The colour bar of all heat maps, 0 to the largest value: a PNG of one row as a `data:` URI.
std::string color_bar_uri();

/// The matrix as a PNG with one pixel an element, as a `data:` URI. Colour goes with the square root of value over the
/// largest value, so that small weights are seen; values that are negative or not finite count as 0. Throws Error if
/// libpng fails and ShapeError if `values` has another size.
std::string heat_map_uri(const HeatMap& map);

/// A PNG of 8-bit palette indices, `height` rows of `width`, in the palette of heat maps. Throws Error.
std::string encode_palette_png(std::int64_t width, std::int64_t height, const std::vector<std::uint8_t>& indices);

/// RFC 4648, with padding.
std::string encode_base64(const std::string& bytes);

}  // namespace cosformer

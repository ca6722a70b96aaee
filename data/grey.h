#pragma once
/// \file
/// Colours to grey.

#include <algorithm>
#include <cstdint>

namespace cosformer {

/// 0.2989 R + 0.5870 G + 0.1140 B, in single precision on [0, 1] and back to a byte by cutting off v · 255.5, which is what
/// Long-Range Arena's pictures went through. White is 255, black 0. Source: TensorFlow's rgb_to_grayscale and
/// convert_image_dtype.
inline std::uint8_t grey_of(std::uint8_t red, std::uint8_t green, std::uint8_t blue) {
  constexpr float kScale = 1.0F / 255.0F;
  const float grey = 0.2989F * (static_cast<float>(red) * kScale) + 0.5870F * (static_cast<float>(green) * kScale) +
                     0.1140F * (static_cast<float>(blue) * kScale);
  return static_cast<std::uint8_t>(std::min(grey * 255.5F, 255.0F));
}

}  // namespace cosformer

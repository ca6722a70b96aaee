#include "train/experiments/report/heat_map.h"

#include <png.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "core/error.h"

namespace cosformer {

namespace {

constexpr std::int64_t kColors = 256;

/// Anchors of matplotlib's viridis (CC0), evenly spaced: even in lightness, readable without colour vision.
constexpr std::array<std::array<int, 3>, 9> kViridis = {{{68, 1, 84},
                                                         {71, 44, 122},
                                                         {59, 81, 139},
                                                         {44, 113, 142},
                                                         {33, 144, 141},
                                                         {39, 173, 129},
                                                         {92, 200, 99},
                                                         {170, 220, 50},
                                                         {253, 231, 37}}};

std::array<png_color, kColors> palette() {
  std::array<png_color, kColors> colors{};
  constexpr double kSegments = static_cast<double>(kViridis.size() - 1);
  for (std::size_t i = 0; i < colors.size(); ++i) {
    const double at = static_cast<double>(i) / static_cast<double>(kColors - 1) * kSegments;
    const std::size_t left = std::min(static_cast<std::size_t>(at), kViridis.size() - 2);
    const double share = at - static_cast<double>(left);
    const auto mix = [&](std::size_t channel) {
      return static_cast<png_byte>(std::lround((1 - share) * kViridis[left][channel] + share * kViridis[left + 1][channel]));
    };
    colors[i] = {mix(0), mix(1), mix(2)};
  }
  return colors;
}

}  // namespace

std::string encode_palette_png(std::int64_t width, std::int64_t height, const std::vector<std::uint8_t>& indices) {
  check<ShapeError>(width > 0 && height > 0 && static_cast<std::int64_t>(indices.size()) == width * height,
                    "[encode_palette_png] ", width, " x ", height, " and ", indices.size(), " indices");
  const std::array<png_color, kColors> colors = palette();
  // The simplified API is for reading files of strangers no good choice; for writing our own pixels it is the shortest.
  png_image image{};
  image.version = PNG_IMAGE_VERSION;
  image.width = static_cast<png_uint_32>(width);
  image.height = static_cast<png_uint_32>(height);
  image.format = PNG_FORMAT_RGB_COLORMAP;
  image.colormap_entries = static_cast<png_uint_32>(kColors);
  png_alloc_size_t size = 0;
  const bool measured = png_image_write_get_memory_size(image, size, 0, indices.data(), 0, colors.data()) != 0;
  std::string bytes(measured ? size : 0, '\0');
  const bool written =
      measured && png_image_write_to_memory(&image, bytes.data(), &size, 0, indices.data(), 0, colors.data()) != 0;
  check<Error>(written, "a picture cannot be encoded: ", image.message);
  bytes.resize(size);
  return bytes;
}

std::string encode_base64(const std::string& bytes) {
  constexpr const char* kDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text;
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    std::uint32_t group = 0;
    for (std::size_t j = 0; j < 3; ++j)
      group = group << 8 | (i + j < bytes.size() ? static_cast<std::uint8_t>(bytes[i + j]) : 0U);
    for (std::size_t j = 0; j < 4; ++j) text += i + j > bytes.size() ? '=' : kDigits[group >> (18 - 6 * j) & 63];
  }
  return text;
}

std::string color_bar_uri() {
  std::vector<std::uint8_t> indices;
  for (std::int64_t i = 0; i < kColors; ++i) indices.push_back(static_cast<std::uint8_t>(i));
  return "data:image/png;base64," + encode_base64(encode_palette_png(kColors, 1, indices));
}

std::string heat_map_uri(const HeatMap& map) {
  check<ShapeError>(static_cast<std::int64_t>(map.values.size()) == map.rows * map.columns, "[heat_map_uri] ", map.rows,
                    " x ", map.columns, " and ", map.values.size(), " values");
  float largest = 0;
  for (const float value : map.values) largest = std::isfinite(value) ? std::max(largest, value) : largest;
  std::vector<std::uint8_t> indices;
  for (const float value : map.values) {
    const bool shown = std::isfinite(value) && value > 0;
    indices.push_back(shown ? static_cast<std::uint8_t>(std::lround(std::sqrt(value / largest) * (kColors - 1)))
                            : std::uint8_t{0});
  }
  return "data:image/png;base64," + encode_base64(encode_palette_png(map.columns, map.rows, indices));
}

}  // namespace cosformer

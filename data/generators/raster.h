#pragma once
/// \file
/// Drawing as Pillow does it: lines, discs, dilation and Lanczos reduction of 8-bit pictures. The published Pathfinder
/// pictures were drawn so.

#include <cstdint>
#include <vector>

namespace cosformer {

/// A square picture of bytes.
struct Raster {
  explicit Raster(int side) : size(side), pixels(static_cast<std::size_t>(side) * static_cast<std::size_t>(side)) {}

  bool holds(int y, int x) const { return y >= 0 && y < size && x >= 0 && x < size; }
  std::uint8_t& at(int y, int x) {
    return pixels[static_cast<std::size_t>(y) * static_cast<std::size_t>(size) + static_cast<std::size_t>(x)];
  }
  std::uint8_t at(int y, int x) const {
    return pixels[static_cast<std::size_t>(y) * static_cast<std::size_t>(size) + static_cast<std::size_t>(x)];
  }

  int size;
  std::vector<std::uint8_t> pixels;
};

/// A place in a picture: row, column.
struct Place {
  int y = 0;
  int x = 0;
  friend bool operator==(const Place&, const Place&) = default;
};

/// Draws a white line with both its ends; what is outside is left out. Of `width` 1 it is Bresenham's, wider it is a filled
/// rectangle. Source: Pillow's ImageDraw.line.
void draw_line(Raster& raster, Place from, Place to, int width);

/// The points of a disc around (0, 0): y² + x² ≤ radius².
std::vector<Place> disc(int radius);

/// Each pixel is the largest of those that lie at `offsets` from it, inside the picture.
Raster dilate(const Raster& raster, const std::vector<Place>& offsets);

/// Reduces to `size` pixels a side with a Lanczos window of 3, in fixed point, first along the rows, rounded to bytes after
/// each pass. Source: Pillow's Image.resize.
Raster reduce(const Raster& raster, int size);

}  // namespace cosformer

#include "data/generators/raster.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdlib>
#include <numbers>

namespace cosformer {

namespace {

void set(Raster& raster, int y, int x) {
  if (raster.holds(y, x)) raster.at(y, x) = 255;
}

void draw_thin_line(Raster& raster, Place from, Place to) {
  const int dy = std::abs(to.y - from.y), dx = std::abs(to.x - from.x);
  const int step_y = to.y < from.y ? -1 : 1, step_x = to.x < from.x ? -1 : 1;
  const bool is_flat = dx > dy;
  const int longer = is_flat ? dx : dy, shorter = is_flat ? dy : dx;
  int error = 2 * shorter - longer;
  for (int i = 0; i < longer; ++i) {
    set(raster, from.y, from.x);
    if (error >= 0) {
      (is_flat ? from.y : from.x) += is_flat ? step_y : step_x;
      error -= 2 * longer;
    }
    error += 2 * shorter;
    (is_flat ? from.x : from.y) += is_flat ? step_x : step_y;
  }
  set(raster, to.y, to.x);
}

/// Halves away from zero, and towards zero.
int round_up(double value) { return static_cast<int>(std::copysign(std::floor(std::fabs(value) + 0.5), value)); }
int round_down(double value) { return static_cast<int>(std::copysign(std::ceil(std::fabs(value) - 0.5), value)); }

/// A convex polygon with its border.
void fill_polygon(Raster& raster, const std::array<Place, 4>& corners) {
  const auto [top, bottom] = std::ranges::minmax(corners, {}, &Place::y);
  for (int y = top.y; y <= bottom.y; ++y) {
    double left = HUGE_VAL, right = -HUGE_VAL;
    for (std::size_t i = 0; i < corners.size(); ++i) {
      const Place a = corners[i], b = corners[(i + 1) % corners.size()];
      if (y < std::min(a.y, b.y) || y > std::max(a.y, b.y)) continue;
      // An edge along the row has both its ends on it.
      for (const double share : {0.0, 1.0}) {
        const double x =
            a.y == b.y ? (share > 0 ? b.x : a.x) : a.x + (y - a.y) * (static_cast<double>(b.x - a.x) / (b.y - a.y));
        left = std::min(left, x);
        right = std::max(right, x);
      }
    }
    for (int x = round_up(left); x <= round_down(right); ++x) set(raster, y, x);
  }
}

void draw_wide_line(Raster& raster, Place from, Place to, int width) {
  const int dy = to.y - from.y, dx = to.x - from.x;
  if (dy == 0 && dx == 0) {
    set(raster, from.y, from.x);
    return;
  }
  const double length = std::sqrt(static_cast<double>(dy * dy + dx * dx)), half = (width - 1) / 2.0;
  const double more = round_up(half) / length, less = round_down(half) / length;
  const int left = round_down(less * dy), right = round_down(more * dy), above = round_up(less * dx),
            below = round_up(more * dx);
  fill_polygon(raster, {Place{from.y + below, from.x - left}, Place{to.y + below, to.x - left},
                        Place{to.y - above, to.x + right}, Place{from.y - above, from.x + right}});
}

double lanczos(double x) {
  constexpr double kWindow = 3.0;
  if (x < -kWindow || x >= kWindow) return 0.0;
  const auto sinc = [](double value) {
    return value == 0.0 ? 1.0 : std::sin(value * std::numbers::pi) / (value * std::numbers::pi);
  };
  return sinc(x) * sinc(x / kWindow);
}

/// Weights of the input pixels `first`, `first` + 1 … in one output pixel, in fixed point.
struct Taps {
  int first = 0;
  std::vector<std::int64_t> weights;
};
constexpr int kPrecisionBits = 22;

std::vector<Taps> reduction_taps(int input, int output) {
  const double scale = static_cast<double>(input) / output, stretch = std::max(scale, 1.0), support = 3.0 * stretch;
  std::vector<Taps> all(static_cast<std::size_t>(output));
  for (int i = 0; i < output; ++i) {
    const double center = (i + 0.5) * scale;
    Taps& taps = all[static_cast<std::size_t>(i)];
    taps.first = std::max(static_cast<int>(center - support + 0.5), 0);
    const int end = std::min(static_cast<int>(center + support + 0.5), input);
    std::vector<double> weights;
    double sum = 0.0;
    for (int x = taps.first; x < end; ++x) {
      weights.push_back(lanczos((x - center + 0.5) / stretch));
      sum += weights.back();
    }
    for (const double weight : weights) taps.weights.push_back(std::llround(weight / sum * (1 << kPrecisionBits)));
  }
  return all;
}

}  // namespace

void draw_line(Raster& raster, Place from, Place to, int width) {
  if (width <= 1) {
    draw_thin_line(raster, from, to);
  } else {
    draw_wide_line(raster, from, to, width);
  }
}

std::vector<Place> disc(int radius) {
  std::vector<Place> points;
  for (int y = -radius; y <= radius; ++y) {
    for (int x = -radius; x <= radius; ++x) {
      if (y * y + x * x <= radius * radius) points.push_back({y, x});
    }
  }
  return points;
}

Raster dilate(const Raster& raster, const std::vector<Place>& offsets) {
  Raster dilated(raster.size);
  for (int y = 0; y < raster.size; ++y) {
    for (int x = 0; x < raster.size; ++x) {
      for (const Place& offset : offsets) {
        if (raster.holds(y + offset.y, x + offset.x)) {
          dilated.at(y, x) = std::max(dilated.at(y, x), raster.at(y + offset.y, x + offset.x));
        }
      }
    }
  }
  return dilated;
}

Raster reduce(const Raster& raster, int size) {
  const std::vector<Taps> all_taps = reduction_taps(raster.size, size);
  const auto weighted = [&](const Taps& taps, auto&& pixel) {
    std::int64_t sum = std::int64_t{1} << (kPrecisionBits - 1);
    for (std::size_t i = 0; i < taps.weights.size(); ++i) sum += taps.weights[i] * pixel(taps.first + static_cast<int>(i));
    return static_cast<std::uint8_t>(std::clamp<std::int64_t>(sum >> kPrecisionBits, 0, 255));
  };
  // Rows keep their number, their pixels become fewer.
  Raster narrow(raster.size);
  for (int y = 0; y < raster.size; ++y) {
    for (int x = 0; x < size; ++x) {
      narrow.at(y, x) = weighted(all_taps[static_cast<std::size_t>(x)], [&](int from) { return raster.at(y, from); });
    }
  }
  Raster reduced(size);
  for (int y = 0; y < size; ++y) {
    for (int x = 0; x < size; ++x) {
      reduced.at(y, x) = weighted(all_taps[static_cast<std::size_t>(y)], [&](int from) { return narrow.at(from, x); });
    }
  }
  return reduced;
}

}  // namespace cosformer

#include "data/generators/dashes.h"

#include <cmath>
#include <utility>

namespace cosformer {

namespace {

/// Dashes are drawn at this many times their size and then reduced.
constexpr int kEnlargement = 2;

}  // namespace

Dashes::Dashes(const PathfinderSettings& settings, int margin)
    : margin_(margin),
      reach_(settings.dash_length + static_cast<int>(std::ceil(settings.dash_thickness)) + margin),
      center_(reach_ * kEnlargement),
      end_distance_(settings.dash_length * kEnlargement),
      span_(end_distance_ + 1) {
  const std::vector<Place> room = disc(margin * kEnlargement);
  const int width = static_cast<int>(std::lround(settings.dash_thickness * kEnlargement));
  const int clear = settings.dash_length + margin;
  for (int y = -span_; y <= span_; ++y) {
    for (int x = -span_; x <= span_; ++x) {
      Raster enlarged(2 * center_ + 1);
      draw_line(enlarged, {center_, center_}, {center_ + y, center_ + x}, width);
      Drawing drawing{reduce(enlarged, 2 * reach_ + 1), reduce(dilate(enlarged, room), 2 * reach_ + 1), {}};
      // The published generator has the dash one pixel off the middle of this structuring element.
      for (int dy = -clear; dy <= clear; ++dy) {
        for (int dx = -clear; dx <= clear; ++dx) {
          if (drawing.mask.at(reach_ + dy - 1, reach_ + dx - 1) == 255) drawing.footprint.push_back({dy, dx});
        }
      }
      drawings_.push_back(std::move(drawing));
    }
  }
}

const Dashes::Drawing& Dashes::at(double orientation) const {
  const auto offset = [&](double share) { return static_cast<int>(std::ceil(center_ + end_distance_ * share)) - center_; };
  const Place end{offset(std::sin(orientation)), offset(std::cos(orientation))};
  return drawings_[static_cast<std::size_t>(index_of(end))];
}

}  // namespace cosformer

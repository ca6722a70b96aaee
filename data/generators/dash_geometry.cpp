#include "data/generators/dash_geometry.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace cosformer {

double reversed(double orientation) {
  return orientation < 0 ? orientation + std::numbers::pi : orientation - std::numbers::pi;
}

double radians(std::int64_t degrees) { return static_cast<double>(degrees) * std::numbers::pi / 180.0; }

Place moved(Place from, double orientation, double distance) {
  return {static_cast<int>(std::ceil(from.y + distance * std::sin(orientation))),
          static_cast<int>(std::ceil(from.x + distance * std::cos(orientation)))};
}

std::vector<Place> circle_around(Place center, int radius, int size) {
  const double step = 360.0 / (2 * radius * std::numbers::pi);
  std::vector<Place> places;
  for (int i = 0; i * step < 360.0; ++i) {
    const double angle = i * step * std::numbers::pi / 180.0;
    const double y = center.y + radius * std::sin(angle), x = center.x + radius * std::cos(angle);
    if (y >= 0 && y < size && x >= 0 && x < size) places.push_back({static_cast<int>(y), static_cast<int>(x)});
  }
  std::ranges::sort(places, [](Place a, Place b) { return a.y != b.y ? a.y < b.y : a.x < b.x; });
  places.erase(std::unique(places.begin(), places.end()), places.end());
  return places;
}

}  // namespace cosformer

#pragma once
/// \file
/// Directions and steps of Pathfinder's paths, rounded as the published generator rounds them. Angles are in radians, 0
/// along a row, π/2 down.

#include <cstdint>
#include <vector>

#include "data/generators/raster.h"

namespace cosformer {

/// The opposite direction, again in [-π, π).
double reversed(double orientation);

double radians(std::int64_t degrees);

/// A place moved by `distance`, its coordinates rounded up.
Place moved(Place from, double orientation, double distance);

/// The pixels on a circle, a pixel of arc apart, that lie in a picture of `size` x `size`: each once, row by row.
std::vector<Place> circle_around(Place center, int radius, int size);

}  // namespace cosformer

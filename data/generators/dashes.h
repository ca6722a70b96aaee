#pragma once
/// \file
/// The dashes that Pathfinder's paths are made of.

#include <vector>

#include "data/generators/pathfinder_settings.h"
#include "data/generators/raster.h"

namespace cosformer {

/// A dash and the room that it takes, drawn once for each direction at one margin. Immutable; threads share it.
class Dashes {
 public:
  Dashes(const PathfinderSettings& settings, int margin);

  int margin() const { return margin_; }
  /// From a dash's beginning to the edge of its pictures, which are 2 · reach + 1 pixels a side.
  int reach() const { return reach_; }

  struct Drawing {
    Raster line;  ///< brightness
    Raster mask;  ///< the room around it
    /// Places, from the beginning of a dash that ends where this one begins, whose room would be taken.
    std::vector<Place> footprint;
  };
  /// The dash that leaves its beginning at an angle in radians (0 along a row, π/2 down).
  const Drawing& at(double orientation) const;

 private:
  int index_of(Place end) const { return (end.y + span_) * (2 * span_ + 1) + end.x + span_; }

  int margin_;
  int reach_;
  int center_;        ///< of the enlarged drawing
  int end_distance_;  ///< of the dash's end from there
  int span_;
  std::vector<Drawing> drawings_;  ///< by the end's place
};

}  // namespace cosformer

#pragma once
/// \file
/// The settings of Pathfinder that Long-Range Arena publishes.

#include <cstdint>
#include <span>
#include <string_view>

namespace cosformer {

/// Lengths are in pixels of the picture. A path is a row of dashes ("paddles").
struct PathfinderSettings {
  int image_size = 0;
  int padding = 0;               ///< border that dashes keep free
  std::span<const int> margins;  ///< gap between dashes; one of these a picture
  int dash_length = 0;
  double dash_thickness = 0.0;
  double marker_radius = 0.0;
  int seed_distance = 0;       ///< between the beginnings of the two long paths
  double continuity = 0.0;     ///< larger = straighter
  double path_contrast = 0.0;  ///< brightness of the short paths; a marker's is 1
  double dash_contrast = 0.0;  ///< times `path_contrast`: brightness of the two long paths
  int contour_length = 0;      ///< dashes of a long path
  int distractor_length = 0;   ///< dashes of a short path
  int num_distractors = 0;     ///< short paths
};

/// Settings for pictures of 32, 64 or 128 pixels and a difficulty "easy", "intermediate" or "hard". Throws InputError for
/// others, with the nearest name.
PathfinderSettings pathfinder_settings(std::int64_t image_size, std::string_view difficulty);

}  // namespace cosformer

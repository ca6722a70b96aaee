#pragma once
/// \file
/// One Pathfinder picture.

#include <cstdint>
#include <vector>

#include "data/generators/dashes.h"
#include "data/generators/pathfinder_settings.h"
#include "data/png_image.h"

namespace cosformer {

struct PathfinderPicture {
  GreyImage image;
  int label = 0;  ///< 1 if both markers are on one path
  int margin = 0;
};

/// Draws picture number `index` of a seed; `dashes` holds one entry for each of the settings' margins. Two paths of
/// `contour_length` dashes grow side by side, short paths fill the rest, one marker stands at the beginning of a path and
/// one at the end of the same (label 1) or of the other (label 0). Source: Linsley et al. 2018 and their published
/// generator; random numbers are our own.
PathfinderPicture draw_pathfinder_picture(const PathfinderSettings& settings, const std::vector<Dashes>& dashes,
                                          std::uint64_t seed, std::uint64_t index);

}  // namespace cosformer

#include "data/generators/pathfinder_settings.h"

#include <string>

#include "core/error.h"
#include "core/named_table.h"

namespace cosformer {

namespace {

constexpr int kNarrow[] = {1};
constexpr int kWide[] = {2, 3};

/// Settings by size, and how many dashes the short paths have together.
struct SizeRow {
  PathfinderSettings settings;
  int distractor_dashes;
};
constexpr SizeRow kSizes[] = {
    {{.image_size = 32,
      .padding = 1,
      .margins = kNarrow,
      .dash_length = 2,
      .dash_thickness = 0.5,
      .marker_radius = 1.5,
      .seed_distance = 7,
      .continuity = 1.0,
      .path_contrast = 2.0,
      .dash_contrast = 0.75},
     20},
    {{.image_size = 64,
      .padding = 1,
      .margins = kNarrow,
      .dash_length = 5,
      .dash_thickness = 1.0,
      .marker_radius = 2.5,
      .seed_distance = 12,
      .continuity = 1.8,
      .path_contrast = 0.8,
      .dash_contrast = 1.0},
     22},
    {{.image_size = 128,
      .padding = 1,
      .margins = kWide,
      .dash_length = 5,
      .dash_thickness = 1.5,
      .marker_radius = 3.0,
      .seed_distance = 20,
      .continuity = 1.8,
      .path_contrast = 0.9,
      .dash_contrast = 1.0},
     35},
};

struct Difficulty {
  const char* name;
  int contour_length;
};
constexpr Difficulty kDifficulties[] = {{"easy", 6}, {"intermediate", 9}, {"hard", 14}};

}  // namespace

PathfinderSettings pathfinder_settings(std::int64_t image_size, std::string_view difficulty) {
  const int contour_length = find_named(kDifficulties, difficulty, "difficulty").contour_length;
  std::string sizes;
  for (const SizeRow& row : kSizes) {
    sizes += concat(sizes.empty() ? "" : ", ", row.settings.image_size);
    if (row.settings.image_size != image_size) continue;
    PathfinderSettings settings = row.settings;
    settings.contour_length = contour_length;
    settings.distractor_length = contour_length / 3;
    settings.num_distractors = row.distractor_dashes / settings.distractor_length;
    return settings;
  }
  throw InputError(concat("size: expected one of ", sizes, ", found ", image_size));
}

}  // namespace cosformer

#pragma once
/// \file
/// Makes Pathfinder data sets in the form of Long-Range Arena's release.

#include <cstdint>
#include <optional>
#include <string>

#include "data/generators/generated_files.h"

namespace cosformer {

struct PathfinderOptions {
  std::int64_t image_size = 32;     ///< 32, 64 or 128 (Path-X)
  std::string difficulty = "hard";  ///< "easy", "intermediate" or "hard"
  std::int64_t count = 200'000;     ///< pictures
  std::uint64_t seed = 1;
  // In place of the difficulty's, for sets that are easier to learn.
  std::optional<std::int64_t> contour_length;   ///< dashes of a long path, 2 to 14
  std::optional<std::int64_t> num_distractors;  ///< short paths, 0 to 20
};

/// What was made.
struct PathfinderStatistics {
  std::int64_t pictures = 0;
  std::int64_t connected = 0;  ///< with label 1
  std::int64_t png_bytes = 0;
};

/// Writes `imgs/B/sample_N.png` and `metadata/B.npy` for batches B of 1,000 pictures. Picture i is a function of (seed, i)
/// and the other options but `count` alone, so the files do not depend on the number of threads. Throws InputError for
/// options out of range.
PathfinderStatistics make_pathfinder(const PathfinderOptions& options, GeneratedFiles& files,
                                     const GeneratorProgress& progress);

}  // namespace cosformer

#pragma once
/// \file
/// Pathfinder and Path-X of Long-Range Arena (Linsley et al. 2018; Tay et al. 2021): are two dots on one dashed path?

#include <cstdint>
#include <filesystem>
#include <memory>

#include "data/labelled_sequences.h"

namespace cosformer {

/// Pictures of a part up to this size in all are decoded once and kept, a byte a pixel; larger parts are decoded whenever
/// they are read. 160,000 pictures of 32 x 32 are 164 MB, of 128 x 128 they are 2.6 GB.
inline constexpr std::int64_t kMaxCachedPixels = std::int64_t{512} << 20;

/// Reads the folder of one difficulty, which holds `imgs/` and `metadata/`. The metadata files `N.npy` are plain text, read
/// in the order of N (files whose name is no number are not read); a row has 11 fields parted by blanks, of which folder,
/// file and label (the first, second and fourth) are used. Pictures of no bytes, which the release has, are left out and
/// counted. Of the others the first 80 % are the training part, the next 10 % the validation part, the last 10 % the test
/// part, in stored order. A token is a pixel's grey value, row by row; black is padding. All pictures must have one size.
/// Throws InputError with file and row; if a part is larger than `max_cached_pixels`, `read` does so for a picture that
/// cannot be decoded.
std::unique_ptr<LabelledSequences> load_pathfinder(const std::filesystem::path& path, Split part,
                                                   std::int64_t max_cached_pixels);
std::unique_ptr<LabelledSequences> load_pathfinder(const std::filesystem::path& path, Split part);

/// True for a folder with the folders `imgs` and `metadata`.
bool is_pathfinder(const std::filesystem::path& path);

}  // namespace cosformer

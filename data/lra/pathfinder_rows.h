#pragma once
/// \file
/// The metadata of a Pathfinder folder.

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "data/labelled_sequences.h"

namespace cosformer {

/// A picture that a metadata file names.
struct PathfinderRow {
  std::string picture;  ///< path inside the folder
  std::uint8_t label = 0;
  std::size_t metadata = 0;  ///< index of its file in `PathfinderPart::metadata`
  std::int64_t row = 0;      ///< its row there, from 1
  std::uint64_t bytes = 0;   ///< size of the picture's file
};

/// One part's pictures in stored order.
struct PathfinderPart {
  std::vector<std::filesystem::path> metadata;
  std::vector<PathfinderRow> rows;
  std::int64_t skipped = 0;  ///< pictures of no bytes between them

  /// Where a picture is named, for messages: "FILE:ROW: ".
  std::string origin(const PathfinderRow& row) const;
};

/// Reads all metadata, looks at the size of every picture and picks the part. Throws InputError with file and row.
PathfinderPart read_pathfinder_rows(const std::filesystem::path& folder, Split part);

}  // namespace cosformer

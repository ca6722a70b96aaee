#include "layers/sequence/sequence_grid.h"

namespace cosformer {

namespace {

/// A part's rows of a narrow model stay in a core's second-level cache.
constexpr std::int64_t kMostTokens = 4096;
/// So many parts are to be had of a short text, for as many ranks and threads.
constexpr std::int64_t kWantedParts = 16;

}  // namespace

SequenceGrid::SequenceGrid(std::int64_t length, std::int64_t chunk_size) : length_(length) {
  const std::int64_t tokens = std::clamp<std::int64_t>((length + kWantedParts - 1) / kWantedParts, 1, kMostTokens);
  // A part ends where a chunk ends, so that the chunks are those of the whole text.
  part_tokens_ = (tokens + chunk_size - 1) / chunk_size * chunk_size;
}

}  // namespace cosformer

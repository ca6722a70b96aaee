#include "train/loop/parameter_slices.h"

#include <algorithm>

#include "core/parallel.h"

namespace cosformer {

namespace {

/// Adds a part to those of a slice, which grows the last one if they are neighbours.
void append(Slice& slice, const ParameterPart& part) {
  slice.elements += part.size();
  if (!slice.parts.empty() && slice.parts.back().parameter == part.parameter && slice.parts.back().end == part.begin) {
    slice.parts.back().end = part.end;
  } else {
    slice.parts.push_back(part);
  }
}

/// Gives each rank the blocks that begin in its share of the bucket.
std::vector<Slice> divide(const std::vector<ParameterPart>& blocks, std::int64_t elements, int ranks) {
  std::vector<Slice> slices(static_cast<std::size_t>(ranks));
  std::int64_t position = 0;
  std::size_t rank = 0;
  for (const ParameterPart& block : blocks) {
    while (static_cast<int>(rank) + 1 < ranks && position >= elements * (static_cast<std::int64_t>(rank) + 1) / ranks)
      ++rank;
    append(slices[rank], block);
    position += block.size();
  }
  return slices;
}

}  // namespace

ParameterSlices::ParameterSlices(const std::vector<Parameter>& parameters, int ranks, std::int64_t bucket_elements) {
  // Fewer pieces than this per rank would be divided too unevenly.
  constexpr std::int64_t kPiecesPerRank = 4;
  const std::int64_t full = std::max(bucket_elements, kPiecesPerRank * kElementwiseGrain * ranks);
  std::vector<ParameterPart> blocks;
  std::int64_t elements = 0;
  const auto close_bucket = [&] {
    if (blocks.empty()) return;
    slices_.push_back(divide(blocks, elements, ranks));
    blocks.clear();
    elements = 0;
  };
  for (std::size_t p = parameters.size(); p-- > 0;) {
    if (!parameters[p].is_trained()) continue;
    const std::int64_t size = parameters[p].variable.value().size();
    for (std::int64_t begin = 0; begin < size; begin += kElementwiseGrain) {
      blocks.push_back({p, begin, std::min(begin + kElementwiseGrain, size)});
      elements += blocks.back().size();
      if (ranks > 1 && elements >= full) close_bucket();
    }
  }
  close_bucket();
}

std::vector<ParameterPart> ParameterSlices::parts_of(int rank) const {
  std::vector<ParameterPart> parts;
  for (std::size_t bucket = 0; bucket < buckets(); ++bucket) {
    const Slice& own = slice(bucket, rank);
    parts.insert(parts.end(), own.parts.begin(), own.parts.end());
  }
  return parts;
}

}  // namespace cosformer

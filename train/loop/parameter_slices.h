#pragma once
/// \file
/// Which rank owns which part of a model's parameters: the one that sums their gradients, keeps their moments and updates
/// them. Frozen ones belong to nobody.
///
/// Parameters are taken in reverse order, about that in which a backward pass finishes them, and cut into buckets of a few
/// megabytes. Each bucket is divided among all ranks, so that all of them send and receive at any time. Cuts are at the
/// borders of the pieces that the elementwise loops work on (kElementwiseGrain): every number is then computed by the same
/// instructions as in a process that owns all.

#include <cstdint>
#include <vector>

#include "layers/parameters.h"
#include "train/optimizers/optimizer.h"

namespace cosformer {

/// One rank's part of a bucket.
struct Slice {
  std::vector<ParameterPart> parts;
  std::int64_t elements = 0;
};

class ParameterSlices {
 public:
  /// A bucket holds about `bucket_elements`, and enough for `ranks` to have a share each. A single rank owns every parameter
  /// as a whole.
  ParameterSlices(const std::vector<Parameter>& parameters, int ranks, std::int64_t bucket_elements = kBucketElements);

  std::size_t buckets() const { return slices_.size(); }
  const Slice& slice(std::size_t bucket, int rank) const { return slices_[bucket][static_cast<std::size_t>(rank)]; }
  /// The parts that a rank owns, bucket by bucket.
  std::vector<ParameterPart> parts_of(int rank) const;

  static constexpr std::int64_t kBucketElements = std::int64_t{1} << 20;

 private:
  std::vector<std::vector<Slice>> slices_;  // by bucket and rank
};

}  // namespace cosformer

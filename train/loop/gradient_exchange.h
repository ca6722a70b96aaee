#pragma once
/// \file
/// The sum of a step's gradients over ranks: each rank gets that of the parameters that it owns.

#include <memory>
#include <span>
#include <vector>

#include "autograd/step_tree.h"
#include "core/communicator.h"
#include "train/loop/parameter_slices.h"

namespace cosformer {

/// Every rank sends its subtrees' sums of each slice to the slice's owner, which adds them up in the order of the step's
/// tree: the bits are those of one process. Buckets travel as soon as all their parameters are known, at most a few at a
/// time, while the caller computes on.
class GradientExchange {
 public:
  /// The arguments must outlive it.
  GradientExchange(Communicator& ranks, const ParameterSlices& slices, const std::vector<Parameter>& parameters);

  /// Begins a step of `leaves` leaves, which each rank has as `runs` says.
  void begin(std::span<const LeafRuns> runs, std::int64_t leaves);
  /// Takes a parameter's gradient in each of this rank's subtrees, from left to right; an undefined tensor stands for none.
  /// The tensors are read until `finish`. Throws Error.
  void add(std::size_t parameter, std::vector<Tensor> sums);
  bool has(std::size_t parameter) const { return added_[parameter]; }

  /// When every parameter was added: waits for the others, and returns the sum of this rank's slice of each bucket, whose
  /// parts follow one another. The next step may then begin. Throws Error.
  std::vector<Tensor> finish();

 private:
  struct Travelling {
    std::unique_ptr<Transfers> transfers;
    std::vector<Tensor> sums;      // of this rank's slice, by subtree
    std::vector<Tensor> fillings;  // in place of gradients that there are none of
  };

  bool is_complete(std::size_t bucket) const;
  void post_ready();
  void post(std::size_t bucket);
  void add_up(std::size_t bucket);

  Communicator& ranks_;
  const ParameterSlices& slices_;
  const std::vector<Parameter>& parameters_;
  std::int64_t leaves_ = 0;
  std::vector<LeafRange> tree_;             // the subtrees of all ranks, from left to right
  std::vector<int> owners_;                 // the rank of each
  std::vector<std::vector<Tensor>> given_;  // by parameter and own subtree
  std::vector<bool> added_;                 // by parameter: a rank without leaves has no subtrees to give
  std::vector<Travelling> buckets_;
  std::size_t posted_ = 0, finished_ = 0;  // buckets
};

}  // namespace cosformer

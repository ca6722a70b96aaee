#pragma once
/// \file
/// The work of one training step, leaf by leaf.

#include <cstdint>
#include <map>
#include <memory>
#include <vector>

#include "autograd/backward.h"
#include "train/tasks/task.h"

namespace cosformer {

class CarriedRows;  // train/loop/carried_rows.h

/// A shard of a micro-batch: a leaf of the step's tree (autograd/step_tree.h).
struct Leaf {
  std::int64_t micro = 0, shard = 0, shards = 0;
};

/// What texts cost: about the floating-point operations of a forward pass. Lengths are rounded up to 64 tokens, and what has
/// been computed once is kept, for a cost makes each layer's attention.
class TextCosts {
 public:
  /// `model` must outlive it.
  explicit TextCosts(const ModelConfig& model) : model_(model) {}
  double of(std::int64_t length);

 private:
  const ModelConfig& model_;
  std::map<std::int64_t, double> per_token_;  ///< by length in steps of 64
};

/// The leaves of every step, in order: the config alone decides.
std::vector<Leaf> leaves_of(const ModelConfig& model, const TrainConfig& config);

/// The batches of step `step` (from 1): sequences (step - 1) · batch_size … of the training order, cut into `accumulation`
/// micro-batches of `shards` shards. The arguments must outlive it. `sequence` are the ranks that share the
/// sequences, of a config that cuts them.
class StepWork {
 public:
  /// `carried` are the states with which the sequences go on, of a task that has streams; null: they begin anew.
  StepWork(const Task& task, const Model& model, const TrainConfig& config, std::int64_t step,
           SequenceGroup* sequence = nullptr, const CarriedRows* carried = nullptr);

  /// About the arithmetic of each leaf, in floating-point operations of its forward pass: a pure function of config and
  /// step.
  std::vector<double> leaf_costs(TextCosts& texts) const;
  /// Whether leaves run on one thread each; otherwise their operators are split over the threads.
  bool has_shards() const;
  /// The gradients of one leaf, whose loss is added to `loss`. `last_done` is told of parameters in the backward pass of the
  /// leaf's last graph. Several threads may call it at once.
  Gradients run(std::int64_t leaf, double& loss, const LeafDone& last_done) const;

  /// Rows of the step that a leaf has.
  ShardRows rows_of(std::int64_t leaf) const;
  std::int64_t leaves() const { return std::ssize(leaves_); }
  std::int64_t targets() const { return targets_; }
  std::int64_t tokens() const { return tokens_; }

 private:
  const TaskBatch& batch_of(const Leaf& leaf) const { return *batches_[static_cast<std::size_t>(leaf.micro)]; }

  const Model& model_;
  SequenceGroup* sequence_;
  const CarriedRows* carried_;
  const TrainConfig& config_;
  std::int64_t step_;
  std::int64_t first_;  // sequence of the step
  std::int64_t targets_ = 0, tokens_ = 0;
  std::vector<Leaf> leaves_;
  std::vector<std::unique_ptr<TaskBatch>> batches_;  // by micro-batch
};

}  // namespace cosformer

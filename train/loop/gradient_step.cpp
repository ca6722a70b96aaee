#include "train/loop/gradient_step.h"

#include <unordered_set>

#include "core/communicator.h"
#include "core/parallel.h"
#include "layers/sequence/sequence_group.h"

namespace cosformer {

std::int64_t step_leaves(const ModelConfig& model, const TrainConfig& config) {
  return std::ssize(leaves_of(model, config));
}

LeafGradients compute_leaf_gradients(const StepWork& work, const LeafRuns& runs, const ParameterDone& done) {
  std::vector<std::int64_t> leaves;
  for (const LeafRange run : runs) {
    for (std::int64_t leaf = run.first; leaf < run.end; ++leaf) leaves.push_back(leaf);
  }
  LeafSums sums(runs, work.leaves());
  LeafGradients result{{}, std::vector<double>(leaves.size())};
  std::unordered_set<const Node*> told;
  const LeafDone last_done = [&](const Node* parameter, const Tensor& gradient) {
    sums.finish_last(parameter, gradient);
    told.insert(parameter);
    done(parameter, sums.of(parameter));
  };
  // Leaves that are whole micro-batches run one after another, and their operators are split over the threads; so does a
  // shard that is alone.
  const bool side_by_side = leaves.size() > 1 && work.has_shards();
  const auto run_leaf = [&](std::int64_t index) {
    const std::int64_t leaf = leaves[static_cast<std::size_t>(index)];
    const bool tells = done && !side_by_side && leaf == leaves.back();
    Gradients gradients = work.run(leaf, result.losses[static_cast<std::size_t>(index)], tells ? last_done : LeafDone());
    if (!tells) {
      sums.finish(leaf, std::move(gradients));
      return;
    }
    // Parameters that only earlier graphs of the leaf have come to.
    gradients.for_each([&](const Node* parameter, const Tensor& gradient) {
      if (!told.contains(parameter)) sums.finish_last(parameter, gradient);
    });
  };
  if (side_by_side) {
    parallel_for(std::ssize(leaves), run_leaf);
  } else {
    for (std::int64_t index = 0; index < std::ssize(leaves); ++index) run_leaf(index);
  }
  result.sums = sums.take();
  return result;
}

StepGradients compute_step_gradients(const Task& task, const Model& model, const TrainConfig& config, std::int64_t step) {
  const auto alone = make_single_rank();
  SequenceGroup sequence(*alone, 1);
  const StepWork work(task, model, config, step, config.sequence_ranks > 0 ? &sequence : nullptr);
  LeafGradients all = compute_leaf_gradients(work, {{0, work.leaves()}});
  StepGradients result{std::move(all.sums.front()), 0, work.targets(), work.tokens()};
  for (const double loss : all.losses) result.loss += loss;
  return result;
}

}  // namespace cosformer

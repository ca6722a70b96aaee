#include "train/loop/gradient_step.h"

#include <unordered_set>

#include "core/parallel.h"

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
      if (told.insert(parameter).second) sums.finish_last(parameter, gradient);
    });
    sums.finish_others(told);
  };
  if (side_by_side) {
    parallel_for(std::ssize(leaves), run_leaf);
  } else {
    for (std::int64_t index = 0; index < std::ssize(leaves); ++index) run_leaf(index);
  }
  result.sums = sums.take();
  return result;
}

}  // namespace cosformer

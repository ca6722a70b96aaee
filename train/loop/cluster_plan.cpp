#include "train/loop/cluster_plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <numeric>

#include "autograd/step_tree.h"
#include "layers/sequence/sequence_grid.h"
#include "train/loop/gradient_step.h"
#include "train/loop/leaf_division.h"
#include "train/loop/shared_step.h"

namespace cosformer {

namespace {

constexpr double kFloatBits = 32;

/// Bits that the busiest rank sends or receives for the sums of gradients.
double reduce_bits(const std::vector<LeafRuns>& division, std::int64_t leaves, double parameters) {
  const auto ranks = static_cast<double>(division.size());
  std::int64_t subtrees = 0, most = 0, least = leaves;
  for (const LeafRuns& runs : division) {
    const std::int64_t own = std::ssize(subtrees_in(runs, leaves));
    subtrees += own;
    most = std::max(most, own);
    least = std::min(least, own);
  }
  const double slice = parameters * kFloatBits / ranks;
  // Each subtree's sum goes to all other ranks, a slice to each; a rank receives its own slice of all others' subtrees.
  return std::max(static_cast<double>(most) * (ranks - 1), static_cast<double>(subtrees - least)) * slice;
}

/// Bits that the first of some ranks receives for the sums of gradients over the parts of a sequence that they share.
double group_bits(const SequenceGrid& grid, int members, double parameters) {
  std::int64_t subtrees = 0;
  for (int member = 1; member < members; ++member)
    subtrees += std::ssize(subtrees_in(grid.parts_of(member, members), grid.count()));
  return static_cast<double>(subtrees) * parameters * kFloatBits;
}

std::string seconds_text(double seconds) {
  return seconds < 1 ? fmt::format("{:.1f} ms", seconds * 1e3) : fmt::format("{:.2f} s", seconds);
}

}  // namespace

ClusterPlan make_cluster_plan(const Config& config, const ModelConfig& model, const RunPlan& plan,
                              const ClusterRequest& request) {
  check_enough_leaves(model, config.train, request.ranks);
  const int ranks = request.ranks, members = static_cast<int>(std::max<std::int64_t>(config.train.sequence_ranks, 1));
  ClusterPlan cluster{
      .request = request, .leaves = step_leaves(model, config.train), .members = members, .memory = plan.memory};
  std::vector<double> leaf_flops = request.leaf_flops;
  if (leaf_flops.empty())
    leaf_flops.assign(
        static_cast<std::size_t>(cluster.leaves),
        plan.training_flops_per_token * static_cast<double>(plan.tokens_per_step) / static_cast<double>(cluster.leaves));
  const std::vector<LeafRuns> division = divide_leaves(leaf_flops, ranks / members);
  const double group_speed = request.flops_per_second * members;
  double last_leaf_seconds = 0;  // of the busiest rank
  for (const LeafRuns& runs : division) {
    std::int64_t own = 0;
    double flops = 0, last = 0;
    for (const LeafRange run : runs) {
      own += run.count();
      for (std::int64_t leaf = run.first; leaf < run.end; ++leaf) flops += last = leaf_flops[static_cast<std::size_t>(leaf)];
    }
    cluster.leaves_per_rank = std::max(cluster.leaves_per_rank, own);
    if (flops / group_speed <= cluster.compute_seconds) continue;
    cluster.compute_seconds = flops / group_speed;
    last_leaf_seconds = last / group_speed;
  }
  const double alone_seconds = std::accumulate(leaf_flops.begin(), leaf_flops.end(), 0.0) / request.flops_per_second;
  if (ranks > 1) {
    const double bits_per_second = request.network_gbits * 1e9;
    const auto parameters = static_cast<double>(plan.parameters);
    cluster.reduce_seconds = reduce_bits(runs_of_ranks(division, members), cluster.leaves, parameters) / bits_per_second;
    if (members > 1) {
      const SequenceGrid grid(config.task.seq_len, model.attention.chunk_size);
      cluster.group_seconds =
          static_cast<double>(cluster.leaves_per_rank) * group_bits(grid, members, parameters) / bits_per_second;
    }
    cluster.gather_seconds = parameters * kFloatBits * (ranks - 1) / ranks / bits_per_second;
    // Gradients travel early if leaves run one after another; a backward pass is two thirds of a leaf's time.
    if (plan.shards == 1 && config.train.sequence_ranks == 0)
      cluster.hidden_seconds = std::min(cluster.reduce_seconds, last_leaf_seconds * 2 / 3);
  }
  cluster.step_seconds = cluster.compute_seconds + cluster.group_seconds + cluster.reduce_seconds - cluster.hidden_seconds +
                         cluster.gather_seconds;
  cluster.efficiency = alone_seconds / (cluster.step_seconds * ranks);
  cluster.run_seconds = cluster.step_seconds * static_cast<double>(config.train.max_steps);
  cluster.memory.optimizer /= ranks;
  cluster.memory.carried /= ranks;
  return cluster;
}

std::string format_cluster_plan(const ClusterPlan& plan) {
  std::string text;
  const auto line = [&](const std::string& name, const std::string& value) {
    text += fmt::format("{:<32}{:>16}\n", name, value);
  };
  line(fmt::format("on {} ranks of {:.0f} Gbit/s", plan.request.ranks, plan.request.network_gbits),
       fmt::format("{:.0f} GFLOP/s each", plan.request.flops_per_second / 1e9));
  if (plan.members > 1) line("  ranks that share a sequence", fmt::format("{}", plan.members));
  line(plan.members > 1 ? "  leaves a group, at most" : "  leaves a rank, at most",
       fmt::format("{} of {}", plan.leaves_per_rank, plan.leaves));
  line("  computing a step", seconds_text(plan.compute_seconds));
  if (plan.members > 1) line("  gradients within a group", seconds_text(plan.group_seconds));
  line("  gradients to their owners", seconds_text(plan.reduce_seconds));
  line("    of it beside computing", seconds_text(plan.hidden_seconds));
  line("  parameters to all", seconds_text(plan.gather_seconds));
  line("  a step", seconds_text(plan.step_seconds));
  line("  efficiency", fmt::format("{:.0f} %", 100 * plan.efficiency));
  line("  memory a rank, about", fmt::format("{:.1f} MiB", static_cast<double>(plan.memory.total()) / (1 << 20)));
  line("  the run", fmt::format("{:.2f} days", plan.run_seconds / 86400));
  return text;
}

std::string cluster_plan_to_json(const ClusterPlan& plan) {
  const nlohmann::ordered_json json = {{"ranks", plan.request.ranks},
                                       {"network_gbits", plan.request.network_gbits},
                                       {"flops_per_second", plan.request.flops_per_second},
                                       {"leaves", plan.leaves},
                                       {"leaves_per_rank", plan.leaves_per_rank},
                                       {"sequence_ranks", plan.members},
                                       {"compute_seconds", plan.compute_seconds},
                                       {"group_seconds", plan.group_seconds},
                                       {"reduce_seconds", plan.reduce_seconds},
                                       {"hidden_seconds", plan.hidden_seconds},
                                       {"gather_seconds", plan.gather_seconds},
                                       {"step_seconds", plan.step_seconds},
                                       {"efficiency", plan.efficiency},
                                       {"memory_bytes", plan.memory.total()},
                                       {"run_seconds", plan.run_seconds}};
  return json.dump();
}

}  // namespace cosformer

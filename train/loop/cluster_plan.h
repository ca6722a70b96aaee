#pragma once
/// \file
/// What a run will cost on several ranks, before anybody asks for them.

#include <cstdint>
#include <string>
#include <vector>

#include "train/config/config.h"
#include "train/loop/plan.h"

namespace cosformer {

/// Ranks that are asked for, and what each of them has.
struct ClusterRequest {
  int ranks = 1;
  double network_gbits = 10;            ///< of each rank, in each direction at once
  double flops_per_second = 1e11;       ///< that each rank reaches
  std::vector<double> leaf_flops = {};  ///< of each leaf of a step, forward and backward; empty: as the plan's tokens say
};

struct ClusterPlan {
  ClusterRequest request;
  std::int64_t leaves = 0;           ///< parts of a step (autograd/step_tree.h)
  std::int64_t leaves_per_rank = 0;  ///< of the busiest, or of the busiest group of ranks that share sequences
  int members = 1;                   ///< ranks of a group
  double compute_seconds = 0;        ///< of a step
  double group_seconds = 0;          ///< gradients within a group to its first rank
  double reduce_seconds = 0;         ///< gradients to the owners of the parameters
  double hidden_seconds = 0;         ///< of that, while the last leaf's backward pass runs
  double gather_seconds = 0;         ///< updated parameters to all
  double step_seconds = 0;
  double efficiency = 0;  ///< of one rank's time for the step over that of all ranks together
  double run_seconds = 0;
  MemoryEstimate memory;  ///< of a rank
};

/// The plan of a run whose `plan` is for one rank. Messages cost what their bytes do: delays are not counted, nor
/// what layers exchange of a sequence that ranks share, and the network is taken to carry what all ranks send at once.
/// Throws InputError if a step has fewer leaves than there are ranks.
ClusterPlan make_cluster_plan(const Config& config, const ModelConfig& model, const RunPlan& plan,
                              const ClusterRequest& request);

/// For people, below what `format_plan` says.
std::string format_cluster_plan(const ClusterPlan& plan);
/// As one JSON object.
std::string cluster_plan_to_json(const ClusterPlan& plan);

}  // namespace cosformer

#pragma once
/// \file
/// What a run needs, from its config, before anything is trained.

#include <optional>
#include <string>
#include <vector>

#include "layers/cost.h"
#include "train/config/config.h"

namespace cosformer {

struct RunPlan {
  std::vector<ParameterGroup> groups;  ///< parameters by part of the model
  std::int64_t parameters = 0;
  std::int64_t trained = 0;  ///< of them; the others are frozen
  std::int64_t vocab_size = 0;
  double epochs = 0;                    ///< how often the run reads its training data; 0 if nobody has said it
  std::int64_t tokens_per_step = 0;     ///< at most: when all sequences are as long as they may be
  std::int64_t shards = 0;              ///< of a micro-batch; see shard_count
  double training_flops_per_token = 0;  ///< forward and backward
  double run_flops = 0;                 ///< of train.max_steps such steps
  MemoryEstimate memory;                ///< of a training step on the present number of threads
};

/// The plan of a config whose model is complete (vocab_size and max_length known). Throws InputError for a config that fits
/// no model.
RunPlan make_plan(const Config& config, const ModelConfig& model, std::int64_t seq_len);

/// Sizes, parameters by part, arithmetic and memory as text for people. Where `peak_flops` is given, what matrix products
/// reach a second on this machine, it says how long the run takes at least.
std::string format_plan(const RunPlan& plan, std::optional<double> peak_flops = std::nullopt);
/// The same as one JSON object.
std::string plan_to_json(const RunPlan& plan, std::optional<double> peak_flops = std::nullopt);

}  // namespace cosformer

#include <utility>

#include "core/error.h"
#include "layers/attention/registry.h"
#include "train/config/config_builder.h"
#include "train/config/toml.h"

namespace cosformer {

std::optional<ConfigProblem> find_problem(const Config& config) {
  const auto& [task, model, optimizer, schedule, train, decoding, checkpoint, logging] = config;
  if (model.embed_dim % model.num_heads != 0)
    return ConfigProblem{"model.num_heads", concat("model.num_heads (", model.num_heads, ") must divide model.embed_dim (",
                                                   model.embed_dim, ")")};
  if (model.positions == Positions::learned && model.max_length != 0 && model.max_length < task.seq_len)
    return ConfigProblem{"model.max_length", concat("model.max_length (", model.max_length,
                                                    ") must be at least task.seq_len (", task.seq_len, ")")};
  if (model.num_classes > 0 && model.kind != ModelKind::encoder)
    return ConfigProblem{"model.num_classes", "model.num_classes needs model.kind = \"encoder\""};
  if (model.lm_head && model.kind != ModelKind::encoder)
    return ConfigProblem{"model.lm_head", "model.lm_head needs model.kind = \"encoder\""};
  if (model.kind != ModelKind::encoder_decoder) {
    const AttentionConfig none;
    const AttentionConfig& attention = model.attention;
    const std::pair<const char*, bool> encoder_decoder_keys[] = {
        {"model.share_embeddings", model.share_embeddings},
        {"attention.encoder", attention.encoder != none.encoder},
        {"attention.self", attention.self != none.self},
        {"attention.cross", attention.cross != none.cross},
        {"attention.self_reweighting_length", attention.self_reweighting_length != none.self_reweighting_length},
        {"attention.cross_reweighting", attention.cross_reweighting != none.cross_reweighting}};
    for (const auto& [key, is_set] : encoder_decoder_keys) {
      if (is_set) return ConfigProblem{key, concat(key, " needs model.kind = \"encoder_decoder\"")};
    }
  }
  if (auto problem = find_attention_problem(model)) return ConfigProblem{problem->key, std::move(problem->message)};
  if (task.tokenizer == "byte" && !task.tokenizer_folder.empty())
    return ConfigProblem{"task.tokenizer_folder", "task.tokenizer_folder has no use with task.tokenizer = \"byte\""};
  if (optimizer.nesterov && (optimizer.name != "sgd" || optimizer.momentum == 0.0))
    return ConfigProblem{"optimizer.nesterov", "optimizer.nesterov needs optimizer.name = \"sgd\" and optimizer.momentum"};
  if (optimizer.momentum > 0.0 && optimizer.name != "sgd")
    return ConfigProblem{"optimizer.momentum", "optimizer.momentum needs optimizer.name = \"sgd\""};
  if (schedule.decay_steps != 0 && schedule.decay_steps < schedule.warmup_steps)
    return ConfigProblem{"schedule.decay_steps",
                         concat("schedule.decay_steps (", schedule.decay_steps, ") must be at least schedule.warmup_steps (",
                                schedule.warmup_steps, ")")};
  if (schedule.name == "cosine_cycles" && schedule.period_steps == 0)
    return ConfigProblem{"schedule.period_steps",
                         "schedule.period_steps must be at least 1 with schedule.name = \"cosine_cycles\""};
  if (task.context_window >= task.seq_len)
    return ConfigProblem{"task.context_window", concat("task.context_window (", task.context_window,
                                                       ") must be less than task.seq_len (", task.seq_len, ")")};
  if (train.batch_size % train.accumulation != 0)
    return ConfigProblem{"train.accumulation", concat("train.accumulation (", train.accumulation,
                                                      ") must divide train.batch_size (", train.batch_size, ")")};
  if (train.shards > train.batch_size / train.accumulation)
    return ConfigProblem{"train.shards", concat("train.shards (", train.shards, ") must be at most the ",
                                                train.batch_size / train.accumulation, " sequences of a micro-batch")};
  if (!logging.sample_prompt.empty() && task.name != "language_modeling")
    return ConfigProblem{"logging.sample_prompt",
                         concat("logging.sample_prompt needs task.name = \"language_modeling\", not \"", task.name, '"')};
  if (train.patience > 0 && train.eval_every == 0)
    return ConfigProblem{"train.patience", "train.patience needs train.eval_every"};
  return std::nullopt;
}

void check_config(const Config& config) {
  if (const auto problem = find_problem(config)) throw InputError(error_at(problem->key, {}, problem->message));
}

}  // namespace cosformer

#include <utility>

#include "core/error.h"
#include "layers/attention/registry.h"
#include "train/config/config_builder.h"
#include "train/config/toml.h"

namespace cosformer {

std::optional<OptionProblem> find_problem(const Config& config) {
  const auto& [task, model, optimizer, schedule, train, decoding, checkpoint, logging] = config;
  if (model.embed_dim % model.num_heads != 0)
    return OptionProblem{"model.num_heads", concat("model.num_heads (", model.num_heads, ") must divide model.embed_dim (",
                                                   model.embed_dim, ")")};
  if (is_bounded(model) && model.max_length != 0 && model.max_length < task.seq_len)
    return OptionProblem{"model.max_length", concat("model.max_length (", model.max_length,
                                                    ") must be at least task.seq_len (", task.seq_len, ")")};
  if (model.num_classes > 0 && model.kind != ModelKind::encoder)
    return OptionProblem{"model.num_classes", "model.num_classes needs model.kind = \"encoder\""};
  if (model.lm_head && model.kind != ModelKind::encoder)
    return OptionProblem{"model.lm_head", "model.lm_head needs model.kind = \"encoder\""};
  if (model.kind != ModelKind::encoder_decoder) {
    const AttentionConfig none;
    const AttentionConfig& attention = model.attention;
    const std::pair<const char*, bool> encoder_decoder_keys[] = {
        {"model.share_embeddings", model.share_embeddings},
        {"attention.encoder", attention.encoder != none.encoder},
        {"attention.self", attention.self != none.self},
        {"attention.cross", attention.cross != none.cross},
        {"attention.self_reweighting_length", attention.self_reweighting_length != none.self_reweighting_length},
        {"attention.cross_reweighting", attention.cross_reweighting != none.cross_reweighting},
        {"attention.cross_reweighting_length", attention.cross_reweighting_length != none.cross_reweighting_length}};
    for (const auto& [key, is_set] : encoder_decoder_keys) {
      if (is_set) return OptionProblem{key, concat(key, " needs model.kind = \"encoder_decoder\"")};
    }
  }
  if (auto problem = find_attention_problem(model)) return problem;
  if (task.document_boundaries) {
    if (auto problem = find_packing_problem(model)) return problem;
    if (model.attention.reweighting_length == ReweightingLength::padded && reads_reweighting_length(model))
      return OptionProblem{"attention.reweighting_length",
                           "attention.reweighting_length = \"padded\" is the longest text beside it, and with "
                           "task.document_boundaries no text depends on others; expected \"auto\" or a number"};
  }
  if (task.tokenizer == "byte" && !task.tokenizer_folder.empty())
    return OptionProblem{"task.tokenizer_folder", "task.tokenizer_folder has no use with task.tokenizer = \"byte\""};
  if (auto problem = find_optimizer_problem(optimizer)) return problem;
  if (auto problem = find_schedule_problem(schedule)) return problem;
  if (task.context_window >= task.seq_len)
    return OptionProblem{"task.context_window", concat("task.context_window (", task.context_window,
                                                       ") must be less than task.seq_len (", task.seq_len, ")")};
  if (train.batch_size % train.accumulation != 0)
    return OptionProblem{"train.accumulation", concat("train.accumulation (", train.accumulation,
                                                      ") must divide train.batch_size (", train.batch_size, ")")};
  if (train.shards > train.batch_size / train.accumulation)
    return OptionProblem{"train.shards", concat("train.shards (", train.shards, ") must be at most the ",
                                                train.batch_size / train.accumulation, " sequences of a micro-batch")};
  if (!logging.sample_prompt.empty() && task.name != "language_modeling")
    return OptionProblem{"logging.sample_prompt",
                         concat("logging.sample_prompt needs task.name = \"language_modeling\", not \"", task.name, '"')};
  if (train.patience > 0 && train.eval_every == 0)
    return OptionProblem{"train.patience", "train.patience needs train.eval_every"};
  return std::nullopt;
}

void check_config(const Config& config) {
  if (const auto problem = find_problem(config)) throw InputError(error_at(problem->key, {}, problem->message));
}

}  // namespace cosformer

#include "train/tasks/cut_check.h"

#include "core/error.h"
#include "layers/sequence/model_in_parts.h"
#include "layers/sequence/sequence_grid.h"

namespace cosformer {

void check_can_cut(const ModelConfig& model) {
  if (const auto problem = find_cut_problem(model))
    throw InputError(concat(problem->message, "; train.sequence_ranks = 0 leaves them whole"));
}

void check_cut(const TrainConfig& train, const ModelConfig& model, std::int64_t seq_len) {
  const std::int64_t ranks = train.sequence_ranks;
  if (ranks == 0) return;
  check_can_cut(model);
  check<InputError>(model.adaptation.trainable.empty() && model.adaptation.lora.rank == 0,
                    "train.sequence_ranks: sequences are cut where all parameters are trained; expected 0 with "
                    "train.trainable or lora.rank");
  check<InputError>(train.shards <= 1,
                    "train.shards: sequences that are cut take all threads by themselves; expected \"auto\", "
                    "found ",
                    train.shards);
  const SequenceGrid grid(seq_len, model.attention.chunk_size);
  check<InputError>(grid.count() >= ranks, "train.sequence_ranks: a text of ", seq_len, " tokens has ", grid.count(),
                    grid.count() == 1 ? " part of " : " parts of ", grid.part_tokens(), " tokens, fewer than ", ranks,
                    " ranks; a smaller attention.chunk_size makes more");
}

}  // namespace cosformer

#include "train/loop/cut_check.h"

#include "core/error.h"
#include "layers/sequence/model_in_parts.h"
#include "layers/sequence/sequence_grid.h"

namespace cosformer {

void check_cut(const TrainConfig& train, const TaskConfig& task, const ModelConfig& model, std::int64_t seq_len) {
  const std::int64_t ranks = train.sequence_ranks;
  if (ranks == 0) return;
  if (const auto problem = find_cut_problem(model))
    throw InputError(concat(problem->key, ": ", problem->message, "; train.sequence_ranks = 0 leaves them whole"));
  check<InputError>(train.shards <= 1,
                    "train.shards: sequences that are cut take all threads by themselves; expected \"auto\", "
                    "found ",
                    train.shards);
  const SequenceGrid grid(seq_len, model.attention.chunk_size);
  check<InputError>(grid.count() >= ranks, "train.sequence_ranks: a text of ", seq_len, " tokens has ", grid.count(),
                    grid.count() == 1 ? " part of " : " parts of ", grid.part_tokens(), " tokens, fewer than ", ranks,
                    " ranks; a smaller attention.chunk_size makes more");
  check<InputError>(
      ranks == 1 || model.kind == ModelKind::decoder || (task.pad_to == PadTo::seq_len && !task.mask_padding_id),
      "train.sequence_ranks: batches of unequal length may have fewer parts than ranks; expected task.pad_to = "
      "\"seq_len\" and task.mask_padding_id = false");
}

}  // namespace cosformer

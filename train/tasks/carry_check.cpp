#include "train/tasks/carry_check.h"

#include "core/error.h"
#include "layers/attention/registry.h"

namespace cosformer {

void check_carried(const TrainConfig& train, const ModelConfig& model, const Task& task) {
  const std::optional<TextStreams> streams = task.streams();
  if (!streams) return;
  check<InputError>(
      train.sequence_ranks == 0,
      "train.sequence_ranks: windows that go on with a state (task.carry_state) are not cut; expected 0, found ",
      train.sequence_ranks);
  if (const auto problem = find_carry_problem(model, streams->length(), task.longest_carried_text()))
    throw InputError(concat(problem->message, "; task.carry_state = false begins every window anew"));
}

}  // namespace cosformer

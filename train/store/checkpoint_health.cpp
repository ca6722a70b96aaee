#include "train/store/checkpoint_health.h"

#include <vector>

#include "core/error.h"
#include "core/kernels/optimizer.h"
#include "train/store/checkpoint_store.h"

namespace cosformer {

void check_finite(const Checkpoint& checkpoint, const std::string& advice) {
  for (const TensorMap* tensors : {&checkpoint.parameters, &checkpoint.optimizer}) {
    for (const auto& [name, tensor] : *tensors) {
      const bool finite = dispatch_float(
          tensor.dtype(), [&tensor = tensor]<class T>(T) { return all_finite(tensor.data<T>(), tensor.size()); });
      check<Error>(finite, "stopped at step ", checkpoint.state.step, ": the update made \"", name, "\" infinite or NaN; ",
                   advice);
    }
  }
}

std::string describe_last_healthy(const std::filesystem::path& checkpoints, const RunState& state) {
  // The weights of the step before the first skipped one are those that gave no finite loss.
  const std::int64_t suspect = state.step - state.nonfinite_streak;
  std::vector<std::int64_t> steps = list_checkpoints(checkpoints);
  std::erase_if(steps, [&](std::int64_t step) { return step >= suspect; });
  const std::string cause = concat("the weights of step ", suspect, " gave the first of them, ");
  if (steps.empty()) return cause + "and there is no checkpoint from before";
  return concat(cause, "the last checkpoint from before is ", (checkpoints / checkpoint_name(steps.back())).string(),
                ": a new run, with a smaller learning rate for one, can begin with it (train.init_from)");
}

}  // namespace cosformer

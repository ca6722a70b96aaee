#include "train/cli/memory_check.h"

#include <algorithm>

#include "core/error.h"
#include "train/cli/findings.h"

namespace cosformer {

void check_memory(const RunPlan& plan, const Machine& machine) {
  // A machine whose memory is not known refuses nothing.
  const std::int64_t installed = machine.memory_bytes > 0 ? machine.memory_bytes : INT64_MAX;
  const std::int64_t limit = std::min(installed, machine.limits.memory_bytes.value_or(INT64_MAX));
  const MemoryEstimate& need = plan.memory;
  check<InputError>(need.total() <= limit, "a training step of this config needs about ", format_bytes(need.total()),
                    " of memory (parameters ", format_bytes(need.parameters), ", gradients ", format_bytes(need.gradients),
                    ", optimizer ", format_bytes(need.optimizer), ", activations ", format_bytes(need.activations),
                    need.carried > 0 ? concat(", carried states ", format_bytes(need.carried)) : std::string(), "), and ",
                    limit < installed ? "the control group allows " : "this machine has ", format_bytes(limit),
                    "; fewer or narrower layers need less, and larger train.accumulation needs less for activations");
}

}  // namespace cosformer

#include "core/error.h"
#include "layers/attention/registry.h"

namespace cosformer {

std::optional<OptionProblem> find_packing_problem(const ModelConfig& config) {
  // Texts share rows of decoders alone.
  constexpr AttentionPlace kPlace = AttentionPlace::decoder_self;
  for (std::int64_t layer = 0; layer < attention_period(config.attention, kPlace); ++layer) {
    const AttentionConfig own = attention_at(config.attention, kPlace, layer);
    if (find_attention_kind(own.kind).supports(own).padding) continue;
    const char* key = config.attention.layers.empty() ? "attention.kind" : "attention.layers";
    return OptionProblem{key, concat(key, " = \"", own.kind, "\" does not keep texts apart that share a row")};
  }
  return std::nullopt;
}

}  // namespace cosformer

#pragma once
/// \file
/// What a model costs: parameters, arithmetic and memory, from its config alone.

#include <cstdint>
#include <string>
#include <vector>

#include "layers/model_config.h"
#include "layers/parameters.h"

namespace cosformer {

/// Parameters of one part of a model ("decoder.embed_tokens", "decoder.layers.0", …).
struct ParameterGroup {
  std::string name;
  std::int64_t elements = 0;
};
/// Parameters summed by part, in the order of the model.
std::vector<ParameterGroup> parameter_groups(const std::vector<Parameter>& parameters);

/// Share of an encoder's positions whose tokens are to be restored: RoBERTa's.
inline constexpr double kMaskedShare = 0.15;

/// Floating-point operations of a forward pass per position of the decoder (of the encoder if there is no decoder), at
/// `seq_len` positions per side: linear layers exactly, attention as its formula asks (half of T×S if causal), the output
/// head (that of masked tokens on kMaskedShare of the positions, tails of an adaptive softmax on the band_share of their
/// words); norms, activations and the loss are not counted. A training step counts three times this.
double forward_flops_per_token(const ModelConfig& config, std::int64_t seq_len);

/// Memory of a training step, in bytes. The parts need not be at their largest at once: the total is a little more than what
/// is used.
struct MemoryEstimate {
  std::int64_t parameters = 0;
  std::int64_t gradients = 0;
  std::int64_t optimizer = 0;
  std::int64_t activations = 0;
  std::int64_t carried = 0;  ///< what windows go on with (layers/carried_texts.h)
  std::int64_t total() const { return parameters + gradients + optimizer + activations + carried; }
};
/// The graphs of a training step that exist at one time.
struct GraphLoad {
  std::int64_t rows = 1;  ///< sequences of one graph
  std::int64_t seq_len = 1;
  std::int64_t at_once = 1;        ///< graphs that run side by side
  std::int64_t threads = 1;        ///< that work on one graph
  std::int64_t gradient_sets = 1;  ///< gradients of shards that are not yet added up
  bool recompute_layers = false;   ///< see Pass::recompute_layers
  bool carries = false;            ///< see Pass::carried
  /// Of sequences that are cut (layers/sequence/README.md): tokens of a part. `seq_len` is then what one rank has of a text.
  std::int64_t part_tokens = 0;
};

/// `elements` parameters, `frozen` of which have no gradients, with `moments` numbers of optimizer state for each other one.
/// float32. Throws InputError for options that fit no attention.
MemoryEstimate estimate_memory(const ModelConfig& config, std::int64_t elements, std::int64_t moments, const GraphLoad& load,
                               std::int64_t frozen = 0);

}  // namespace cosformer

#pragma once
/// \file
/// Text from a decoder, one token at a time.

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "layers/model.h"

namespace cosformer {

struct SamplingOptions {
  std::int64_t tokens = 200;  ///< how many to generate
  double temperature = 1.0;   ///< 0 = always the likeliest token
  std::int64_t top_k = 0;     ///< only the k likeliest; 0 = all
  std::uint64_t seed = 1;
  std::int64_t vocab_size = 0;  ///< only tokens below it, for models with more rows than the tokenizer has tokens; 0 = all
};

struct GeneratedText {
  std::vector<std::int32_t> tokens;
  std::vector<double> milliseconds;  ///< of each generated token
};

/// Reads `prompt` and continues it. Every token costs the same whatever the context where the attention has a recurrent
/// form. The result is a function of (model, prompt, options). Throws InputError for an empty prompt or ids outside the
/// vocabulary, and where learned positions run out.
GeneratedText generate(const Model& model, std::span<const std::int32_t> prompt, const SamplingOptions& options);

/// Draws an index from softmax(logits / temperature) restricted to the `top_k` largest; `uniform` in [0, 1).
std::int32_t sample_token(std::span<const float> logits, double temperature, std::int64_t top_k, double uniform);

}  // namespace cosformer

#pragma once
/// \file
/// Text from a decoder, one token at a time.

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <vector>

#include "layers/model.h"

namespace cosformer {

struct SamplingOptions {
  std::int64_t tokens = 200;  ///< how many to generate
  double temperature = 1.0;   ///< 0 = always the likeliest token
  std::int64_t top_k = 0;     ///< only the k likeliest; 0 = all
  double top_p = 1.0;         ///< only the likeliest tokens that together have this share of what `top_k` leaves; in (0, 1]
  std::uint64_t seed = 1;
  std::int64_t vocab_size = 0;  ///< only tokens below it, for models with more rows than the tokenizer has tokens; 0 = all
  std::int64_t window = 0;      ///< most tokens that the model has in view; 0 = what `text_window` says
};

struct GeneratedText {
  std::vector<std::int32_t> tokens;
  std::vector<double> milliseconds;  ///< of each generated token
  std::int64_t slides = 0;           ///< how often the window was full and moved on
};

/// Told each token as it is made; false ends the text.
using TokenSink = std::function<bool(std::int32_t token)>;

/// Reads `prompt` and continues it. Every token costs the same whatever the context if the attention has a recurrent form.
/// When the window is full, the model begins anew with the last half of it: learned positions exist for so many tokens
/// only, and a recurrent state cannot drop an old token. Of a prompt longer than the window the end is read. The result is a
/// function of (model, prompt, options). Throws InputError for an empty prompt, ids outside the vocabulary and a window that
/// the model's positions do not allow.
GeneratedText generate(const Model& model, std::span<const std::int32_t> prompt, const SamplingOptions& options,
                       const TokenSink& sink = {});

/// The most tokens that the model has in view: `asked`, or with 0 the positions that it has parameters for; nothing for a
/// model that reads texts of any length. Throws InputError for more than those.
std::optional<std::int64_t> text_window(const ModelConfig& config, std::int64_t asked);

/// Draws an index from softmax(logits / temperature) restricted by `top_k` and `top_p` (Holtzman et al., 2020); `uniform` in
/// [0, 1).
std::int32_t sample_token(std::span<const float> logits, const SamplingOptions& options, double uniform);

}  // namespace cosformer

#pragma once
/// \file
/// All kinds of attention by name, what each supports, and which of them a model asks for.

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "core/option_problem.h"
#include "layers/attention/attention.h"
#include "layers/model_config.h"

namespace cosformer {

/// What an attention can be asked for.
struct AttentionSupport {
  bool causal = true;      ///< query i sees keys j ≤ i: a decoder's attention to itself
  bool not_causal = true;  ///< every query sees every key: an encoder's attention
  bool cross = true;       ///< queries and keys of two texts: a decoder's attention to an encoder
  bool padding = true;     ///< keys that are padding, anywhere in a text; texts that share a row
  bool steps = true;       ///< token by token: generation
  /// Texts in parts (layers/sequence/README.md) in causal attention, and in attention that is not.
  bool causal_parts = false;
  bool other_parts = false;
  bool carries = false;  ///< training windows that go on with the state of the one before (carried_attention.h)
  /// Which projections of its own it has: without that for keys, queries serve as keys; without both, values do.
  bool projects_query = true;
  bool projects_key = true;
  bool distances = false;   ///< scores that fall with the distance (model.positions = "alibi")
  bool has_weights = true;  ///< a row of weights that sum to 1, of which some can be dropped (attention.dropout)
  bool forms = false;       ///< it reads attention.form
  bool norms = false;       ///< it reads attention.normalization = "rms"
  bool draws = false;       ///< it depends on attention.seed
  bool bounded = false;     ///< it has parameters for positions: no text is longer than model.max_length
};

/// What a kind computes, for whoever computes the same elsewhere.
enum class AttentionFormula {
  softmax,  ///< scaled dot products of a query and all keys that it sees
  window,   ///< the same of keys within AttentionConfig::window positions
  linear,   ///< feature_map, reweighting and normalization of its options, as `options_of_kind` has them
  other,
};

/// A registered kind, and one line on what it is.
struct AttentionKind {
  const char* name;
  const char* description;
  /// May depend on the config's options.
  AttentionSupport (*supports)(const AttentionConfig& config);
  std::unique_ptr<Attention> (*make)(const AttentionConfig& config, const AttentionSetting& setting);
  /// The options as the kind takes them, if it decides some itself.
  AttentionConfig (*preset)(AttentionConfig config) = nullptr;
  AttentionFormula formula = AttentionFormula::other;
};
std::span<const AttentionKind> attention_kinds();
/// Throws InputError for an unknown name, with the nearest one.
const AttentionKind& find_attention_kind(const std::string& name);

/// Throws InputError for an unknown kind or options that do not fit it.
std::unique_ptr<Attention> make_attention(const AttentionConfig& config, const AttentionSetting& setting);

/// The kind that a place of its own is given; "auto" if it has that of all.
const std::string& kind_of_place(const AttentionConfig& config, AttentionPlace place);

/// The attention of one place of an encoder-decoder in one layer of its stack, counted from 0: its `kind` and M, and nothing
/// that belongs to the other places or layers.
AttentionConfig attention_at(const AttentionConfig& config, AttentionPlace place, std::int64_t layer);

/// The same with what the model decides for it: biases, rotary positions, heads of keys. A short convolution and rotary
/// positions are for a text's attention to itself, the former for a decoder's; dropout is for kinds that have weights, if
/// any of the model's has.
AttentionConfig attention_of_layer(const ModelConfig& config, AttentionPlace place, std::int64_t layer);

/// How many layers of a stack may differ at a place: those after them have the same kinds again, in the same order.
std::int64_t attention_period(const AttentionConfig& config, AttentionPlace place);

/// The attentions of a model by name, for a line of a report: "cosformer", or "[cosformer, softmax]" by layers.
std::string attention_title(const AttentionConfig& config);

/// The options of an attention as its kind takes them, which may decide some itself.
AttentionConfig options_of_kind(AttentionConfig config);

/// Options of linear attention that a config sets and none of its attentions takes, a line for each: they have no effect.
std::vector<std::string> overruled_options(const ModelConfig& config);

/// Whether the length M of a re-weighting is part of what a model's attentions compute.
bool reads_reweighting_length(const ModelConfig& config);

/// Whether an attention of a model has weights to drop: then attention.dropout is for those that have.
bool has_attention_weights(const ModelConfig& config);
/// Whether what a model's attentions compute depends on attention.seed.
bool draws_by_seed(const ModelConfig& config);
/// Whether a model has no parameters for texts longer than its max_length: learned positions, or an attention's.
bool is_bounded(const ModelConfig& config);

/// What a model asks of its attention that this does not support, under the config key that asks for it.
std::optional<OptionProblem> find_attention_problem(const ModelConfig& config);

/// The same of texts that share rows (layers/packed_texts.h), which attention sees as items with padding.
std::optional<OptionProblem> find_packing_problem(const ModelConfig& config);

/// Why training windows of `tokens` tokens cannot go on with the state of the window before, in texts of `text_tokens`
/// tokens (layers/attention/carried_attention.h), of a decoder whose config is complete.
std::optional<OptionProblem> find_carry_problem(const ModelConfig& config, std::int64_t tokens, std::int64_t text_tokens);

/// The kinds of attention that have a support, unless their options say otherwise: "a", "b" and "c" in quotation marks.
std::string kinds_with(bool AttentionSupport::*support);

}  // namespace cosformer

#include "core/kernels/linear_attention/checks.h"

#include <algorithm>
#include <utility>

#include "core/error.h"

namespace cosformer {

namespace {

constexpr LinearAttentionFormName kForms[] = {{"auto", LinearAttentionForm::automatic},
                                              {"quadratic", LinearAttentionForm::quadratic},
                                              {"linear", LinearAttentionForm::linear},
                                              {"chunked", LinearAttentionForm::chunked},
                                              {"recurrent", LinearAttentionForm::recurrent}};
constexpr AttentionNormalizationName kNormalizations[] = {
    {"sum", AttentionNormalization::sum}, {"l1", AttentionNormalization::l1}, {"rms", AttentionNormalization::one}};

}  // namespace

std::span<const LinearAttentionFormName> linear_attention_forms() { return kForms; }

std::span<const AttentionNormalizationName> attention_normalizations() { return kNormalizations; }

bool has_form(AttentionNormalization normalization, LinearAttentionForm form) {
  return normalization != AttentionNormalization::l1 || form == LinearAttentionForm::automatic ||
         form == LinearAttentionForm::quadratic;
}

}  // namespace cosformer

namespace cosformer::detail {

namespace {

std::string_view form_name(LinearAttentionForm form) {
  return std::ranges::find(kForms, form, &LinearAttentionFormName::value)->name;
}

/// Whether weights depend on positions that are not those of consecutive tokens.
bool weighs_by_position(const AttentionVisibility& visibility, const LinearAttentionOptions& options) {
  return options.reweighting != Reweighting::none &&
         (visibility.query_positions != nullptr || visibility.key_positions != nullptr);
}

}  // namespace

void check_sizes(const AttentionSizes& sizes) {
  check<ShapeError>(sizes.batch >= 0 && sizes.queries >= 0 && sizes.keys >= 0 && sizes.heads >= 0,
                    "[linear attention] sizes must not be negative");
  check<ShapeError>(sizes.head_dim >= 1 && sizes.value_dim >= 1,
                    "[linear attention] head_dim and value_dim must be at least 1, not ", sizes.head_dim, " and ",
                    sizes.value_dim);
}

void check_steps(const AttentionSizes& sizes, const LinearAttentionOptions& options, bool causal) {
  const ReweightingKind& kind = reweighting_kind(options.reweighting);
  if (kind.weight == nullptr) return;
  const auto &query = options.steps.query, &key = options.steps.key;
  const std::int64_t wanted = kind.of_heads ? sizes.heads : sizes.batch;
  check<ShapeError>(std::cmp_equal(query.size(), wanted) && std::cmp_equal(key.size(), wanted),
                    "[linear attention] re-weighting needs a step for each of ", wanted, kind.of_heads ? " heads" : " items",
                    ", found ", query.size(), " for queries and ", key.size(), " for keys");
  check<ShapeError>(!(causal || kind.is_carried()) || query == key, "[linear attention] ",
                    causal ? "causal attention" : kind.name, " needs equal steps for queries and keys");
}

void check_arguments(const AttentionSizes& sizes, const AttentionVisibility& visibility,
                     const LinearAttentionOptions& options) {
  check_sizes(sizes);
  check<ShapeError>(visibility.window < 0, "[linear attention] a window is not supported");
  check<ShapeError>(options.chunk_size >= 1, "[linear attention] chunk_size must be at least 1, not ", options.chunk_size);
  check<ShapeError>(!visibility.causal || sizes.queries == sizes.keys,
                    "[linear attention] causal attention needs as many keys as queries, found ", sizes.queries,
                    " queries and ", sizes.keys, " keys");
  const bool needs_causal = options.form == LinearAttentionForm::chunked || options.form == LinearAttentionForm::recurrent;
  check<ShapeError>(visibility.causal || !needs_causal, "[linear attention] the ", form_name(options.form),
                    " form is causal only");
  check<ShapeError>(!visibility.causal || options.form != LinearAttentionForm::linear,
                    "[linear attention] the linear form is not causal; the chunked form is");
  const ReweightingKind& kind = reweighting_kind(options.reweighting);
  check<ShapeError>(kind.linear_form || options.form != LinearAttentionForm::linear, "[linear attention] the re-weighting ",
                    kind.name, " has no linear form");
  check<ShapeError>(
      options.form != LinearAttentionForm::chunked || !weighs_by_position(visibility, options),
      "[linear attention] the chunked form re-weights consecutive tokens only; the recurrent form takes positions");
  check<ShapeError>(has_form(options.normalization, options.form),
                    "[linear attention] the L1 norm needs the quadratic form, not the ", form_name(options.form), " one");
  check_steps(sizes, options, visibility.causal);
}

std::int64_t state_parts(const LinearAttentionOptions& options) {
  return std::max<std::int64_t>(1, reweighting_kind(options.reweighting).parts);
}

LinearAttentionForm chosen_form(const AttentionSizes& sizes, const AttentionVisibility& visibility,
                                const LinearAttentionOptions& options) {
  if (sizes.queries == 0) return LinearAttentionForm::quadratic;  // its backward pass writes zeros for the keys and values
  if (options.form != LinearAttentionForm::automatic) return options.form;
  if (options.normalization == AttentionNormalization::l1) return LinearAttentionForm::quadratic;
  if (visibility.causal && weighs_by_position(visibility, options)) return LinearAttentionForm::recurrent;
  if (visibility.causal) return LinearAttentionForm::chunked;
  if (!reweighting_kind(options.reweighting).linear_form) return LinearAttentionForm::quadratic;
  const double queries = static_cast<double>(sizes.queries), keys = static_cast<double>(sizes.keys);
  const double state = static_cast<double>(state_parts(options) * sizes.head_dim * sizes.value_dim);
  const double quadratic_work = queries * keys * static_cast<double>(sizes.head_dim + sizes.value_dim);
  return quadratic_work <= (queries + keys) * state ? LinearAttentionForm::quadratic : LinearAttentionForm::linear;
}

}  // namespace cosformer::detail

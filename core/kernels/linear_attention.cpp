#include "core/kernels/linear_attention.h"

#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

#include "core/error.h"
#include "core/kernels/linear_attention_head.h"
#include "core/parallel.h"

namespace cosformer {

namespace {

using detail::AngleTable;
using detail::LinearHead;
using detail::LinearHeadGradients;
using detail::LinearHeadOutput;
using detail::mask_of;
using detail::Rows;
using detail::rows_of;

const char* form_name(LinearAttentionForm form) {
  switch (form) {
    case LinearAttentionForm::automatic:
      return "automatic";
    case LinearAttentionForm::quadratic:
      return "quadratic";
    case LinearAttentionForm::linear:
      return "linear";
    case LinearAttentionForm::chunked:
      return "chunked";
    case LinearAttentionForm::recurrent:
      return "recurrent";
  }
  return "unknown";
}

void check_sizes(const AttentionSizes& sizes) {
  check<ShapeError>(sizes.batch >= 0 && sizes.queries >= 0 && sizes.keys >= 0 && sizes.heads >= 0,
                    "[linear attention] sizes must not be negative");
  check<ShapeError>(sizes.head_dim >= 1 && sizes.value_dim >= 1,
                    "[linear attention] head_dim and value_dim must be at least 1, not ", sizes.head_dim, " and ",
                    sizes.value_dim);
}

void check_steps(const AttentionSizes& sizes, const LinearAttentionOptions& options, bool causal) {
  if (!options.cos_reweighting) return;
  const auto query = options.query_angle_step, key = options.key_angle_step;
  check<ShapeError>(std::cmp_equal(query.size(), sizes.batch) && std::cmp_equal(key.size(), sizes.batch),
                    "[linear attention] re-weighting needs an angle step for each of ", sizes.batch, " items, found ",
                    query.size(), " for queries and ", key.size(), " for keys");
  check<ShapeError>(!causal || std::ranges::equal(query, key),
                    "[linear attention] causal attention needs equal angle steps for queries and keys");
}

/// Whether weights depend on positions that are not those of consecutive tokens.
bool weighs_by_position(const AttentionVisibility& visibility, const LinearAttentionOptions& options) {
  return options.cos_reweighting && (visibility.query_positions != nullptr || visibility.key_positions != nullptr);
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
  check<ShapeError>(
      options.form != LinearAttentionForm::chunked || !weighs_by_position(visibility, options),
      "[linear attention] the chunked form re-weights consecutive tokens only; the recurrent form takes positions");
  check<ShapeError>(options.normalization == AttentionNormalization::sum || options.form == LinearAttentionForm::automatic ||
                        options.form == LinearAttentionForm::quadratic,
                    "[linear attention] the L1 norm needs the quadratic form, not the ", form_name(options.form), " one");
  check_steps(sizes, options, visibility.causal);
}

/// The form with the least arithmetic. (Causal: the chunked form with one chunk is the quadratic one.)
LinearAttentionForm chosen_form(const AttentionSizes& sizes, const AttentionVisibility& visibility,
                                const LinearAttentionOptions& options) {
  if (sizes.queries == 0) return LinearAttentionForm::quadratic;  // its backward pass writes zeros for the keys and values
  if (options.form != LinearAttentionForm::automatic) return options.form;
  if (options.normalization == AttentionNormalization::l1) return LinearAttentionForm::quadratic;
  if (visibility.causal && weighs_by_position(visibility, options)) return LinearAttentionForm::recurrent;
  if (visibility.causal) return LinearAttentionForm::chunked;
  const double queries = static_cast<double>(sizes.queries), keys = static_cast<double>(sizes.keys);
  const double state = static_cast<double>((options.cos_reweighting ? 2 : 1) * sizes.head_dim * sizes.value_dim);
  const double quadratic_work = queries * keys * static_cast<double>(sizes.head_dim + sizes.value_dim);
  return quadratic_work <= (queries + keys) * state ? LinearAttentionForm::quadratic : LinearAttentionForm::linear;
}

/// The heads of all items, b · H + h, with the tables they point into.
template <class T>
class LinearHeads {
 public:
  LinearHeads(const AttentionSizes& sizes, const AttentionVisibility& visibility, const LinearAttentionOptions& options,
              const Heads<const T>& query, const Heads<const T>& key, const Heads<const T>& value)
      : query_table_(steps(options, options.query_angle_step), sizes.queries, visibility.query_positions),
        key_table_(steps(options, options.key_angle_step), sizes.keys, visibility.key_positions) {
    for (std::int64_t b = 0; b < sizes.batch; ++b) {
      for (std::int64_t h = 0; h < sizes.heads; ++h) {
        heads_.push_back({.queries = sizes.queries,
                          .keys = sizes.keys,
                          .head_dim = sizes.head_dim,
                          .value_dim = sizes.value_dim,
                          .causal = visibility.causal,
                          .map = options.feature_map,
                          .normalization = options.normalization,
                          .query = rows_of(query, b, h),
                          .key = rows_of(key, b, h),
                          .value = rows_of(value, b, h),
                          .key_mask = mask_of(visibility, sizes, b),
                          .query_angles = query_table_.item(b),
                          .key_angles = key_table_.item(b)});
      }
    }
  }
  std::span<const LinearHead<T>> all() const { return heads_; }

 private:
  static std::span<const double> steps(const LinearAttentionOptions& options, std::span<const double> given) {
    return options.cos_reweighting ? given : std::span<const double>{};
  }

  AngleTable<T> query_table_, key_table_;
  std::vector<LinearHead<T>> heads_;
};

/// Heads of an item that one thread takes side by side: at most four (their states fit the second-level cache), and no more than
/// leave every thread a piece. Each head's numbers are the same in any group.
template <class Visit>
void for_each_head_group(const AttentionSizes& sizes, Visit&& visit) {
  constexpr std::int64_t kMostHeads = 4;
  const std::int64_t threads = in_parallel_region() ? 1 : num_threads();
  const std::int64_t group = std::min({kMostHeads, sizes.heads, std::max<std::int64_t>(sizes.batch * sizes.heads / threads, 1)});
  const std::int64_t groups = (sizes.heads + group - 1) / group;
  parallel_for(sizes.batch * groups, [&](std::int64_t piece) {
    const std::int64_t b = piece / groups, first = piece % groups * group;
    visit(static_cast<std::size_t>(b * sizes.heads + first), static_cast<std::size_t>(std::min(group, sizes.heads - first)));
  });
}

/// The normaliser [B, T, H] of one head as a column.
template <class T>
Rows<T> normalizer_of(T* normalizer, const AttentionSizes& sizes, std::int64_t b, std::int64_t h) {
  return {normalizer + b * sizes.queries * sizes.heads + h, sizes.heads};
}

}  // namespace

std::int64_t linear_attention_saved_size(const AttentionSizes& sizes, const AttentionVisibility& visibility,
                                         const LinearAttentionOptions& options) {
  const bool keeps = chosen_form(sizes, visibility, options) == LinearAttentionForm::linear;
  return keeps ? linear_attention_state_size(sizes, options) : 0;
}

template <class T>
void linear_attention_forward(const AttentionSizes& sizes, const AttentionVisibility& visibility,
                              const LinearAttentionOptions& options, Heads<const T> query, Heads<const T> key,
                              Heads<const T> value, Heads<T> out, T* normalizer, T* saved) {
  check_arguments(sizes, visibility, options);
  const LinearHeads<T> heads(sizes, visibility, options, query, key, value);
  if (heads.all().empty() || sizes.queries == 0) return;
  const std::int64_t saved_size = linear_attention_saved_size(sizes, visibility, options);
  std::vector<LinearHeadOutput<T>> outputs;
  for (std::int64_t b = 0; b < sizes.batch; ++b) {
    for (std::int64_t h = 0; h < sizes.heads; ++h) {
      T* own = saved == nullptr ? nullptr : saved + (b * sizes.heads + h) * saved_size;
      outputs.push_back({rows_of(out, b, h), normalizer_of(normalizer, sizes, b, h), own});
    }
  }
  const LinearAttentionForm form = chosen_form(sizes, visibility, options);
  if (form == LinearAttentionForm::linear) return detail::linear_forward<T>(heads.all(), sizes.heads, outputs);
  if (form == LinearAttentionForm::chunked) {
    return for_each_head_group(sizes, [&](std::size_t first, std::size_t count) {
      detail::chunked_forward<T>(heads.all().subspan(first, count), options.chunk_size, std::span(std::as_const(outputs)).subspan(first, count));
    });
  }
  parallel_for(static_cast<std::int64_t>(outputs.size()), [&](std::int64_t i) {
    const LinearHead<T>& head = heads.all()[static_cast<std::size_t>(i)];
    const LinearHeadOutput<T>& output = outputs[static_cast<std::size_t>(i)];
    if (form == LinearAttentionForm::quadratic) return detail::quadratic_forward(head, output);
    detail::recurrent_forward(head, output);
  });
}

template <class T>
void linear_attention_backward(const AttentionSizes& sizes, const AttentionVisibility& visibility,
                               const LinearAttentionOptions& options, Heads<const T> query, Heads<const T> key,
                               Heads<const T> value, Heads<const T> out, const T* normalizer, const T* saved,
                               Heads<const T> dout, Heads<T> dquery, Heads<T> dkey, Heads<T> dvalue) {
  check_arguments(sizes, visibility, options);
  const LinearHeads<T> heads(sizes, visibility, options, query, key, value);
  if (heads.all().empty()) return;
  const std::int64_t saved_size = linear_attention_saved_size(sizes, visibility, options);
  check<ShapeError>(saved_size == 0 || saved != nullptr,
                    "[linear attention] a backward pass needs what the forward pass saved");
  std::vector<LinearHeadGradients<T>> gradients;
  for (std::int64_t b = 0; b < sizes.batch; ++b) {
    for (std::int64_t h = 0; h < sizes.heads; ++h) {
      const T* own = saved == nullptr ? nullptr : saved + (b * sizes.heads + h) * saved_size;
      gradients.push_back({rows_of(out, b, h), normalizer_of(normalizer, sizes, b, h), own, rows_of(dout, b, h),
                           rows_of(dquery, b, h), rows_of(dkey, b, h), rows_of(dvalue, b, h)});
    }
  }
  const LinearAttentionForm form = chosen_form(sizes, visibility, options);
  if (form == LinearAttentionForm::linear) return detail::linear_backward<T>(heads.all(), sizes.heads, gradients);
  if (form == LinearAttentionForm::chunked) {
    return for_each_head_group(sizes, [&](std::size_t first, std::size_t count) {
      detail::chunked_backward<T>(heads.all().subspan(first, count), options.chunk_size,
                                  std::span(std::as_const(gradients)).subspan(first, count));
    });
  }
  parallel_for(static_cast<std::int64_t>(gradients.size()), [&](std::int64_t i) {
    const LinearHead<T>& head = heads.all()[static_cast<std::size_t>(i)];
    const LinearHeadGradients<T>& gradient = gradients[static_cast<std::size_t>(i)];
    if (form == LinearAttentionForm::quadratic) return detail::quadratic_backward(head, gradient);
    detail::recurrent_backward(head, gradient);
  });
}

std::int64_t linear_attention_state_size(const AttentionSizes& sizes, const LinearAttentionOptions& options) {
  check_sizes(sizes);
  return (options.cos_reweighting ? 2 : 1) * sizes.head_dim * (sizes.value_dim + 1);
}

template <class T>
void linear_attention_step(const AttentionSizes& sizes, const LinearAttentionOptions& options, std::int64_t position,
                           Heads<const T> query, Heads<const T> key, Heads<const T> value, T* state, Heads<T> out) {
  check_sizes(sizes);
  check<ShapeError>(sizes.queries == 1 && sizes.keys == 1, "[linear attention] a step takes one query and one key, found ",
                    sizes.queries, " and ", sizes.keys);
  check<ShapeError>(options.normalization == AttentionNormalization::sum,
                    "[linear attention] the L1 norm has no recurrent state");
  check<ShapeError>(position >= 0, "[linear attention] a step's position must not be negative");
  check_steps(sizes, options, true);
  const std::int64_t state_size = linear_attention_state_size(sizes, options);
  parallel_for(sizes.batch * sizes.heads, [&](std::int64_t i) {
    const std::int64_t b = i / sizes.heads, h = i % sizes.heads;
    LinearHead<T> head{.queries = 1,
                       .keys = 1,
                       .head_dim = sizes.head_dim,
                       .value_dim = sizes.value_dim,
                       .causal = true,
                       .map = options.feature_map,
                       .normalization = options.normalization,
                       .query = rows_of(query, b, h),
                       .key = rows_of(key, b, h),
                       .value = rows_of(value, b, h),
                       .key_mask = nullptr,
                       .query_angles = {},
                       .key_angles = {}};
    T cosine = 1, sine = 0;
    if (options.cos_reweighting) {
      const double angle = static_cast<double>(position + 1) * options.query_angle_step[static_cast<std::size_t>(b)];
      cosine = static_cast<T>(std::cos(angle));
      sine = static_cast<T>(std::sin(angle));
      head.query_angles = head.key_angles = {&cosine, &sine};
    }
    detail::recurrent_step<T>(head, {state + i * state_size, sizes.value_dim + 1}, out.rows(b, h));
  });
}

#define COSFORMER_INSTANTIATE(T)                                                                                           \
  template void linear_attention_forward<T>(const AttentionSizes&, const AttentionVisibility&,                             \
                                            const LinearAttentionOptions&, Heads<const T>, Heads<const T>, Heads<const T>, \
                                            Heads<T>, T*, T*);                                                             \
  template void linear_attention_backward<T>(                                                                              \
      const AttentionSizes&, const AttentionVisibility&, const LinearAttentionOptions&, Heads<const T>, Heads<const T>,    \
      Heads<const T>, Heads<const T>, const T*, const T*, Heads<const T>, Heads<T>, Heads<T>, Heads<T>);                   \
  template void linear_attention_step<T>(const AttentionSizes&, const LinearAttentionOptions&, std::int64_t,               \
                                         Heads<const T>, Heads<const T>, Heads<const T>, T*, Heads<T>);
COSFORMER_INSTANTIATE(float)
COSFORMER_INSTANTIATE(double)
#undef COSFORMER_INSTANTIATE

}  // namespace cosformer

#include "core/kernels/linear_attention/linear_attention.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "core/error.h"
#include "core/kernels/attention/attention_gradients.h"
#include "core/kernels/linear_attention/checks.h"
#include "core/kernels/linear_attention/heads.h"
#include "core/parallel.h"

namespace cosformer {

namespace {

using detail::check_arguments;
using detail::check_sizes;
using detail::check_steps;
using detail::chosen_form;
using detail::for_each_head_group;
using detail::kMostHeads;
using detail::LinearHead;
using detail::LinearHeadGradients;
using detail::LinearHeadOutput;
using detail::LinearHeads;
using detail::normalizer_of;
using detail::rows_of;
using detail::state_parts;

}  // namespace

std::int64_t linear_attention_saved_size(const AttentionSizes& sizes, const AttentionVisibility& visibility,
                                         const LinearAttentionOptions& options) {
  const bool keeps = chosen_form(sizes, visibility, options) == LinearAttentionForm::linear;
  return keeps ? linear_attention_state_size(sizes, options) : 0;
}

std::int64_t linear_attention_working_size(const AttentionSizes& sizes, const AttentionVisibility& visibility,
                                           const LinearAttentionOptions& options) {
  const std::int64_t D = sizes.head_dim, E = sizes.value_dim + 1, parts = state_parts(options);
  const std::int64_t H = std::min(kMostHeads, sizes.heads);
  switch (chosen_form(sizes, visibility, options)) {
    case LinearAttentionForm::chunked: {
      // Two squares and their factors, see chunked_backward.
      const std::int64_t C = std::min(options.chunk_size, sizes.queries);
      return 2 * C * C + (C + H * (D + E)) * parts * (D + E) + C * (H * (D + E) + 3 * D + 3 * E);
    }
    case LinearAttentionForm::quadratic: {
      constexpr std::int64_t kBlock = 128;  // queries that it takes at once
      return sizes.keys * (3 * D + 3 * E + 2 * kBlock);
    }
    default:
      return 2 * H * parts * D * E;
  }
}

template <class T>
void linear_attention_forward(const AttentionSizes& sizes, const AttentionVisibility& visibility,
                              const LinearAttentionOptions& given, Heads<const T> query, Heads<const T> key,
                              Heads<const T> value, Heads<T> out, T* normalizer, T* saved) {
  check_arguments(sizes, visibility, given);
  LinearAttentionOptions options = given;
  options.form = chosen_form(sizes, visibility, given);
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
  const LinearAttentionForm form = options.form;
  if (form == LinearAttentionForm::linear) return detail::linear_forward<T>(heads.all(), sizes.heads, outputs);
  if (form == LinearAttentionForm::chunked) {
    return for_each_head_group(sizes, [&](std::size_t first, std::size_t count) {
      detail::chunked_forward<T>(heads.all().subspan(first, count), options.chunk_size,
                                 std::span(std::as_const(outputs)).subspan(first, count));
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
                               const LinearAttentionOptions& given, Heads<const T> query, Heads<const T> key,
                               Heads<const T> value, Heads<const T> out, const T* normalizer, const T* saved,
                               Heads<const T> dout, const Gradient<T>& dquery, const Gradient<T>& dkey,
                               const Gradient<T>& dvalue) {
  check_arguments(sizes, visibility, given);
  const detail::WrittenGradients<T> written(sizes, dquery, dkey, dvalue);
  LinearAttentionOptions options = given;
  options.form = chosen_form(sizes, visibility, given);
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
                           rows_of(written.query.heads(), b, h), rows_of(written.key.heads(), b, h),
                           rows_of(written.value.heads(), b, h), options.normalization != AttentionNormalization::one});
    }
  }
  const LinearAttentionForm form = options.form;
  if (form == LinearAttentionForm::linear) {
    detail::linear_backward<T>(heads.all(), sizes.heads, gradients);
  } else if (form == LinearAttentionForm::chunked) {
    for_each_head_group(sizes, [&](std::size_t first, std::size_t count) {
      detail::chunked_backward<T>(heads.all().subspan(first, count), options.chunk_size,
                                  std::span(std::as_const(gradients)).subspan(first, count));
    });
  } else {
    parallel_for(static_cast<std::int64_t>(gradients.size()), [&](std::int64_t i) {
      const LinearHead<T>& head = heads.all()[static_cast<std::size_t>(i)];
      const LinearHeadGradients<T>& gradient = gradients[static_cast<std::size_t>(i)];
      if (form == LinearAttentionForm::quadratic) return detail::quadratic_backward(head, gradient);
      detail::recurrent_backward(head, gradient);
    });
  }
  written.finish();
}

std::int64_t linear_attention_state_size(const AttentionSizes& sizes, const LinearAttentionOptions& options) {
  check_sizes(sizes);
  return state_parts(options) * sizes.head_dim * (sizes.value_dim + 1);
}

template <class T>
void linear_attention_step(const AttentionSizes& sizes, const LinearAttentionOptions& options, std::int64_t position,
                           Heads<const T> query, Heads<const T> key, Heads<const T> value, T* state, Heads<T> out) {
  check_sizes(sizes);
  check<ShapeError>(sizes.queries == 1 && sizes.keys == 1, "[linear attention] a step takes one query and one key, found ",
                    sizes.queries, " and ", sizes.keys);
  check<ShapeError>(options.normalization != AttentionNormalization::l1,
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
                       .query_factors = {},
                       .key_factors = {}};
    const ReweightingKind& kind = reweighting_kind(options.reweighting);
    const double step = kind.weight ? options.steps.query[static_cast<std::size_t>(kind.of_heads ? h : b)] : 0;
    T factors[detail::Factors<T>::kMostParts] = {}, weights[2] = {T{1}, T{1}};
    if (kind.is_carried()) {
      weights[1] = static_cast<T>(kind.weight(step));
      head.weights = weights;
      head.carried = true;
    } else if (kind.parts > 0) {
      // The position's own step: its factors are the first.
      T* rows[detail::Factors<T>::kMostParts] = {};
      for (std::int64_t part = 0; part < kind.parts; ++part) rows[part] = &factors[part];
      detail::fill_factors(kind, static_cast<double>(position + 1) * step, 0, 1, rows);
      head.query_factors.parts = head.key_factors.parts = kind.parts;
      for (std::int64_t part = 0; part < kind.parts; ++part) {
        head.query_factors.rows[part] = head.key_factors.rows[part] = rows[part];
      }
    }
    detail::recurrent_step<T>(head, {state + i * state_size, sizes.value_dim + 1}, out.rows(b, h));
  });
}

#define COSFORMER_INSTANTIATE(T)                                                                                            \
  template void linear_attention_forward<T>(const AttentionSizes&, const AttentionVisibility&,                              \
                                            const LinearAttentionOptions&, Heads<const T>, Heads<const T>, Heads<const T>,  \
                                            Heads<T>, T*, T*);                                                              \
  template void linear_attention_backward<T>(const AttentionSizes&, const AttentionVisibility&,                             \
                                             const LinearAttentionOptions&, Heads<const T>, Heads<const T>, Heads<const T>, \
                                             Heads<const T>, const T*, const T*, Heads<const T>, const Gradient<T>&,        \
                                             const Gradient<T>&, const Gradient<T>&);                                       \
  template void linear_attention_step<T>(const AttentionSizes&, const LinearAttentionOptions&, std::int64_t,                \
                                         Heads<const T>, Heads<const T>, Heads<const T>, T*, Heads<T>);
COSFORMER_INSTANTIATE(float)
COSFORMER_INSTANTIATE(double)
#undef COSFORMER_INSTANTIATE

}  // namespace cosformer

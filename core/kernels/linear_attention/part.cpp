#include "core/kernels/linear_attention/part.h"

#include <utility>
#include <vector>

#include "core/kernels/linear_attention/checks.h"
#include "core/kernels/linear_attention/heads.h"

namespace cosformer {

namespace {

using detail::LinearHead;
using detail::LinearHeadGradients;
using detail::LinearHeadOutput;
using detail::LinearHeads;
using detail::normalizer_of;
using detail::rows_of;
using detail::WrittenGradient;

/// The options with the form that parts have. Throws ShapeError if they do not fit.
LinearAttentionOptions checked(const AttentionSizes& sizes, const AttentionVisibility& visibility,
                               const LinearAttentionOptions& given) {
  LinearAttentionOptions options = given;
  options.form = visibility.causal ? LinearAttentionForm::chunked : LinearAttentionForm::linear;
  detail::check_arguments(sizes, visibility, options);
  return options;
}

/// The heads of a part whose keys are summed: what is carried weighs each by its distance to the position behind the part.
template <class T>
class SummedHeads {
 public:
  SummedHeads(const AttentionSizes& sizes, const AttentionVisibility& visibility, const LinearAttentionOptions& options,
              const Heads<const T>& key, const Heads<const T>& value)
      : heads_(sizes, visibility, options, key, key, value),
        weights_(reweighting_kind(options.reweighting).is_carried() ? sizes.heads : 0, sizes.keys) {
    const ReweightingKind& kind = reweighting_kind(options.reweighting);
    if (!kind.is_carried()) return;
    parallel_for(sizes.heads, [&](std::int64_t h) {
      const double step = options.steps.key[static_cast<std::size_t>(h)];
      for (std::int64_t j = 0; j < sizes.keys; ++j) {
        weights_[h][j] = static_cast<T>(kind.weight(static_cast<double>(sizes.keys - j) * step));
      }
    });
    const std::span<LinearHead<T>> all = heads_.all();
    for (std::size_t i = 0; i < all.size(); ++i) {
      all[i].key_factors = {{weights_[static_cast<std::int64_t>(i) % sizes.heads]}, 1};
    }
  }
  std::span<const LinearHead<T>> all() const { return heads_.all(); }

 private:
  LinearHeads<T> heads_;
  detail::ScratchMatrix<T> weights_;
};

/// Gives the heads of a part their states.
template <class T>
std::span<const LinearHead<T>> with_states(LinearHeads<T>& heads, const T* state) {
  const std::span<LinearHead<T>> all = heads.all();
  for (std::size_t i = 0; i < all.size(); ++i) all[i].state = state + static_cast<std::int64_t>(i) * all[i].state_size();
  return all;
}

}  // namespace

template <class T>
void linear_attention_key_sums(const AttentionSizes& sizes, const AttentionVisibility& visibility,
                               const LinearAttentionOptions& given, Heads<const T> key, Heads<const T> value, T* sums) {
  const LinearAttentionOptions options = checked(sizes, visibility, given);
  const SummedHeads<T> heads(sizes, visibility, options, key, value);
  if (!heads.all().empty()) detail::linear_key_sums<T>(heads.all(), sizes.heads, sums);
}

template <class T>
void linear_attention_key_sums_backward(const AttentionSizes& sizes, const AttentionVisibility& visibility,
                                        const LinearAttentionOptions& given, Heads<const T> key, Heads<const T> value,
                                        const T* dsums, const Gradient<T>& dkey, const Gradient<T>& dvalue) {
  const LinearAttentionOptions options = checked(sizes, visibility, given);
  const SummedHeads<T> heads(sizes, visibility, options, key, value);
  if (heads.all().empty()) return;
  const WrittenGradient<T> written_key(dkey, sizes.batch, sizes.keys, sizes.heads, sizes.head_dim);
  const WrittenGradient<T> written_value(dvalue, sizes.batch, sizes.keys, sizes.heads, sizes.value_dim);
  std::vector<LinearHeadGradients<T>> gradients(heads.all().size());
  for (std::size_t i = 0; i < gradients.size(); ++i) {
    const auto b = static_cast<std::int64_t>(i) / sizes.heads, h = static_cast<std::int64_t>(i) % sizes.heads;
    gradients[i].dkey = rows_of(written_key.heads(), b, h);
    gradients[i].dvalue = rows_of(written_value.heads(), b, h);
  }
  detail::linear_key_value_gradient<T>(heads.all(), sizes.heads, dsums, gradients);
  written_key.finish();
  written_value.finish();
}

std::vector<double> linear_attention_carry(const LinearAttentionOptions& options, std::int64_t heads, std::int64_t length) {
  const ReweightingKind& kind = reweighting_kind(options.reweighting);
  std::vector<double> factors(static_cast<std::size_t>(heads), 1.0);
  if (!kind.is_carried()) return factors;
  for (std::size_t h = 0; h < factors.size(); ++h)
    factors[h] = kind.weight(static_cast<double>(length) * options.steps.key[h]);
  return factors;
}

namespace {

/// Calls `visit(place, part_place, factor)` for each number of a recurrent state, with its place in a part's state and what
/// the latter has more of it.
template <class Visit>
void for_each_state_number(const AttentionSizes& sizes, const LinearAttentionOptions& options, const Visit& visit) {
  const std::int64_t D = sizes.head_dim, E = sizes.value_dim, parts = detail::state_parts(options);
  const std::vector<double> carry = linear_attention_carry(options, sizes.heads, 1);
  std::int64_t place = 0;
  for (std::int64_t head = 0; head < sizes.batch * sizes.heads; ++head) {
    const double factor = carry[static_cast<std::size_t>(head % sizes.heads)];
    const std::int64_t begin = place;
    for (std::int64_t part = 0; part < parts; ++part) {
      for (std::int64_t d = 0; d < D; ++d) {
        for (std::int64_t e = 0; e <= E; ++e, ++place)
          visit(place, begin + (e < E ? part * E + e : parts * E + part) * D + d, factor);
      }
    }
  }
}

}  // namespace

template <class T>
void linear_attention_state_to_part(const AttentionSizes& sizes, const LinearAttentionOptions& options, const T* state,
                                    T* of_part) {
  for_each_state_number(sizes, options, [&](std::int64_t from, std::int64_t to, double factor) {
    of_part[to] = static_cast<T>(factor * static_cast<double>(state[from]));
  });
}

template <class T>
void linear_attention_state_from_part(const AttentionSizes& sizes, const LinearAttentionOptions& options, const T* of_part,
                                      T* state) {
  for_each_state_number(sizes, options, [&](std::int64_t to, std::int64_t from, double factor) {
    state[to] = static_cast<T>(static_cast<double>(of_part[from]) / factor);
  });
}

template <class T>
void linear_attention_part_forward(const AttentionSizes& sizes, const AttentionVisibility& visibility,
                                   const LinearAttentionOptions& given, Heads<const T> query, Heads<const T> key,
                                   Heads<const T> value, const T* state, Heads<T> out, T* normalizer) {
  const LinearAttentionOptions options = checked(sizes, visibility, given);
  LinearHeads<T> tables(sizes, visibility, options, query, key, value);
  const std::span<const LinearHead<T>> heads = with_states(tables, state);
  if (heads.empty() || sizes.queries == 0) return;
  std::vector<LinearHeadOutput<T>> outputs;
  for (std::int64_t b = 0; b < sizes.batch; ++b) {
    for (std::int64_t h = 0; h < sizes.heads; ++h)
      outputs.push_back({rows_of(out, b, h), normalizer_of(normalizer, sizes, b, h), nullptr});
  }
  if (!visibility.causal) return detail::linear_read_sums<T>(heads, sizes.heads, state, outputs);
  detail::for_each_head_group(sizes, [&](std::size_t first, std::size_t count) {
    detail::chunked_forward<T>(heads.subspan(first, count), options.chunk_size,
                               std::span(std::as_const(outputs)).subspan(first, count));
  });
}

template <class T>
void linear_attention_part_backward(const AttentionSizes& sizes, const AttentionVisibility& visibility,
                                    const LinearAttentionOptions& given, Heads<const T> query, Heads<const T> key,
                                    Heads<const T> value, const T* state, Heads<const T> out, const T* normalizer,
                                    Heads<const T> dout, const Gradient<T>& dquery, const Gradient<T>& dkey,
                                    const Gradient<T>& dvalue, T* dstate) {
  const LinearAttentionOptions options = checked(sizes, visibility, given);
  LinearHeads<T> tables(sizes, visibility, options, query, key, value);
  const std::span<const LinearHead<T>> heads = with_states(tables, state);
  if (heads.empty() || sizes.queries == 0) return;
  const WrittenGradient<T> written_query(dquery, sizes.batch, sizes.queries, sizes.heads, sizes.head_dim);
  std::vector<LinearHeadGradients<T>> gradients;
  for (std::int64_t b = 0; b < sizes.batch; ++b) {
    for (std::int64_t h = 0; h < sizes.heads; ++h) {
      const std::int64_t place = (b * sizes.heads + h) * heads.front().state_size();
      gradients.push_back({.out = rows_of(out, b, h),
                           .normalizer = normalizer_of(normalizer, sizes, b, h),
                           .saved = state + place,
                           .dout = rows_of(dout, b, h),
                           .dquery = rows_of(written_query.heads(), b, h),
                           .dkey = {},
                           .dvalue = {},
                           .divides = options.normalization != AttentionNormalization::one,
                           .dstate = dstate + place});
    }
  }
  if (!visibility.causal) {
    detail::linear_query_gradient<T>(heads, sizes.heads, gradients, dstate);
    return written_query.finish();
  }
  const WrittenGradient<T> written_key(dkey, sizes.batch, sizes.keys, sizes.heads, sizes.head_dim);
  const WrittenGradient<T> written_value(dvalue, sizes.batch, sizes.keys, sizes.heads, sizes.value_dim);
  for (std::size_t i = 0; i < gradients.size(); ++i) {
    const auto b = static_cast<std::int64_t>(i) / sizes.heads, h = static_cast<std::int64_t>(i) % sizes.heads;
    gradients[i].dkey = rows_of(written_key.heads(), b, h);
    gradients[i].dvalue = rows_of(written_value.heads(), b, h);
  }
  detail::for_each_head_group(sizes, [&](std::size_t first, std::size_t count) {
    detail::chunked_backward<T>(heads.subspan(first, count), options.chunk_size,
                                std::span(std::as_const(gradients)).subspan(first, count));
  });
  written_query.finish();
  written_key.finish();
  written_value.finish();
}

#define COSFORMER_INSTANTIATE(T)                                                                                         \
  template void linear_attention_state_to_part<T>(const AttentionSizes&, const LinearAttentionOptions&, const T*, T*);   \
  template void linear_attention_state_from_part<T>(const AttentionSizes&, const LinearAttentionOptions&, const T*, T*); \
  template void linear_attention_key_sums<T>(const AttentionSizes&, const AttentionVisibility&,                          \
                                             const LinearAttentionOptions&, Heads<const T>, Heads<const T>, T*);         \
  template void linear_attention_key_sums_backward<T>(const AttentionSizes&, const AttentionVisibility&,                 \
                                                      const LinearAttentionOptions&, Heads<const T>, Heads<const T>,     \
                                                      const T*, const Gradient<T>&, const Gradient<T>&);                 \
  template void linear_attention_part_forward<T>(const AttentionSizes&, const AttentionVisibility&,                      \
                                                 const LinearAttentionOptions&, Heads<const T>, Heads<const T>,          \
                                                 Heads<const T>, const T*, Heads<T>, T*);                                \
  template void linear_attention_part_backward<T>(const AttentionSizes&, const AttentionVisibility&,                     \
                                                  const LinearAttentionOptions&, Heads<const T>, Heads<const T>,         \
                                                  Heads<const T>, const T*, Heads<const T>, const T*, Heads<const T>,    \
                                                  const Gradient<T>&, const Gradient<T>&, const Gradient<T>&, T*);
COSFORMER_INSTANTIATE(float)
COSFORMER_INSTANTIATE(double)
#undef COSFORMER_INSTANTIATE

}  // namespace cosformer

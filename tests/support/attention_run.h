#pragma once
/// \file
/// Runs the attention kernels on contiguous double operands [B, length, H, width], in the type and memory layout asked for.

#include <cstdint>
#include <cstring>
#include <vector>

#include "core/kernels/linear_attention/linear_attention.h"
#include "core/kernels/softmax_attention/materialized.h"
#include "core/kernels/softmax_attention/softmax_attention.h"
#include "tests/catch.h"
#include "tests/support/attention_reference.h"
#include "tests/support/random_values.h"

namespace cosformer::test {

struct AttentionInputs {
  std::vector<double> query, key, value, dout;
};

struct AttentionResult {
  std::vector<double> out, dquery, dkey, dvalue;
  std::vector<double> row_sums;  ///< normalisers or log-sum-exps
};

enum class Layout {
  contiguous,
  fused  ///< each operand and result interleaved with two others row by row in one wide buffer; gradients are contiguous
};

inline AttentionSizes sizes_of(const AttentionCase& shape) {
  return {shape.batch, shape.queries, shape.keys, shape.heads, shape.head_dim, shape.value_dim};
}

inline AttentionVisibility visibility_of(const AttentionCase& shape, const DropoutMask* dropout = nullptr) {
  return {.causal = shape.causal,
          .key_mask = shape.key_mask.empty() ? nullptr : shape.key_mask.data(),
          .window = shape.window,
          .dropout = dropout,
          .query_positions = shape.query_positions.empty() ? nullptr : shape.query_positions.data(),
          .key_positions = shape.key_positions.empty() ? nullptr : shape.key_positions.data()};
}

inline AttentionInputs random_inputs(const AttentionCase& shape, std::uint64_t seed, double low = -1) {
  const std::int64_t queries = shape.batch * shape.queries * shape.heads, keys = shape.batch * shape.keys * shape.heads;
  return {random_values<double>(queries * shape.head_dim, seed, low),
          random_values<double>(keys * shape.head_dim, seed + 1, low),
          random_values<double>(keys * shape.value_dim, seed + 2),
          random_values<double>(queries * shape.value_dim, seed + 3)};
}

/// One operand of a run: its elements and the view that the kernel gets.
template <class T>
class Operand {
 public:
  Operand(const AttentionCase& shape, std::int64_t length, std::int64_t width, Layout layout,
          const std::vector<double>* values)
      : shape_(shape), length_(length), width_(width) {
    // A fused row has room for two more operands around this one; guard elements reveal stray writes.
    const std::int64_t row = shape.heads * width;
    stride_ = layout == Layout::fused ? 3 * row + 5 : row;
    offset_ = layout == Layout::fused ? row + 2 : 0;
    elements_.assign(static_cast<std::size_t>(shape.batch * length * stride_ + stride_), kGuard);
    for (std::size_t i = 0; values != nullptr && i < values->size(); ++i) elements_[place(i)] = static_cast<T>((*values)[i]);
  }

  Heads<T> view() { return {elements_.data() + offset_, length_ * stride_, stride_, width_}; }
  Heads<const T> read() { return {elements_.data() + offset_, length_ * stride_, stride_, width_}; }
  std::vector<double> values() const {
    std::vector<double> all(static_cast<std::size_t>(shape_.batch * length_ * shape_.heads * width_));
    for (std::size_t i = 0; i < all.size(); ++i) all[i] = static_cast<double>(elements_[place(i)]);
    return all;
  }
  void set(const std::vector<double>& values) {
    for (std::size_t i = 0; i < values.size(); ++i) elements_[place(i)] = static_cast<T>(values[i]);
  }
  /// Elements outside the operand that still hold their guard value; all of them if nothing strayed.
  bool guards_are_intact() const {
    std::vector<T> rest = elements_;
    for (std::size_t i = 0; i < static_cast<std::size_t>(shape_.batch * length_ * shape_.heads * width_); ++i)
      rest[place(i)] = kGuard;
    for (const T x : rest) {
      if (x != kGuard) return false;
    }
    return true;
  }

 private:
  static constexpr T kGuard = T{-77.25};

  std::size_t place(std::size_t i) const {
    const auto row = static_cast<std::size_t>(shape_.heads * width_);
    return i / row * static_cast<std::size_t>(stride_) + static_cast<std::size_t>(offset_) + i % row;
  }

  AttentionCase shape_;
  std::int64_t length_, width_, stride_ = 0, offset_ = 0;
  std::vector<T> elements_;
};

/// Runs the backward pass once more, adding: every gradient must be twice what it was, to the bit.
template <class T, class Run>
void check_added(Run&& run_backward, Operand<T>& dquery, Operand<T>& dkey, Operand<T>& dvalue) {
  Operand<T>* const all[] = {&dquery, &dkey, &dvalue};
  std::vector<std::vector<double>> once;
  for (const Operand<T>* operand : all) once.push_back(operand->values());
  run_backward(true);
  for (std::size_t k = 0; k < once.size(); ++k) {
    std::vector<double> twice = once[k];
    for (double& value : twice) value *= 2;
    const std::vector<double> found = all[k]->values();
    // Bytes, so that NaN is equal to itself.
    REQUIRE(found.size() == twice.size());
    REQUIRE((found.empty() || std::memcmp(found.data(), twice.data(), twice.size() * sizeof(double)) == 0));
    all[k]->set(once[k]);
  }
}

/// All operands of a run; `forward` and `backward` are the kernels under test.
template <class T, class Forward, class Backward>
AttentionResult run_attention(const AttentionCase& shape, const AttentionInputs& inputs, Layout layout, Forward forward,
                              Backward backward) {
  Operand<T> query(shape, shape.queries, shape.head_dim, layout, &inputs.query);
  Operand<T> key(shape, shape.keys, shape.head_dim, layout, &inputs.key);
  Operand<T> value(shape, shape.keys, shape.value_dim, layout, &inputs.value);
  Operand<T> dout(shape, shape.queries, shape.value_dim, layout, &inputs.dout);
  Operand<T> out(shape, shape.queries, shape.value_dim, layout, nullptr);
  Operand<T> dquery(shape, shape.queries, shape.head_dim, Layout::contiguous, nullptr);
  Operand<T> dkey(shape, shape.keys, shape.head_dim, Layout::contiguous, nullptr);
  Operand<T> dvalue(shape, shape.keys, shape.value_dim, Layout::contiguous, nullptr);
  std::vector<T> row_sums(static_cast<std::size_t>(shape.batch * shape.queries * shape.heads), T{-5});
  forward(query.read(), key.read(), value.read(), out.view(), row_sums.data());
  const auto run_backward = [&](bool add) {
    const auto gradient = [add](Operand<T>& operand) { return Gradient<T>{operand.view().data, add}; };
    backward(query.read(), key.read(), value.read(), out.read(), row_sums.data(), dout.read(), gradient(dquery),
             gradient(dkey), gradient(dvalue));
  };
  run_backward(false);
  check_added(run_backward, dquery, dkey, dvalue);
  REQUIRE((out.guards_are_intact() && dquery.guards_are_intact() && dkey.guards_are_intact() && dvalue.guards_are_intact()));
  return {out.values(), dquery.values(), dkey.values(), dvalue.values(),
          std::vector<double>(row_sums.begin(), row_sums.end())};
}

template <class T>
AttentionResult run_linear(const AttentionCase& shape, const LinearAttentionOptions& options, const AttentionInputs& inputs,
                           Layout layout = Layout::contiguous) {
  std::vector<T> saved;
  return run_attention<T>(
      shape, inputs, layout,
      [&](auto q, auto k, auto v, auto out, T* normalizer) {
        const std::int64_t size = linear_attention_saved_size(sizes_of(shape), visibility_of(shape), options);
        saved.assign(static_cast<std::size_t>(shape.batch * shape.heads * size), T{-7});
        linear_attention_forward<T>(sizes_of(shape), visibility_of(shape), options, q, k, v, out, normalizer, saved.data());
      },
      [&](auto q, auto k, auto v, auto out, const T* normalizer, auto dout, auto dq, auto dk, auto dv) {
        linear_attention_backward<T>(sizes_of(shape), visibility_of(shape), options, q, k, v, out, normalizer, saved.data(),
                                     dout, dq, dk, dv);
      });
}

template <class T>
AttentionResult run_softmax(const AttentionCase& shape, double scale, const AttentionInputs& inputs,
                            Layout layout = Layout::contiguous, const DropoutMask* dropout = nullptr) {
  return run_attention<T>(
      shape, inputs, layout,
      [&](auto q, auto k, auto v, auto out, T* sums) {
        softmax_attention_forward<T>(sizes_of(shape), visibility_of(shape, dropout), static_cast<T>(scale), q, k, v, out,
                                     sums);
      },
      [&](auto q, auto k, auto v, auto out, const T* sums, auto dout, auto dq, auto dk, auto dv) {
        softmax_attention_backward<T>(sizes_of(shape), visibility_of(shape, dropout), static_cast<T>(scale), q, k, v, out,
                                      sums, dout, dq, dk, dv);
      });
}

template <class T>
AttentionResult run_materialized_softmax(const AttentionCase& shape, double scale, const AttentionInputs& inputs,
                                         Layout layout = Layout::contiguous, const DropoutMask* dropout = nullptr) {
  const auto size = static_cast<std::size_t>(shape.batch * shape.heads * shape.queries * shape.keys);
  std::vector<T> probabilities(size), scratch(size);
  return run_attention<T>(
      shape, inputs, layout,
      [&](auto q, auto k, auto v, auto out, T*) {
        softmax_attention_materialized_forward<T>(sizes_of(shape), visibility_of(shape, dropout), static_cast<T>(scale), q,
                                                  k, v, out, probabilities.data());
      },
      [&](auto q, auto k, auto v, auto, const T*, auto dout, auto dq, auto dk, auto dv) {
        softmax_attention_materialized_backward<T>(sizes_of(shape), static_cast<T>(scale), q, k, v, probabilities.data(),
                                                   dout, scratch.data(), dq, dk, dv, dropout);
      });
}

}  // namespace cosformer::test

// Attention with a state of each head, cut into windows: each begins with the state that the one before has left.
#include <functional>
#include <string>

#include "autograd/backward.h"
#include "autograd/ops/attention_operands.h"
#include "core/kernels/delta_attention/delta_attention.h"
#include "core/kernels/feature_attention/feature_attention.h"
#include "core/kernels/gated_attention/gated_linear_attention.h"
#include "tests/autograd/operator_table.h"
#include "tests/catch.h"
#include "tests/support/random_values.h"
#include "tests/support/require_close.h"

namespace cosformer::test {

namespace {

constexpr std::int64_t kHeads = 2, kDim = 3, kWidth = 2;
constexpr double kScale = 0.7, kFloor = 0.3;

using Inputs = std::span<const Variable>;

/// An attention of inputs [B, T, H, ..]: query, key, value, and what its state does at each token.
struct Kind {
  std::string name;
  std::int64_t numbers;             ///< of a head's state
  std::vector<std::int64_t> extra;  ///< widths of the inputs behind value; 0: no axis behind the heads
  std::function<Variable(Inputs, const AttentionMask&, const CarriedState&)> apply;
  /// One token of one item: its inputs, its state in and out, and its output.
  std::function<void(const AttentionSizes&, std::span<const Tensor>, double*, Tensor&)> step;
};

Kind delta_kind(bool decays) {
  return {.name = decays ? "gated delta" : "delta",
          .numbers = kDim * kWidth,
          .extra = decays ? std::vector<std::int64_t>{0, 0} : std::vector<std::int64_t>{0},
          .apply =
              [decays](Inputs in, const AttentionMask& mask, const CarriedState& carried) {
                return delta_attention(in[0], in[1], in[2], in[3], decays ? in[4] : Variable(), mask, kScale, carried);
              },
          .step =
              [decays](const AttentionSizes& sizes, std::span<const Tensor> in, double* state, Tensor& out) {
                delta_attention_step<double>(sizes, kScale, heads_of<double>(in[0]), heads_of<double>(in[1]),
                                             heads_of<double>(in[2]), in[3].data<double>(),
                                             decays ? in[4].data<double>() : nullptr, state, mutable_heads_of<double>(out));
              }};
}

Kind feature_kind(bool gated) {
  return {.name = gated ? "features with a gate" : "features",
          .numbers = feature_attention_state_size(kDim, kWidth),
          .extra = gated ? std::vector<std::int64_t>{1} : std::vector<std::int64_t>{},
          .apply =
              [gated](Inputs in, const AttentionMask& mask, const CarriedState& carried) {
                return feature_attention(in[0], in[1], in[2], gated ? in[3] : Variable(), mask, kFloor, carried);
              },
          .step =
              [gated](const AttentionSizes& sizes, std::span<const Tensor> in, double* state, Tensor& out) {
                feature_attention_step<double>(
                    sizes, kFloor, heads_of<double>(in[0]), heads_of<double>(in[1]), heads_of<double>(in[2]),
                    gated ? heads_of<double>(in[3]) : Heads<const double>{}, state, mutable_heads_of<double>(out));
              }};
}

std::vector<Kind> kinds() {
  const Kind gated{.name = "gated",
                   .numbers = kDim * kWidth,
                   .extra = {kDim},
                   .apply =
                       [](Inputs in, const AttentionMask& mask, const CarriedState& carried) {
                         return gated_linear_attention(in[0], in[1], in[2], in[3], mask, kScale, carried);
                       },
                   .step =
                       [](const AttentionSizes& sizes, std::span<const Tensor> in, double* state, Tensor& out) {
                         gated_linear_attention_step<double>(sizes, kScale, heads_of<double>(in[0]), heads_of<double>(in[1]),
                                                             heads_of<double>(in[2]), heads_of<double>(in[3]), state,
                                                             mutable_heads_of<double>(out));
                       }};
  return {gated, delta_kind(false), delta_kind(true), feature_kind(false), feature_kind(true)};
}

std::vector<Tensor> inputs_of(const Kind& kind, std::int64_t batch, std::int64_t length) {
  std::vector<Tensor> inputs;
  const auto add = [&](const Shape& shape) {
    const Values values = random_values<double>(shape.size(), inputs.size() + 1, -0.8, 0.6);
    inputs.push_back(Tensor::from<double>(shape, std::span<const double>(values)));
  };
  for (const std::int64_t width : {kDim, kDim, kWidth}) add({batch, length, kHeads, width});
  for (const std::int64_t width : kind.extra) {
    if (width == 0) add({batch, length, kHeads});
    if (width > 0) add({batch, length, kHeads, width});
  }
  return inputs;
}

/// Tokens [first, first + count) of all inputs.
std::vector<Tensor> window_of(const std::vector<Tensor>& inputs, std::int64_t first, std::int64_t count) {
  std::vector<Tensor> window;
  for (const Tensor& x : inputs) window.push_back(x.narrow(1, first, count).contiguous());
  return window;
}

std::vector<Variable> variables_of(const std::vector<Tensor>& inputs, DType dtype, bool leaves) {
  std::vector<Variable> all;
  for (const Tensor& x : inputs) all.push_back(leaves ? Variable::leaf(x.to(dtype)) : Variable(x.to(dtype)));
  return all;
}

Values values_of(const Tensor& x) {
  const Tensor dense = x.to(DType::float64);
  return {dense.span<double>().begin(), dense.span<double>().end()};
}

/// Every fifth token of an item is padding, at another place in each.
std::vector<std::uint8_t> some_tokens(std::int64_t batch, std::int64_t length) {
  std::vector<std::uint8_t> real;
  for (std::int64_t i = 0; i < batch * length; ++i) real.push_back((i + 3 * (i / length)) % 5 == 4 ? 0 : 1);
  return real;
}

AttentionMask mask_of(const std::vector<std::uint8_t>& real, std::int64_t batch, std::int64_t first, std::int64_t count) {
  AttentionMask mask{.causal = true, .key_mask = {}, .query_mask = {}};
  if (real.empty()) return mask;
  PaddingMask padding{batch, count, {}};
  const std::int64_t length = std::ssize(real) / batch;
  for (std::int64_t i = 0; i < batch * count; ++i)
    padding.real.push_back(real[static_cast<std::size_t>(i / count * length + first + i % count)]);
  mask.key_mask = std::make_shared<const PaddingMask>(std::move(padding));
  return mask;
}

/// Outputs and final state of a text in windows of these sizes, on a state to begin with that may be undefined.
struct Windows {
  Windows(const Kind& kind, const std::vector<Tensor>& inputs, const std::vector<std::uint8_t>& real,
          const std::vector<std::int64_t>& sizes, const Tensor& before, DType dtype = DType::float64) {
    const std::int64_t batch = inputs[0].dim(0);
    state = before.defined() ? before.to(dtype) : Tensor();
    out = Tensor::zeros({batch, inputs[0].dim(1), kHeads, kWidth}, dtype);
    std::int64_t first = 0;
    for (const std::int64_t count : sizes) {
      const std::vector<Variable> in = variables_of(window_of(inputs, first, count), dtype, false);
      const Variable own = kind.apply(in, mask_of(real, batch, first, count), {.before = state, .behind = &state});
      out.narrow(1, first, count).copy_from(own.value());
      first += count;
    }
    REQUIRE(first == inputs[0].dim(1));
  }

  Tensor out, state;
};

/// A text's windows: below, at and above chunks of 16 and of 64, and single tokens.
const std::vector<std::vector<std::int64_t>>& cuts() {
  static const std::vector<std::vector<std::int64_t>> all = {{1},      {1, 1},      {15, 1},  {16, 1}, {1, 16},  {17, 5, 3},
                                                             {63, 64}, {64, 65, 1}, {65, 33}, {0, 7},  {7, 0, 2}};
  return all;
}

std::int64_t length_of(const std::vector<std::int64_t>& sizes) {
  std::int64_t length = 0;
  for (const std::int64_t size : sizes) length += size;
  return length;
}

}  // namespace

TEST_CASE("the state behind a text is that of its steps, and a window goes on with either") {
  for (const Kind& kind : kinds()) {
    for (const bool padded : {false, true}) {
      for (const auto& sizes : cuts()) {
        CAPTURE(kind.name, padded, sizes);
        const std::int64_t batch = 2, length = length_of(sizes);
        const std::vector<Tensor> inputs = inputs_of(kind, batch, length);
        const std::vector<std::uint8_t> real = padded ? some_tokens(batch, length) : std::vector<std::uint8_t>();
        const Tensor before = some_state(batch, kHeads, kind.numbers);
        const Windows found(kind, inputs, real, sizes, before);
        Tensor state = before.clone(), out = Tensor::zeros(found.out.shape(), DType::float64);
        for (std::int64_t i = 0; i < batch * length; ++i) {
          // A token that is padding leaves the state as it is; what its query reads is not asked here.
          if (padded && real[static_cast<std::size_t>(i)] == 0) {
            out.narrow(0, i / length, 1)
                .narrow(1, i % length, 1)
                .copy_from(found.out.narrow(0, i / length, 1).narrow(1, i % length, 1));
            continue;
          }
          std::vector<Tensor> token;
          for (const Tensor& x : inputs) token.push_back(x.narrow(0, i / length, 1).narrow(1, i % length, 1).contiguous());
          Tensor own = Tensor::empty({1, 1, kHeads, kWidth}, DType::float64);
          kind.step({1, 1, 1, kHeads, kDim, kWidth}, token, state.data<double>() + i / length * kHeads * kind.numbers, own);
          out.narrow(0, i / length, 1).narrow(1, i % length, 1).copy_from(own);
        }
        require_close("state", values_of(state), values_of(found.state), {.rel = 1e-12});
        require_close("output", values_of(out), values_of(found.out), {.rel = 1e-12});
      }
    }
  }
}

TEST_CASE("windows that go on with a state give the outputs of the whole text") {
  for (const Kind& kind : kinds()) {
    for (const bool padded : {false, true}) {
      for (const DType dtype : {DType::float64, DType::float32}) {
        for (const auto& sizes : cuts()) {
          CAPTURE(kind.name, padded, sizes, dtype_name(dtype));
          const std::int64_t batch = 3, length = length_of(sizes);
          const std::vector<Tensor> inputs = inputs_of(kind, batch, length);
          const std::vector<std::uint8_t> real = padded ? some_tokens(batch, length) : std::vector<std::uint8_t>();
          const Windows whole(kind, inputs, real, {length}, Tensor(), dtype),
              cut(kind, inputs, real, sizes, Tensor(), dtype);
          const Tolerance tolerance{.rel = dtype == DType::float64 ? 1e-12 : 1e-5};
          require_close("output", values_of(whole.out), values_of(cut.out), tolerance);
          require_close("state", values_of(whole.state), values_of(cut.state), tolerance);
        }
      }
    }
  }
}

TEST_CASE("a cut between chunks changes no bit, forward") {
  for (const Kind& kind : kinds()) {
    const std::vector<Tensor> inputs = inputs_of(kind, 1, 150);
    const Windows whole(kind, inputs, {}, {150}, Tensor(), DType::float32),
        cut(kind, inputs, {}, {64, 64, 22}, Tensor(), DType::float32);
    CAPTURE(kind.name);
    CHECK(values_of(whole.out) == values_of(cut.out));
    CHECK(values_of(whole.state) == values_of(cut.state));
  }
}

TEST_CASE("a state of zeros is no state, bit for bit, and asking for the state behind changes nothing") {
  for (const Kind& kind : kinds()) {
    CAPTURE(kind.name);
    const std::vector<Tensor> inputs = inputs_of(kind, 2, 70);
    const auto run = [&](const CarriedState& carried) {
      const std::vector<Variable> in = variables_of(inputs, DType::float32, true);
      const Variable out = kind.apply(in, mask_of({}, 2, 0, 70), carried);
      const Values weights = random_values<double>(out.value().size(), 99);
      const Tensor weight = Tensor::from<double>(out.shape(), std::span<const double>(weights)).to(DType::float32);
      std::vector<Values> results{values_of(out.value())};
      const Gradients gradients = backward(weighted_sum(out, weight));
      for (const Variable& x : in) results.push_back(values_of(gradients.of(x)));
      return results;
    };
    Tensor behind;
    const std::vector<Values> expected = run({});
    CHECK(run({.before = Tensor::zeros({2, kHeads, kind.numbers})}) == expected);
    CHECK(run({.before = {}, .behind = &behind}) == expected);
    CHECK(behind.shape() == Shape({2, kHeads, kind.numbers}));
  }
}

TEST_CASE("a state that a window went on with is left as it was") {
  for (const Kind& kind : kinds()) {
    const std::vector<Tensor> inputs = inputs_of(kind, 2, 20);
    const Tensor before = some_state(2, kHeads, kind.numbers);
    Tensor state = before;
    kind.apply(variables_of(inputs, DType::float64, false), mask_of({}, 2, 0, 20), {.before = state, .behind = &state});
    CAPTURE(kind.name);
    CHECK(values_of(before) == values_of(some_state(2, kHeads, kind.numbers)));
    CHECK(values_of(before) != values_of(state));
  }
}

}  // namespace cosformer::test

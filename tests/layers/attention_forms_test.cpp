#include <cmath>
#include <memory>
#include <numbers>

#include "autograd/backward.h"
#include "core/error.h"
#include "core/memory.h"
#include "layers/attention/random_features.h"
#include "tests/catch.h"
#include "tests/support/layer_cases.h"
#include "tests/support/require_close.h"
#include "tests/support/thread_counts.h"

namespace cosformer::test {

namespace {

constexpr std::int64_t kHeads = 2, kDim = 4;

/// Queries, keys and values whose similarities are mostly positive, so that no normaliser is near 0.
std::vector<Tensor> inputs_of(std::int64_t batch, std::int64_t queries, std::int64_t keys, DType dtype) {
  return {random_tensor({batch, queries, kHeads, kDim}, 1, dtype, -0.05, 1),
          random_tensor({batch, keys, kHeads, kDim}, 2, dtype, -0.05, 1),
          random_tensor({batch, keys, kHeads, kDim}, 3, dtype)};
}

/// The output and the gradients of query, key and value.
std::vector<Values> run(const LoneAttention& attention, const std::vector<Tensor>& inputs, const AttentionMask& mask) {
  std::vector<Variable> leaves;
  for (const Tensor& input : inputs) leaves.push_back(Variable::leaf(input));
  const Variable out = attention.forward(leaves[0], leaves[1], leaves[2], mask);
  std::vector<Values> results{values_of(out.value())};
  const Gradients gradients = backward(uneven_loss(out));
  for (const Variable& leaf : leaves) results.push_back(values_of(gradients.of(leaf)));
  return results;
}

Tensor step(AttentionState& state, const Tensor& query, const Tensor& key, const Tensor& value) {
  return state.step(LoneAttention::inputs(Variable(query), Variable(key), Variable(value)));
}

void require_equal_forms(const Variant& variant, std::int64_t length, bool causal,
                         std::initializer_list<const char*> forms) {
  for (const DType dtype : {DType::float32, DType::float64}) {
    const std::vector<Tensor> inputs = inputs_of(2, length, length, dtype);
    const auto results_of = [&](const char* form) {
      AttentionConfig config = variant.config;
      config.form = form;
      return run(LoneAttention(config, length, dtype), inputs, {.causal = causal, .key_mask = {}, .query_mask = {}});
    };
    const std::vector<Values> expected = results_of("quadratic");
    for (const char* form : forms) {
      CAPTURE(variant.name, length, form, dtype_name(dtype));
      const std::vector<Values> actual = results_of(form);
      const bool single = dtype == DType::float32;
      require_close("output", expected[0], actual[0], {.rel = single ? 1e-5 : 1e-11});
      for (std::size_t k = 1; k < expected.size(); ++k) {
        require_close("gradient", expected[k], actual[k], {.rel = single ? 1e-4 : 1e-11, .abs = single ? 1e-5 : 1e-12});
      }
    }
  }
}

void require_steps_give_forward(const Variant& variant, std::int64_t length, DType dtype) {
  const LoneAttention attention(variant.config, 90, dtype);
  const std::vector<Tensor> inputs = inputs_of(2, length, length, dtype);
  const Tensor expected = attention
                              .forward(Variable(inputs[0]), Variable(inputs[1]), Variable(inputs[2]),
                                       {.causal = true, .key_mask = {}, .query_mask = {}})
                              .value();
  // One token after the other, and several at once: so many in turn.
  const std::vector<std::vector<std::int64_t>> turns = {{1}, {3, 1, 17, 40}};
  for (const std::vector<std::int64_t>& counts : turns) {
    const std::unique_ptr<AttentionState> state = attention->start();
    Tensor actual = Tensor::zeros(expected.shape(), dtype);
    std::size_t turn = 0;
    for (std::int64_t t = 0; t < length;) {
      const std::int64_t count = std::min(counts[turn++ % counts.size()], length - t);
      const auto tokens = [&](const Tensor& x) { return Variable(x.narrow(1, t, count).contiguous()); };
      actual.narrow(1, t, count)
          .copy_from(state->steps(LoneAttention::inputs(tokens(inputs[0]), tokens(inputs[1]), tokens(inputs[2]))));
      t += count;
    }
    CAPTURE(dtype_name(dtype), counts);
    require_close(variant.name, values_of(expected), values_of(actual), {.rel = dtype == DType::float32 ? 1e-5 : 1e-11});
  }
}

/// cosFormer's eq. 10 for one item, by plain loops.
Values cosformer_reference(const Values& query, const Values& key, const Values& value, std::int64_t queries,
                           std::int64_t keys, bool causal, double m) {
  Values out(static_cast<std::size_t>(queries * kHeads * kDim));
  const auto at = [](const Values& x, std::int64_t t, std::int64_t h, std::int64_t i) {
    return x[static_cast<std::size_t>((t * kHeads + h) * kDim + i)];
  };
  for (std::int64_t h = 0; h < kHeads; ++h) {
    for (std::int64_t i = 0; i < queries; ++i) {
      Values sums(kDim);
      double normalizer = 0;
      for (std::int64_t j = 0; j < (causal ? i + 1 : keys); ++j) {
        double similarity = 0;
        for (std::int64_t d = 0; d < kDim; ++d)
          similarity += std::max(at(query, i, h, d), 0.0) * std::max(at(key, j, h, d), 0.0);
        similarity *= std::cos(std::numbers::pi / 2 * static_cast<double>(i - j) / m);
        normalizer += similarity;
        for (std::int64_t d = 0; d < kDim; ++d) sums[static_cast<std::size_t>(d)] += similarity * at(value, j, h, d);
      }
      for (std::int64_t d = 0; d < kDim; ++d) {
        out[static_cast<std::size_t>((i * kHeads + h) * kDim + d)] =
            sums[static_cast<std::size_t>(d)] / std::max(normalizer, 1e-6);
      }
    }
  }
  return out;
}

}  // namespace

TEST_CASE("quadratic, chunked and recurrent causal attention are equal") {
  const ThreadCountScope one_thread(1);
  for (const Variant& variant : attention_variants()) {
    if (!variant.has_forms()) continue;
    for (const std::int64_t length : {1, 2, 63, 64, 65, 130})
      require_equal_forms(variant, length, true, {"chunked", "recurrent", "auto"});
  }
}

TEST_CASE("quadratic and linear attention that is not causal are equal") {
  const ThreadCountScope one_thread(1);
  for (const Variant& variant : attention_variants()) {
    if (!variant.has_forms() || !variant.supports().not_causal) continue;
    for (const std::int64_t length : {1, 2, 63, 64, 65, 130})
      require_equal_forms(variant, length, false, {"linear", "auto"});
  }
}

TEST_CASE("steps of an attention state give causal attention") {
  const ThreadCountScope one_thread(1);
  std::vector<Variant> variants = attention_variants();
  for (const char* kind : {"cosformer", "local"}) {
    AttentionConfig config;
    config.kind = kind;
    config.window = 0;
    config.reweighting_length = ReweightingLength::fixed;
    config.reweighting_length_value = 123;
    variants.push_back({std::string(kind) + " with other options", config});
  }
  for (const Variant& variant : variants) {
    if (!variant.supports().steps) continue;
    for (const DType dtype : {DType::float32, DType::float64}) require_steps_give_forward(variant, 70, dtype);
  }
}

TEST_CASE("local attention drops the keys that its window has passed, and no others") {
  const ThreadCountScope one_thread(1);
  AttentionConfig config;
  config.kind = "local";
  for (const std::int64_t window : {0, 1, 31, 32, 33, 64, 100}) {
    config.window = window;
    require_steps_give_forward({concat("window ", window), config}, 500, DType::float32);
  }

  config.window = 10;
  const LoneAttention attention(config, 90);
  const std::vector<Tensor> inputs = inputs_of(1, 1, 1, DType::float32);
  const std::unique_ptr<AttentionState> state = attention->start();
  const auto live_bytes_after = [&](int steps) {
    for (int t = 0; t < steps; ++t) step(*state, inputs[0], inputs[1], inputs[2]);
    return memory_use().live_bytes;
  };
  const std::int64_t before = live_bytes_after(50);
  CHECK(live_bytes_after(1000) == before);
}

TEST_CASE("the re-weighting length is an item's own, a constant, or the batch's") {
  const ThreadCountScope one_thread(1);
  struct Row {
    const char* name;
    ReweightingLength length;
    bool causal;
    std::int64_t queries, keys;
    std::vector<std::int64_t> real_queries, real_keys;
    std::vector<double> expected;  ///< M of each item
  };
  constexpr std::int64_t kFixed = 31, kCausal = 40;
  const std::vector<Row> rows = {
      {"automatic", ReweightingLength::automatic, false, 9, 9, {9, 5}, {9, 5}, {9, 5}},
      {"automatic, more keys", ReweightingLength::automatic, false, 6, 9, {6, 3}, {9, 4}, {9, 4}},
      {"automatic, more queries", ReweightingLength::automatic, false, 9, 6, {9, 7}, {6, 2}, {9, 7}},
      {"automatic, causal", ReweightingLength::automatic, true, 9, 9, {9, 5}, {9, 5}, {kCausal, kCausal}},
      {"padded", ReweightingLength::padded, false, 9, 9, {8, 5}, {8, 5}, {9, 9}},
      {"padded, more keys", ReweightingLength::padded, false, 6, 9, {6, 3}, {8, 4}, {9, 9}},
      {"padded, causal", ReweightingLength::padded, true, 9, 9, {9, 5}, {9, 5}, {9, 9}},
      {"fixed", ReweightingLength::fixed, false, 6, 9, {6, 3}, {9, 4}, {kFixed, kFixed}},
      {"fixed, causal", ReweightingLength::fixed, true, 9, 9, {9, 5}, {9, 5}, {kFixed, kFixed}}};
  for (const Row& row : rows) {
    CAPTURE(row.name);
    AttentionConfig config;
    config.kind = "cosformer";
    config.reweighting_length = row.length;
    config.reweighting_length_value = kFixed;
    const std::vector<Tensor> inputs = inputs_of(2, row.queries, row.keys, DType::float64);
    const AttentionMask mask{row.causal, padding_mask_from_lengths(row.real_keys, row.keys),
                             padding_mask_from_lengths(row.real_queries, row.queries)};
    const Tensor out = LoneAttention(config, kCausal, DType::float64)
                           .forward(Variable(inputs[0]), Variable(inputs[1]), Variable(inputs[2]), mask)
                           .value();
    for (std::size_t b = 0; b < 2; ++b) {
      const auto item = [&](const Tensor& x, std::int64_t length) {
        return values_of(x.narrow(0, static_cast<std::int64_t>(b), 1).narrow(1, 0, length));
      };
      const std::int64_t queries = row.real_queries[b], keys = row.real_keys[b];
      const Values expected = cosformer_reference(item(inputs[0], queries), item(inputs[1], keys), item(inputs[2], keys),
                                                  queries, keys, row.causal, row.expected[b]);
      require_close("output", expected, item(out, queries), {.rel = 1e-12});
    }
  }
}

TEST_CASE("random features are orthogonal in blocks and belong to the layer and the seed") {
  const auto features_of = [](std::uint64_t seed, const char* path) {
    ParameterStore store(seed, DType::float32);
    return orthogonal_features({.scope = Scope(store, path), .num_heads = kHeads, .head_dim = kDim}, 6);
  };
  const Tensor features = features_of(5, "layer");
  REQUIRE(features.shape() == Shape({kHeads, 6, kDim}));
  const Values w = values_of(features);
  double total = 0;
  for (std::int64_t h = 0; h < kHeads; ++h) {
    for (std::int64_t a = 0; a < 6; ++a) {
      for (std::int64_t b = 0; b <= a; ++b) {
        double dot = 0;
        for (std::int64_t d = 0; d < kDim; ++d) {
          dot += w[static_cast<std::size_t>((h * 6 + a) * kDim + d)] * w[static_cast<std::size_t>((h * 6 + b) * kDim + d)];
        }
        if (a == b) total += dot;
        if (a != b && a / kDim == b / kDim) CHECK(std::abs(dot) < 1e-12);
      }
    }
  }
  CHECK(total > 0.3 * kHeads * 6 * kDim);
  CHECK(values_of(features_of(5, "layer")) == w);
  CHECK(values_of(features_of(5, "another layer")) != w);
  CHECK(values_of(features_of(6, "layer")) != w);
}

}  // namespace cosformer::test

// Rows of what random feature attention is made of.
#include <algorithm>
#include <cmath>
#include <utility>

#include "core/error.h"
#include "tests/autograd/operator_table.h"

namespace cosformer::test {

namespace {

using Inputs = std::span<const Variable>;

OperatorCase features_case(const char* sample, UnitFeatures kind, std::int64_t batch, std::int64_t length,
                           std::int64_t heads, std::int64_t dim, std::int64_t directions) {
  Tensor projection = Tensor::empty({heads, directions, dim}, DType::float64);
  const auto w = projection.span<double>();
  for (std::size_t i = 0; i < w.size(); ++i) w[i] = 2 * std::sin(1.0 + static_cast<double>(i));
  const auto D = static_cast<std::size_t>(dim), F = static_cast<std::size_t>(directions),
             H = static_cast<std::size_t>(heads);
  return {.op = "unit_features",
          .sample = concat(sample, kind == UnitFeatures::gaussian ? ", gaussian" : ", arccos"),
          .shapes = {{batch, length, heads, dim}, {heads, dim}},
          .apply = [=](Inputs in) { return unit_features(in[0], in[1], projection.to(in[0].dtype()), kind); },
          .reference =
              [=](const std::vector<Values>& in) {
                const auto directions_of = std::as_const(projection).span<double>();
                Values out;
                for (std::size_t row = 0; row < in[0].size() / D; ++row) {
                  const std::size_t h = row % H;
                  double squares = 0;
                  for (std::size_t d = 0; d < D; ++d) squares += in[0][row * D + d] * in[0][row * D + d];
                  Values products;
                  for (std::size_t f = 0; f < F; ++f) {
                    double product = 0;
                    for (std::size_t d = 0; d < D; ++d) {
                      product += directions_of[(h * F + f) * D + d] * in[1][h * D + d] * in[0][row * D + d];
                    }
                    products.push_back(product / (std::sqrt(squares) + 1e-3));
                  }
                  const double share = std::sqrt(1 / static_cast<double>(F));
                  if (kind == UnitFeatures::arccos) {
                    for (const double x : products) out.push_back(share * std::max(x, 0.0));
                    continue;
                  }
                  for (const double x : products) out.push_back(share * std::sin(x));
                  for (const double x : products) out.push_back(share * std::cos(x));
                }
                return out;
              }};
}

struct Sizes {
  std::int64_t batch, queries, keys, heads, head_dim, value_dim;
};

/// Token by token; `gated` adds a fourth input, the gate, and `carried` a state to begin with. Queries and keys of either
/// sign: some normalisers are under the floor.
OperatorCase attention_case(const char* sample, const Sizes& sizes, bool causal, bool gated,
                            const std::vector<std::uint8_t>& real = {}, bool carried = false) {
  AttentionMask mask{.causal = causal};
  if (!real.empty()) mask.key_mask = std::make_shared<const PaddingMask>(PaddingMask{sizes.batch, sizes.keys, real});
  const auto B = static_cast<std::size_t>(sizes.batch), T = static_cast<std::size_t>(sizes.queries),
             S = static_cast<std::size_t>(sizes.keys), H = static_cast<std::size_t>(sizes.heads),
             D = static_cast<std::size_t>(sizes.head_dim), E = static_cast<std::size_t>(sizes.value_dim);
  constexpr double kFloor = 0.3;
  std::vector<Shape> shapes = {{sizes.batch, sizes.queries, sizes.heads, sizes.head_dim},
                               {sizes.batch, sizes.keys, sizes.heads, sizes.head_dim},
                               {sizes.batch, sizes.keys, sizes.heads, sizes.value_dim}};
  if (gated) shapes.push_back({sizes.batch, sizes.keys, sizes.heads, 1});
  const Tensor before = carried ? some_state(sizes.batch, sizes.heads, sizes.head_dim * (sizes.value_dim + 1)) : Tensor();
  return {.op = "feature_attention",
          .sample = concat(sample, causal ? ", causal" : "", gated ? ", gate" : ""),
          .shapes = shapes,
          .apply =
              [=](Inputs in) {
                return feature_attention(in[0], in[1], in[2], gated ? in[3] : Variable(), mask, kFloor,
                                         {.before = carried ? before.to(in[0].dtype()) : Tensor()});
              },
          .reference =
              [=](const std::vector<Values>& in) {
                Values out(B * T * H * E);
                for (std::size_t row = 0; row < B * T * H; ++row) {
                  const std::size_t b = row / H / T, t = row / H % T, h = row % H;
                  Values sums(E + 1);
                  const auto sigmoid = [&](std::size_t at) { return 1 / (1 + std::exp(-in[3][(b * S + at) * H + h])); };
                  // What the gates from token s on leave of what came before it.
                  const auto left_from = [&](std::size_t s) {
                    double left = 1;
                    for (std::size_t at = s; gated && at <= t; ++at) {
                      if (real.empty() || real[b * S + at] != 0) left *= sigmoid(at);
                    }
                    return left;
                  };
                  for (std::size_t i = 0; carried && i < D * (E + 1); ++i) {
                    sums[i % (E + 1)] +=
                        left_from(0) * in[0][row * D + i / (E + 1)] * before.span<double>()[(b * H + h) * D * (E + 1) + i];
                  }
                  for (std::size_t s = 0; s < (causal ? t + 1 : S); ++s) {
                    const std::size_t key = (b * S + s) * H + h;
                    if (!real.empty() && real[b * S + s] == 0) continue;
                    const double weight = gated ? (1 - sigmoid(s)) * left_from(s + 1) : 1;
                    double product = 0;
                    for (std::size_t d = 0; d < D; ++d) product += in[0][row * D + d] * in[1][key * D + d];
                    for (std::size_t e = 0; e < E; ++e) sums[e] += weight * product * in[2][key * E + e];
                    sums[E] += weight * product;
                  }
                  for (std::size_t e = 0; e < E; ++e) out[row * E + e] = sums[e] / std::max(sums[E], kFloor);
                }
                return out;
              },
          .float_tolerance = 1e-4};
}

}  // namespace

std::vector<OperatorCase> feature_cases() {
  std::vector<OperatorCase> cases;
  for (const UnitFeatures kind : {UnitFeatures::gaussian, UnitFeatures::arccos}) {
    cases.push_back(features_case("odd sizes", kind, 2, 5, 2, 3, 4));
    cases.push_back(features_case("longer than a tile", kind, 1, 50, 1, 2, 3));
    cases.push_back(features_case("one number", kind, 1, 1, 1, 1, 1));
    cases.push_back(features_case("nothing", kind, 2, 0, 1, 3, 2));
  }
  cases.push_back(attention_case("cross", {2, 3, 5, 2, 3, 4}, false, false));
  cases.push_back(attention_case("cross, padding anywhere", {2, 3, 4, 1, 2, 3}, false, false, {1, 0, 1, 1, 0, 0, 0, 0}));
  cases.push_back(attention_case("cross, longer than a chunk", {1, 67, 70, 1, 2, 1}, false, false));
  for (const bool gated : {false, true}) {
    cases.push_back(attention_case("odd sizes", {2, 5, 5, 2, 3, 4}, true, gated));
    cases.push_back(attention_case("one token", {1, 1, 1, 1, 1, 1}, true, gated));
    cases.push_back(attention_case("longer than a chunk", {1, 70, 70, 1, 2, 1}, true, gated));
    const std::vector<std::uint8_t> real{1, 0, 1, 1, 0, 1, 0, 0};
    cases.push_back(attention_case("padding anywhere", {2, 4, 4, 1, 2, 2}, true, gated, real));
    cases.push_back(attention_case("on a state, odd sizes", {2, 5, 5, 2, 3, 4}, true, gated, {}, true));
    cases.push_back(attention_case("on a state, one token", {1, 1, 1, 1, 1, 1}, true, gated, {}, true));
    cases.push_back(attention_case("on a state, nothing", {1, 0, 0, 1, 2, 1}, true, gated, {}, true));
    cases.push_back(attention_case("on a state, one chunk", {1, 64, 64, 1, 2, 1}, true, gated, {}, true));
    cases.push_back(attention_case("on a state, longer than a chunk", {1, 67, 67, 1, 2, 1}, true, gated, {}, true));
    cases.push_back(attention_case("on a state, padding anywhere", {2, 4, 4, 1, 2, 2}, true, gated, real, true));
  }
  return cases;
}

std::vector<BadInput> bad_feature_inputs() {
  const auto zeros = [](const Shape& shape) { return Variable(Tensor::zeros(shape)); };
  const Variable heads = zeros({2, 3, 2, 4}), gate = zeros({2, 3, 2, 1});
  return {{"unit_features", "sigma of other heads",
           [=] {
             unit_features(heads, zeros({3, 4}), Tensor::zeros({2, 5, 4}), UnitFeatures::arccos);
           }},
          {"unit_features", "directions of another width",
           [=] {
             unit_features(heads, zeros({2, 4}), Tensor::zeros({2, 5, 3}), UnitFeatures::gaussian);
           }},
          {"feature_attention", "a gate without causal", [=] { feature_attention(heads, heads, heads, gate, {}, 1); }},
          {"feature_attention", "a state without causal",
           [=] {
             feature_attention(heads, heads, heads, Variable(), {}, 1, {.before = Tensor::zeros({2, 2, 20})});
           }},
          {"feature_attention", "a state without a normaliser",
           [=] {
             feature_attention(heads, heads, heads, gate, {.causal = true}, 1, {.before = Tensor::zeros({2, 2, 16})});
           }},
          {"feature_attention", "a gate of each channel",
           [=] { feature_attention(heads, heads, heads, heads, {.causal = true}, 1); }}};
}

}  // namespace cosformer::test

#include <cmath>
#include <string>
#include <utility>

#include "tests/autograd/operator_table.h"

namespace cosformer::test {

Tensor some_state(std::int64_t batch, std::int64_t heads, std::int64_t numbers) {
  Tensor state = Tensor::empty({batch, heads, numbers}, DType::float64);
  double place = 1;
  for (double& x : state.span<double>()) x = 1.3 * std::sin(place++);
  return state;
}

namespace {

using Inputs = std::span<const Variable>;

/// Sizes of a causal attention that goes token by token, which tokens are real (all if `real` is empty), and whether it
/// begins with a state of its own.
struct Recurrence {
  std::int64_t batch, length, heads, head_dim, value_dim;
  std::vector<std::uint8_t> real = {};
  bool carried = false;

  AttentionMask mask() const {
    AttentionMask mask{.causal = true, .key_mask = {}, .query_mask = {}};
    if (!real.empty()) mask.key_mask = std::make_shared<const PaddingMask>(PaddingMask{batch, length, real});
    return mask;
  }

  /// The state [B, H, D · E] in doubles; undefined without one.
  Tensor before() const { return carried ? some_state(batch, heads, head_dim * value_dim) : Tensor(); }
  CarriedState carry(DType dtype) const { return {.before = carried ? before().to(dtype) : Tensor()}; }

  /// The outputs [B, N, H, E] of `token(row, counts, state, out)`: the row of [B, N, H], whether it is real, the head's
  /// state [D, E], and the row's output.
  template <class Token>
  Values outputs(const Token& token) const {
    const auto B = static_cast<std::size_t>(batch), N = static_cast<std::size_t>(length),
               H = static_cast<std::size_t>(heads), D = static_cast<std::size_t>(head_dim),
               E = static_cast<std::size_t>(value_dim);
    Values out(B * N * H * E);
    for (std::size_t b = 0; b < B; ++b) {
      for (std::size_t h = 0; h < H; ++h) {
        std::vector<double> state(D * E);
        const Tensor given = before();
        for (std::size_t i = 0; carried && i < D * E; ++i) state[i] = given.span<double>()[(b * H + h) * D * E + i];
        for (std::size_t t = 0; t < N; ++t) {
          const std::size_t row = (b * N + t) * H + h;
          token(row, real.empty() || real[b * N + t] != 0, state, out.data() + row * E);
        }
      }
    }
    return out;
  }
};

/// The state of gated linear attention, token by token: inputs query, key, value, gate.
OperatorCase gated_case(const char* sample, const Recurrence& sizes) {
  const AttentionMask mask = sizes.mask();
  const auto D = static_cast<std::size_t>(sizes.head_dim), E = static_cast<std::size_t>(sizes.value_dim);
  const Shape keys{sizes.batch, sizes.length, sizes.heads, sizes.head_dim}, values = keys.with_dim(3, sizes.value_dim);
  return {.op = "gated_linear_attention",
          .sample = sample,
          .shapes = {keys, keys, values, keys},
          .apply =
              [=](Inputs in) {
                return gated_linear_attention(in[0], in[1], in[2], in[3], mask, 0.7, sizes.carry(in[0].dtype()));
              },
          .reference =
              [=](const std::vector<Values>& in) {
                return sizes.outputs([&](std::size_t row, bool counts, std::vector<double>& state, double* out) {
                  for (std::size_t d = 0; d < D; ++d) {
                    const double alpha = counts ? std::pow(1 / (1 + std::exp(-in[3][row * D + d])), 1.0 / 16) : 1;
                    for (std::size_t e = 0; e < E; ++e) {
                      double& s = state[d * E + e];
                      s = alpha * s + (counts ? in[1][row * D + d] * in[2][row * E + e] : 0);
                      out[e] += 0.7 * in[0][row * D + d] * s;
                    }
                  }
                });
              },
          .low = -3,
          .high = 3,
          .float_tolerance = 1e-4};
}

/// The delta rule, token by token: inputs query, key, value, beta and, if it decays, log α.
OperatorCase delta_case(bool decays, const std::string& sample, const Recurrence& sizes) {
  const AttentionMask mask = sizes.mask();
  const auto D = static_cast<std::size_t>(sizes.head_dim), E = static_cast<std::size_t>(sizes.value_dim);
  const Shape keys{sizes.batch, sizes.length, sizes.heads, sizes.head_dim}, values = keys.with_dim(3, sizes.value_dim),
                                                                            shares{sizes.batch, sizes.length, sizes.heads};
  std::vector<Shape> shapes{keys, keys, values, shares};
  if (decays) shapes.push_back(shares);
  return {.op = "delta_attention",
          .sample = sample + (decays ? ", decaying" : ""),
          .shapes = shapes,
          .apply =
              [=](Inputs in) {
                return delta_attention(in[0], in[1], in[2], in[3], decays ? in[4] : Variable(), mask, 0.7,
                                       sizes.carry(in[0].dtype()));
              },
          .reference =
              [=](const std::vector<Values>& in) {
                return sizes.outputs([&](std::size_t row, bool counts, std::vector<double>& state, double* out) {
                  for (double& s : state) s *= decays && counts ? std::exp(in[4][row]) : 1;
                  for (std::size_t e = 0; e < E; ++e) {
                    double error = in[2][row * E + e];
                    for (std::size_t d = 0; d < D; ++d) error -= in[1][row * D + d] * state[d * E + e];
                    for (std::size_t d = 0; d < D; ++d) {
                      if (counts) state[d * E + e] += in[3][row] * in[1][row * D + d] * error;
                      out[e] += 0.7 * in[0][row * D + d] * state[d * E + e];
                    }
                  }
                });
              },
          .low = -0.6,
          .high = 0.6,
          .float_tolerance = 1e-5};
}

OperatorCase decay_case(const char* sample, std::int64_t batch, std::int64_t length, std::int64_t heads) {
  return {.op = "decay_logs",
          .sample = sample,
          .shapes = {{batch, length, heads}, {heads}, {heads}},
          .apply = [=](Inputs in) { return decay_logs(in[0], in[1], in[2]); },
          .reference =
              [=](const std::vector<Values>& in) {
                Values out;
                for (std::size_t i = 0; i < in[0].size(); ++i) {
                  const std::size_t h = i % static_cast<std::size_t>(heads);
                  out.push_back(-std::exp(in[1][h]) * std::log(1 + std::exp(in[0][i] + in[2][h])));
                }
                return out;
              },
          .low = -3,
          .high = 3,
          .float_tolerance = 1e-5};
}

OperatorCase project_case(const char* sample, std::int64_t batch, std::int64_t length, std::int64_t heads,
                          std::int64_t width, std::int64_t rows, std::vector<std::uint8_t> real = {}) {
  SharedPaddingMask mask;
  if (!real.empty()) mask = std::make_shared<const PaddingMask>(PaddingMask{batch, length, real});
  const auto B = static_cast<std::size_t>(batch), S = static_cast<std::size_t>(length),
             W = static_cast<std::size_t>(heads * width), R = static_cast<std::size_t>(rows);
  return {.op = "project_length",
          .sample = sample,
          .shapes = {{batch, length, heads, width}, {batch, length, rows}},
          .apply = [=](Inputs in) { return project_length(in[0], in[1], mask); },
          .reference =
              [=](const std::vector<Values>& in) {
                Values out(B * R * W);
                for (std::size_t b = 0; b < B; ++b) {
                  for (std::size_t s = 0; s < S; ++s) {
                    if (!real.empty() && real[b * S + s] == 0) continue;
                    for (std::size_t r = 0; r < R; ++r) {
                      for (std::size_t i = 0; i < W; ++i) {
                        out[(b * R + r) * W + i] += in[1][(b * S + s) * R + r] * in[0][(b * S + s) * W + i];
                      }
                    }
                  }
                }
                return out;
              }};
}

}  // namespace

std::vector<OperatorCase> attention_layer_cases() {
  const std::vector<std::uint8_t> real{1, 0, 1, 1, 0, 1, 0, 0};
  std::vector<OperatorCase> cases = {gated_case("odd sizes", {2, 5, 2, 3, 4}),
                                     gated_case("one token", {1, 1, 1, 1, 1}),
                                     gated_case("longer than two chunks", {1, 35, 1, 2, 3}),
                                     gated_case("padding anywhere", {2, 4, 1, 2, 2, real}),
                                     gated_case("on a state, odd sizes", {2, 5, 2, 3, 4, {}, true}),
                                     gated_case("on a state, one token", {1, 1, 1, 1, 1, {}, true}),
                                     gated_case("on a state, nothing", {1, 0, 1, 2, 2, {}, true}),
                                     gated_case("on a state, one chunk", {1, 16, 1, 2, 3, {}, true}),
                                     gated_case("on a state, longer than two chunks", {1, 35, 1, 2, 3, {}, true}),
                                     gated_case("on a state, padding anywhere", {2, 4, 1, 2, 2, real, true}),
                                     decay_case("odd sizes", 2, 3, 3),
                                     decay_case("one number", 1, 1, 1),
                                     decay_case("nothing", 0, 3, 2),
                                     project_case("odd sizes", 2, 5, 2, 3, 4),
                                     project_case("one position", 1, 1, 1, 1, 1),
                                     project_case("padding anywhere", 2, 4, 1, 3, 2, {1, 0, 1, 1, 0, 1, 0, 0})};
  for (const bool decays : {false, true}) {
    cases.push_back(delta_case(decays, "odd sizes", {2, 5, 2, 3, 4}));
    cases.push_back(delta_case(decays, "one token", {1, 1, 1, 1, 1}));
    cases.push_back(delta_case(decays, "longer than two chunks", {1, 131, 1, 2, 3}));
    cases.push_back(delta_case(decays, "padding anywhere", {2, 4, 1, 2, 2, real}));
    cases.push_back(delta_case(decays, "on a state, odd sizes", {2, 5, 2, 3, 4, {}, true}));
    cases.push_back(delta_case(decays, "on a state, one token", {1, 1, 1, 1, 1, {}, true}));
    cases.push_back(delta_case(decays, "on a state, nothing", {1, 0, 1, 2, 2, {}, true}));
    cases.push_back(delta_case(decays, "on a state, one chunk", {1, 64, 1, 1, 2, {}, true}));
    cases.push_back(delta_case(decays, "on a state, longer than a chunk", {1, 67, 1, 2, 3, {}, true}));
    cases.push_back(delta_case(decays, "on a state, padding anywhere", {2, 4, 1, 2, 2, real, true}));
  }
  return cases;
}

std::vector<BadInput> bad_attention_layer_inputs() {
  const auto zeros = [](const Shape& shape) { return Variable(Tensor::zeros(shape)); };
  const Variable heads = zeros({2, 3, 2, 4});
  return {{"gated_linear_attention", "not causal", [=] { gated_linear_attention(heads, heads, heads, heads, {}, 1); }},
          {"gated_linear_attention", "a gate of another width",
           [=] {
             gated_linear_attention(heads, heads, heads, zeros({2, 3, 2, 5}), {.causal = true}, 1);
           }},
          {"gated_linear_attention", "a state of another width",
           [=] {
             gated_linear_attention(heads, heads, heads, heads, {.causal = true}, 1, {.before = Tensor::zeros({2, 2, 15})});
           }},
          {"gated_linear_attention", "a state of another type",
           [=] {
             gated_linear_attention(heads, heads, heads, heads, {.causal = true}, 1,
                                    {.before = Tensor::zeros({2, 2, 16}, DType::float64)});
           }},
          {"delta_attention", "a state of other heads",
           [=] {
             delta_attention(heads, heads, heads, zeros({2, 3, 2}), Variable(), {.causal = true}, 1,
                             {.before = Tensor::zeros({2, 1, 16})});
           }},
          {"delta_attention", "not causal",
           [=] {
             delta_attention(heads, heads, heads, zeros({2, 3, 2}), Variable(), {}, 1);
           }},
          {"delta_attention", "betas of another shape",
           [=] {
             delta_attention(heads, heads, heads, zeros({2, 3}), Variable(), {.causal = true}, 1);
           }},
          {"delta_attention", "decays of another shape",
           [=] {
             delta_attention(heads, heads, heads, zeros({2, 3, 2}), zeros({2, 3}), {.causal = true}, 1);
           }},
          {"decay_logs", "rates of other heads",
           [=] {
             decay_logs(zeros({2, 3}), zeros({2}), zeros({3}));
           }},
          {"project_length", "weights of another length",
           [=] {
             project_length(heads, zeros({2, 4, 5}), nullptr);
           }},
          {"project_length", "a mask of another shape", [=] {
             project_length(heads, zeros({2, 3, 5}), some_mask());
           }}};
}

}  // namespace cosformer::test

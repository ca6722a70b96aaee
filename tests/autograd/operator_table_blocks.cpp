// Rows of what the blocks of current models are made of.
#include <cmath>
#include <utility>

#include "core/error.h"
#include "tests/autograd/operator_table.h"
#include "tests/support/attention_reference.h"

namespace cosformer::test {

namespace {

using Inputs = std::span<const Variable>;

OperatorCase rms_norm_case(const char* sample, const Shape& x) {
  const auto dim = static_cast<std::size_t>(x[-1]);
  return {.op = "rms_norm",
          .sample = sample,
          .shapes = {x, {x[-1]}},
          .apply = [](Inputs in) { return rms_norm(in[0], in[1], 1e-5); },
          .reference =
              [dim](const std::vector<Values>& in) {
                Values out;
                for (std::size_t row = 0; row < in[0].size() / dim; ++row) {
                  double square = 0;
                  for (std::size_t i = 0; i < dim; ++i)
                    square += std::pow(in[0][row * dim + i], 2) / static_cast<double>(dim);
                  for (std::size_t i = 0; i < dim; ++i) {
                    out.push_back(in[0][row * dim + i] / std::sqrt(square + 1e-5) * in[1][i]);
                  }
                }
                return out;
              },
          .float_tolerance = 1e-5};
}

OperatorCase plain_norm_case(const Shape& x) {
  const auto dim = static_cast<std::size_t>(x[-1]);
  return {.op = "layer_norm",
          .sample = "without a bias",
          .shapes = {x, {x[-1]}},
          .apply = [](Inputs in) { return layer_norm(in[0], in[1], Variable(), 1e-5); },
          .reference =
              [dim](const std::vector<Values>& in) {
                Values out;
                for (std::size_t row = 0; row < in[0].size() / dim; ++row) {
                  double mean = 0, variance = 0;
                  for (std::size_t i = 0; i < dim; ++i) mean += in[0][row * dim + i] / static_cast<double>(dim);
                  for (std::size_t i = 0; i < dim; ++i) {
                    variance += std::pow(in[0][row * dim + i] - mean, 2) / static_cast<double>(dim);
                  }
                  for (std::size_t i = 0; i < dim; ++i) {
                    out.push_back((in[0][row * dim + i] - mean) / std::sqrt(variance + 1e-5) * in[1][i]);
                  }
                }
                return out;
              },
          .float_tolerance = 1e-5};
}

OperatorCase gated_product_case(const ScalarFunctionKind& f, const Shape& shape) {
  return {.op = "gated_product",
          .sample = f.name,
          .shapes = {shape, shape},
          .apply = [value = f.value](Inputs in) { return gated_product(in[0], in[1], value); },
          .reference =
              [name = std::string(f.name)](const std::vector<Values>& in) {
                const auto feature = reference_feature(name.c_str()).value;
                Values out;
                for (std::size_t i = 0; i < in[0].size(); ++i) out.push_back(in[0][i] * feature(in[1][i]));
                return out;
              },
          .kink_distance = 0.01,
          .float_tolerance = 5e-6};
}

OperatorCase convolution_case(const char* sample, std::int64_t batch, std::int64_t length, std::int64_t width,
                              std::int64_t taps, std::vector<std::uint8_t> real = {},
                              std::vector<std::int32_t> positions = {}) {
  SharedPaddingMask mask;
  if (!real.empty()) mask = std::make_shared<const PaddingMask>(PaddingMask{batch, length, real, positions, 20});
  const auto B = static_cast<std::size_t>(batch), N = static_cast<std::size_t>(length), W = static_cast<std::size_t>(width);
  const auto position = [=](std::size_t row) {
    return positions.empty() ? static_cast<std::int64_t>(row % N) : std::int64_t{positions[row]};
  };
  return {.op = "short_convolution",
          .sample = sample,
          .shapes = {{batch, length, width}, {width, taps}},
          .apply = [=](Inputs in) { return short_convolution(in[0], in[1], mask); },
          .reference =
              [=](const std::vector<Values>& in) {
                Values out(B * N * W);
                for (std::size_t b = 0; b < B; ++b) {
                  for (std::size_t t = 0; t < N; ++t) {
                    for (std::size_t s = 0; s <= t; ++s) {
                      const std::int64_t distance = position(b * N + t) - position(b * N + s);
                      if (distance >= taps || (!real.empty() && real[b * N + s] == 0)) continue;
                      for (std::size_t e = 0; e < W; ++e) {
                        out[(b * N + t) * W + e] +=
                            in[1][e * static_cast<std::size_t>(taps) + static_cast<std::size_t>(taps - 1 - distance)] *
                            in[0][(b * N + s) * W + e];
                      }
                    }
                  }
                }
                return out;
              }};
}

/// Tokens that are all real, at positions of their own; none without positions.
SharedPaddingMask mask_of(std::int64_t batch, std::int64_t length, const std::vector<std::int32_t>& positions) {
  if (positions.empty()) return nullptr;
  const std::vector<std::uint8_t> real(positions.size(), 1);
  return std::make_shared<const PaddingMask>(PaddingMask{batch, length, real, positions, 200});
}

OperatorCase rotation_case(const char* sample, std::int64_t batch, std::int64_t length, std::int64_t heads,
                           std::int64_t head_dim, std::int64_t first, std::vector<std::int32_t> positions = {}) {
  const SharedPaddingMask mask = mask_of(batch, length, positions);
  const auto rows = static_cast<std::size_t>(batch * length), H = static_cast<std::size_t>(heads),
             D = static_cast<std::size_t>(head_dim);
  return {.op = "rotate_positions",
          .sample = sample,
          .shapes = {{batch, length, heads, head_dim}},
          .apply = [=](Inputs in) { return rotate_positions(in[0], mask, first, 100); },
          .reference =
              [=](const std::vector<Values>& in) {
                Values out(in[0].size());
                for (std::size_t r = 0; r < rows; ++r) {
                  const double place = positions.empty() ? static_cast<double>(first) +
                                                               static_cast<double>(r % static_cast<std::size_t>(length))
                                                         : static_cast<double>(positions[r]);
                  for (std::size_t h = 0; h < H; ++h) {
                    for (std::size_t i = 0; i < D / 2; ++i) {
                      const double angle = place / std::pow(100, 2 * static_cast<double>(i) / static_cast<double>(D));
                      const std::size_t left = (r * H + h) * D + i, right = left + D / 2;
                      out[left] = in[0][left] * std::cos(angle) - in[0][right] * std::sin(angle);
                      out[right] = in[0][right] * std::cos(angle) + in[0][left] * std::sin(angle);
                    }
                  }
                }
                return out;
              },
          .float_tolerance = 5e-6};
}

OperatorCase cosine_case(const char* sample, std::int64_t batch, std::int64_t length, std::int64_t heads,
                         std::int64_t head_dim, std::int64_t first, std::vector<std::int32_t> positions = {}) {
  const SharedPaddingMask mask = mask_of(batch, length, positions);
  const auto rows = static_cast<std::size_t>(batch * length), H = static_cast<std::size_t>(heads),
             D = static_cast<std::size_t>(head_dim), N = static_cast<std::size_t>(length);
  return {.op = "cosine_features",
          .sample = sample,
          .shapes = {{batch, length, heads, head_dim}, {heads, head_dim}},
          .apply = [=](Inputs in) { return cosine_features(in[0], in[1], mask, first); },
          .reference =
              [=](const std::vector<Values>& in) {
                Values out;
                for (std::size_t r = 0; r < rows; ++r) {
                  const double place = positions.empty() ? static_cast<double>(first) + static_cast<double>(r % N)
                                                         : static_cast<double>(positions[r]);
                  for (std::size_t h = 0; h < H; ++h) {
                    for (const bool sine : {false, true}) {
                      for (std::size_t d = 0; d < D; ++d) {
                        const double angle = place * in[1][h * D + d];
                        out.push_back(in[0][(r * H + h) * D + d] * (sine ? std::sin(angle) : std::cos(angle)));
                      }
                    }
                  }
                }
                return out;
              },
          .float_tolerance = 3e-5};
}

OperatorCase repeat_case(const char* sample, std::int64_t batch, std::int64_t length, std::int64_t heads, std::int64_t width,
                         std::int64_t times) {
  const auto rows = static_cast<std::size_t>(batch * length * heads), W = static_cast<std::size_t>(width);
  return {.op = "repeat_heads",
          .sample = sample,
          .shapes = {{batch, length, heads, width}},
          .apply = [=](Inputs in) { return repeat_heads(in[0], times); },
          .reference =
              [=](const std::vector<Values>& in) {
                Values out;
                for (std::size_t row = 0; row < rows; ++row) {
                  for (std::int64_t copy = 0; copy < times; ++copy) {
                    for (std::size_t i = 0; i < W; ++i) out.push_back(in[0][row * W + i]);
                  }
                }
                return out;
              }};
}

}  // namespace

std::vector<OperatorCase> block_cases() {
  std::vector<OperatorCase> cases = {
      rms_norm_case("matrix", {4, 7}),
      rms_norm_case("one number a row", {3, 1}),
      rms_norm_case("heads", {2, 3, 2, 5}),
      rms_norm_case("nothing", {0, 4}),
      rms_norm_case("several pieces", {300, 70}),
      plain_norm_case({3, 7}),
      convolution_case("odd sizes", 2, 5, 3, 3),
      convolution_case("one tap", 1, 3, 2, 1),
      convolution_case("longer than the text", 2, 2, 3, 4),
      convolution_case("one token", 1, 1, 1, 4),
      convolution_case("nothing", 2, 0, 3, 4),
      convolution_case("padding anywhere", 2, 5, 2, 3, {1, 0, 1, 1, 0, 0, 1, 1, 0, 1}),
      convolution_case("padding left out", 2, 4, 3, 4, {1, 1, 1, 1, 1, 1, 1, 0}, {0, 2, 3, 9, 1, 2, 5, 5}),
      rotation_case("odd sizes", 2, 5, 3, 6, 0),
      rotation_case("a later position", 1, 3, 1, 2, 1000),
      rotation_case("more than a block", 1, 130, 1, 2, 3),
      rotation_case("nothing", 1, 0, 2, 4, 0),
      rotation_case("positions of their own", 2, 3, 2, 4, 0, {0, 4, 5, 3, 70, 150}),
      cosine_case("odd sizes", 2, 5, 3, 3, 0),
      cosine_case("a later position", 1, 3, 1, 2, 40),
      cosine_case("more than a block", 1, 70, 1, 1, 3),
      cosine_case("nothing", 1, 0, 2, 4, 0),
      cosine_case("positions of their own", 2, 3, 2, 2, 0, {0, 4, 5, 3, 7, 15}),
      repeat_case("odd sizes", 2, 3, 2, 3, 3),
      repeat_case("once", 1, 2, 3, 2, 1),
      repeat_case("nothing", 0, 3, 2, 2, 2)};
  for (const ScalarFunctionKind& f : scalar_functions()) {
    cases.push_back(gated_product_case(f, {3, 5}));
    if (f.value == ScalarFunction::gelu) cases.push_back(gated_product_case(f, {3, 600}));
  }
  cases.push_back(gated_product_case(scalar_functions()[0], {0, 5}));
  return cases;
}

std::vector<BadInput> bad_block_inputs() {
  const auto zeros = [](const Shape& shape) { return Variable(Tensor::zeros(shape)); };
  const Variable heads = zeros({2, 3, 2, 4}), sequence = zeros({2, 3, 8});
  return {{"rms_norm", "a weight of another width", [=] { rms_norm(heads, zeros({5}), 1e-5); }},
          {"gated_product", "another shape", [=] { gated_product(heads, sequence, ScalarFunction::relu); }},
          {"short_convolution", "weights of other channels",
           [=] {
             short_convolution(sequence, zeros({7, 3}), nullptr);
           }},
          {"short_convolution", "no tap",
           [=] {
             short_convolution(sequence, zeros({8, 0}), nullptr);
           }},
          {"short_convolution", "a mask of another shape",
           [=] {
             short_convolution(sequence, zeros({8, 3}), some_mask());
           }},
          {"rotate_positions", "an odd width",
           [=] {
             rotate_positions(zeros({2, 3, 2, 3}), nullptr, 0, 10000);
           }},
          {"rotate_positions", "a mask of another shape", [=] { rotate_positions(heads, some_mask(), 0, 10000); }},
          {"cosine_features", "angles of other heads",
           [=] {
             cosine_features(heads, zeros({3, 4}), nullptr, 0);
           }},
          {"cosine_features", "a mask of another shape",
           [=] {
             cosine_features(heads, zeros({2, 4}), some_mask(), 0);
           }},
          {"repeat_heads", "no heads", [=] { repeat_heads(sequence, 2); }},
          {"repeat_heads", "no copy", [=] { repeat_heads(heads, 0); }}};
}

}  // namespace cosformer::test

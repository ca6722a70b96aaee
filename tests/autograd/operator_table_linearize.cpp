// Rows of what turns softmax into linear attention: learned features, adapters, and the error of a transfer.
#include <algorithm>
#include <cmath>

#include "tests/autograd/operator_table.h"

namespace cosformer::test {

namespace {

using Inputs = std::span<const Variable>;

OperatorCase softmax_features_case(const char* sample, const Shape& shape, double scale = 1) {
  const auto width = static_cast<std::size_t>(shape[-1]);
  return {.op = "softmax_features",
          .sample = sample,
          .shapes = {shape},
          .apply = [](Inputs in) { return softmax_features(in[0]); },
          .reference =
              [=](const std::vector<Values>& in) {
                Values out;
                for (std::size_t begin = 0; begin < in[0].size(); begin += width) {
                  for (const double sign : {1.0, -1.0}) {
                    double largest = -1e300, sum = 0;
                    for (std::size_t i = 0; i < width; ++i) largest = std::max(largest, sign * in[0][begin + i]);
                    for (std::size_t i = 0; i < width; ++i) sum += std::exp(sign * in[0][begin + i] - largest);
                    for (std::size_t i = 0; i < width; ++i) out.push_back(std::exp(sign * in[0][begin + i] - largest) / sum);
                  }
                }
                return out;
              },
          .low = -1.5 * scale,
          .high = 1.5 * scale,
          .float_tolerance = scale > 1 ? 2e-4 : 2e-6};
}

OperatorCase low_rank_case(const char* sample, std::int64_t rows, std::int64_t columns, std::int64_t rank) {
  const auto I = static_cast<std::size_t>(columns), R = static_cast<std::size_t>(rank);
  return {.op = "low_rank_sum",
          .sample = sample,
          .shapes = {{rows, columns}, {rank, columns}, {rows, rank}},
          .apply = [](Inputs in) { return low_rank_sum(in[0], in[1], in[2], 0.7); },
          .reference =
              [=](const std::vector<Values>& in) {
                Values out = in[0];
                for (std::size_t place = 0; place < out.size(); ++place) {
                  for (std::size_t r = 0; r < R; ++r)
                    out[place] += 0.7 * in[2][place / I * R + r] * in[1][r * I + place % I];
                }
                return out;
              },
          .float_tolerance = 4e-6};
}

OperatorCase squared_error_case(const char* sample, const Shape& shape) {
  Tensor target = Tensor::empty(shape, DType::float64);
  const auto values = target.span<double>();
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = std::sin(1.0 + 3.0 * static_cast<double>(i));
  return {.op = "squared_error",
          .sample = sample,
          .shapes = {shape},
          .apply = [=](Inputs in) { return squared_error(in[0], target.to(in[0].dtype()), 0.3); },
          .reference =
              [=](const std::vector<Values>& in) {
                double sum = 0;
                for (std::size_t i = 0; i < in[0].size(); ++i)
                  sum += std::pow(in[0][i] - std::sin(1.0 + 3.0 * static_cast<double>(i)), 2);
                return Values{0.3 * sum};
              }};
}

OperatorCase head_linear_without_bias() {
  constexpr std::size_t kHeads = 2, kIn = 3, kOut = 4, kRows = 5;
  return {.op = "head_linear",
          .sample = "without a bias",
          .shapes = {{1, kRows, kHeads, kIn}, {kHeads, kOut, kIn}},
          .apply = [](Inputs in) { return head_linear(in[0], in[1], Variable()); },
          .reference =
              [](const std::vector<Values>& in) {
                Values out;
                for (std::size_t row = 0; row < kRows * kHeads; ++row) {
                  for (std::size_t f = 0; f < kOut; ++f) {
                    double& sum = out.emplace_back(0);
                    for (std::size_t d = 0; d < kIn; ++d)
                      sum += in[0][row * kIn + d] * in[1][(row % kHeads * kOut + f) * kIn + d];
                  }
                }
                return out;
              }};
}

}  // namespace

std::vector<OperatorCase> linearize_cases() {
  return {softmax_features_case("odd sizes", {2, 3, 2, 5}),
          softmax_features_case("one number", {3, 1}),
          softmax_features_case("far apart", {4, 7}, 60),
          softmax_features_case("nothing", {0, 3}),
          low_rank_case("odd sizes", 5, 7, 3),
          low_rank_case("rank 1", 3, 4, 1),
          low_rank_case("larger than a tile", 34, 33, 8),
          squared_error_case("odd sizes", {3, 5, 2}),
          squared_error_case("nothing", {0, 2}),
          head_linear_without_bias()};
}

std::vector<BadInput> bad_linearize_inputs() {
  const auto zeros = [](const Shape& shape) { return Variable(Tensor::zeros(shape)); };
  return {{"softmax_features", "rows without numbers",
           [=] {
             softmax_features(zeros({3, 0}));
           }},
          {"low_rank_sum", "a down of another width",
           [=] {
             low_rank_sum(zeros({4, 5}), zeros({2, 4}), zeros({4, 2}), 1);
           }},
          {"low_rank_sum", "two ranks",
           [=] {
             low_rank_sum(zeros({4, 5}), zeros({2, 5}), zeros({4, 3}), 1);
           }},
          {"squared_error", "a target of another shape", [=] {
             squared_error(zeros({3, 2}), Tensor::zeros({2, 3}), 1);
           }}};
}

}  // namespace cosformer::test

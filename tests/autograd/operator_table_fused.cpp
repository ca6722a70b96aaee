#include <cmath>

#include "tests/autograd/operator_table.h"

namespace cosformer::test {

namespace {

using Inputs = std::span<const Variable>;
using Reference = std::vector<Values>;

Values normalized(const Values& x, const Values& weight, const Values& bias) {
  const std::size_t width = weight.size();
  Values out;
  for (std::size_t row = 0; row < x.size() / width; ++row) {
    double mean = 0, variance = 0;
    for (std::size_t i = 0; i < width; ++i) mean += x[row * width + i] / static_cast<double>(width);
    for (std::size_t i = 0; i < width; ++i) variance += std::pow(x[row * width + i] - mean, 2) / static_cast<double>(width);
    for (std::size_t i = 0; i < width; ++i) {
      out.push_back((x[row * width + i] - mean) / std::sqrt(variance + 1e-5) * weight[i] + bias[i]);
    }
  }
  return out;
}

Values projected(const Values& x, std::size_t width, const Values& weight, const Values& bias) {
  const std::size_t rows = x.size() / width, out_width = weight.size() / width;
  Values out(rows * out_width);
  for (std::size_t r = 0; r < rows; ++r) {
    for (std::size_t j = 0; j < out_width; ++j) {
      double sum = bias.empty() ? 0 : bias[j];
      for (std::size_t i = 0; i < width; ++i) sum += x[r * width + i] * weight[j * width + i];
      out[r * out_width + j] = sum;
    }
  }
  return out;
}

Values sum(Values a, const Values& b, double factor = 1) {
  for (std::size_t i = 0; i < a.size(); ++i) a[i] += factor * b[i];
  return a;
}

double gelu_of(double x) { return 0.5 * x * (1 + std::erf(x / std::sqrt(2.0))); }
double elu_plus_one_of(double x) { return x > 0 ? x + 1 : std::exp(x); }

/// Two layers, one without a bias; the outputs are added with different weights.
OperatorCase norm_linear_case(const std::string& sample, const Shape& x, std::int64_t out) {
  const std::int64_t width = x[-1];
  return {.op = "norm_linear",
          .sample = sample,
          .shapes = {x, {width}, {width}, {out, width}, {out}, {out, width}},
          .apply =
              [](Inputs in) {
                const std::vector<LinearWeights> layers = {{in[3], in[4]}, {in[5], Variable()}};
                const std::vector<Variable> y = norm_linear(in[0], {in[1], in[2], 1e-5}, layers);
                return add(y[0], scale(y[1], 2));
              },
          .reference =
              [width](const Reference& in) {
                const Values rows = normalized(in[0], in[1], in[2]);
                const auto w = static_cast<std::size_t>(width);
                return sum(projected(rows, w, in[3], in[4]), projected(rows, w, in[5], {}), 2);
              },
          .float_tolerance = 1e-5};
}

/// Only one of two outputs is used: no gradient comes back through the other.
OperatorCase one_used_output_case() {
  return {.op = "norm_linear",
          .sample = "one output is not used",
          .shapes = {{4, 5}, {5}, {5}, {3, 5}, {3}},
          .apply =
              [](Inputs in) {
                const std::vector<LinearWeights> layers = {{in[3], in[4]}, {in[3], Variable()}};
                return norm_linear(in[0], {in[1], in[2], 1e-5}, layers)[1];
              },
          .reference = [](const Reference& in) { return projected(normalized(in[0], in[1], in[2]), 5, in[3], {}); },
          .float_tolerance = 1e-5};
}

/// What a dropout keeps and scales, read off ones.
Values mask_of(const Shape& shape, const Random& stream) {
  const Variable ones(Tensor::full(shape, 1.0, DType::float64));
  const Variable mask = dropout(ones, 0.4, stream);
  const auto values = mask.value().span<double>();
  return {values.begin(), values.end()};
}

Values masked(Values x, const Values& mask) {
  for (std::size_t i = 0; i < x.size(); ++i) x[i] *= mask[i];
  return x;
}

OperatorCase linear_residual_case(const std::string& sample, std::int64_t rows, std::int64_t in, std::int64_t out,
                                  bool drops) {
  const Random stream(7, "test");
  const std::optional<DropoutMask> mask = drops ? std::optional(dropout_mask(0.4, stream)) : std::nullopt;
  return {.op = "linear_residual",
          .sample = sample,
          .shapes = {{rows, in}, {out, in}, {out}, {rows, out}},
          .apply =
              [mask](Inputs x) {
                return linear_residual(x[0], {x[1], x[2]}, x[3], mask);
              },
          .reference =
              [=](const Reference& x) {
                const Values branch = projected(x[0], static_cast<std::size_t>(in), x[1], x[2]);
                return sum(x[3], drops ? masked(branch, mask_of({rows, out}, stream)) : branch);
              },
          .float_tolerance = 1e-5};
}

OperatorCase feed_forward_case(const std::string& sample, std::int64_t rows, std::int64_t width, std::int64_t ffn,
                               ScalarFunction f, double (*function)(double), bool drops, bool drops_inside = false) {
  const Random stream(8, "test"), inner_stream(9, "test");
  FeedForwardDropout dropout;
  if (drops) dropout.outer = dropout_mask(0.4, stream);
  if (drops_inside) dropout.inner = dropout_mask(0.4, inner_stream);
  return {.op = "feed_forward",
          .sample = sample,
          .shapes = {{rows, width}, {width}, {width}, {ffn, width}, {ffn}, {width, ffn}, {width}},
          .apply =
              [=](Inputs x) {
                return feed_forward(x[0], {x[1], x[2], 1e-5}, {x[3], x[4]}, {x[5], x[6]}, f, dropout);
              },
          .reference =
              [=](const Reference& x) {
                Values hidden = projected(normalized(x[0], x[1], x[2]), static_cast<std::size_t>(width), x[3], x[4]);
                for (double& u : hidden) u = function(u);
                if (drops_inside) hidden = masked(hidden, mask_of({rows, ffn}, inner_stream));
                const Values branch = projected(hidden, static_cast<std::size_t>(ffn), x[5], x[6]);
                return sum(x[0], drops ? masked(branch, mask_of({rows, width}, stream)) : branch);
              },
          .float_tolerance = 1e-5};
}

}  // namespace

std::vector<OperatorCase> fused_cases() {
  return {norm_linear_case("odd sizes", {2, 3, 7}, 5),
          norm_linear_case("one row, one column", {1, 1}, 1),
          norm_linear_case("more rows than a tile", {101, 5}, 3),
          norm_linear_case("more columns than a panel", {3, 6}, 67),
          norm_linear_case("no rows", {0, 4}, 3),
          one_used_output_case(),
          linear_residual_case("odd sizes", 5, 3, 7, false),
          linear_residual_case("dropout", 6, 5, 9, true),
          linear_residual_case("more rows than a tile, dropout", 99, 2, 3, true),
          linear_residual_case("one row, one column", 1, 1, 1, false),
          feed_forward_case("gelu", 5, 7, 9, ScalarFunction::gelu, gelu_of, false),
          feed_forward_case("gelu, dropout", 4, 6, 5, ScalarFunction::gelu, gelu_of, true),
          feed_forward_case("gelu, dropout inside", 4, 6, 5, ScalarFunction::gelu, gelu_of, false, true),
          feed_forward_case("elu, both dropouts, more rows than a tile", 98, 3, 5, ScalarFunction::elu, elu_plus_one_of,
                            true, true),
          feed_forward_case("elu, more rows than a tile", 98, 3, 4, ScalarFunction::elu, elu_plus_one_of, false),
          feed_forward_case("more columns than a panel", 2, 3, 66, ScalarFunction::gelu, gelu_of, false),
          feed_forward_case("one row, one column", 1, 1, 1, ScalarFunction::gelu, gelu_of, false)};
}

std::vector<BadInput> bad_fused_inputs() {
  const auto zeros = [](const Shape& shape) { return Variable(Tensor::zeros(shape)); };
  const auto norm = [=](std::int64_t width) { return NormWeights{zeros({width}), zeros({width}), 1e-5}; };
  const auto layer = [=](std::int64_t out, std::int64_t in) { return LinearWeights{zeros({out, in}), zeros({out})}; };
  return {{"norm_linear", "a norm of another width",
           [=] {
             const std::vector<LinearWeights> layers = {layer(2, 3)};
             norm_linear(zeros({4, 3}), norm(4), layers);
           }},
          {"norm_linear", "a layer of another width",
           [=] {
             const std::vector<LinearWeights> layers = {layer(2, 4)};
             norm_linear(zeros({4, 3}), norm(3), layers);
           }},
          {"linear_residual", "a residual of another width",
           [=] {
             linear_residual(zeros({4, 3}), layer(2, 3), zeros({4, 3}), std::nullopt);
           }},
          {"linear_residual", "a layer of another width",
           [=] {
             linear_residual(zeros({4, 3}), layer(2, 4), zeros({4, 2}), std::nullopt);
           }},
          {"feed_forward", "fc2 does not fit fc1",
           [=] {
             feed_forward(zeros({4, 3}), norm(3), layer(5, 3), layer(3, 4), ScalarFunction::relu);
           }},
          {"feed_forward", "fc1 of another width", [=] {
             feed_forward(zeros({4, 3}), norm(3), layer(5, 4), layer(3, 5), ScalarFunction::relu);
           }}};
}

}  // namespace cosformer::test

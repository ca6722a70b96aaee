#include "tests/autograd/operator_table.h"

#include <cmath>

namespace cosformer::test {

Tensor ids(const Shape& shape, std::vector<std::int32_t> values) {
  return Tensor::from<std::int32_t>(shape, std::span<const std::int32_t>(values));
}

SharedPaddingMask some_mask() {
  // Padding in the middle of item 0, at the end of item 1, all of item 2.
  return std::make_shared<const PaddingMask>(PaddingMask{3, 4, {1, 0, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0}});
}

namespace {

using Inputs = std::span<const Variable>;
using Reference = std::vector<Values>;

std::function<Values(const Reference&)> elementwise(double (*f)(double)) {
  return [f](const Reference& in) {
    Values out;
    for (const double x : in[0]) out.push_back(f(x));
    return out;
  };
}

Values matrix_product(const Values& a, const Values& b_transposed, std::size_t m, std::size_t n, std::size_t k) {
  Values out(m * n, 0.0);
  for (std::size_t i = 0; i < m; ++i) {
    for (std::size_t j = 0; j < n; ++j) {
      for (std::size_t l = 0; l < k; ++l) out[i * n + j] += a[i * k + l] * b_transposed[j * k + l];
    }
  }
  return out;
}

Values linear_reference(const Reference& in, std::size_t rows, std::size_t out_features, std::size_t in_features) {
  Values out = matrix_product(in[0], in[1], rows, out_features, in_features);
  for (std::size_t i = 0; in.size() > 2 && i < out.size(); ++i) out[i] += in[2][i % out_features];
  return out;
}

OperatorCase linear_case(const std::string& sample, const Shape& x, std::int64_t out_features, bool with_bias) {
  const std::int64_t in_features = x[-1];
  OperatorCase row{"linear", sample, {x, {out_features, in_features}}, nullptr, nullptr};
  if (with_bias) row.shapes.push_back({out_features});
  row.apply = [with_bias](Inputs in) { return linear(in[0], in[1], with_bias ? in[2] : Variable()); };
  row.reference = [rows = x.size() / in_features, out_features, in_features](const Reference& in) {
    return linear_reference(in, static_cast<std::size_t>(rows), static_cast<std::size_t>(out_features),
                            static_cast<std::size_t>(in_features));
  };
  return row;
}

OperatorCase layer_norm_case(const std::string& sample, const Shape& x) {
  const auto dim = static_cast<std::size_t>(x[-1]);
  return {.op = "layer_norm",
          .sample = sample,
          .shapes = {x, {x[-1]}, {x[-1]}},
          .apply = [](Inputs in) { return layer_norm(in[0], in[1], in[2], 1e-5); },
          .reference =
              [dim](const Reference& in) {
                Values out;
                for (std::size_t row = 0; row < in[0].size() / dim; ++row) {
                  double mean = 0, variance = 0;
                  for (std::size_t i = 0; i < dim; ++i) mean += in[0][row * dim + i] / static_cast<double>(dim);
                  for (std::size_t i = 0; i < dim; ++i)
                    variance += std::pow(in[0][row * dim + i] - mean, 2) / static_cast<double>(dim);
                  for (std::size_t i = 0; i < dim; ++i) {
                    out.push_back((in[0][row * dim + i] - mean) / std::sqrt(variance + 1e-5) * in[1][i] + in[2][i]);
                  }
                }
                return out;
              },
          .float_tolerance = 1e-5};
}

}  // namespace

std::vector<OperatorCase> operator_cases() {
  std::vector<OperatorCase> cases = {
      {"add",
       "matrix",
       {{3, 5}, {3, 5}},
       [](Inputs in) { return add(in[0], in[1]); },
       [](const Reference& in) {
         Values out = in[0];
         for (std::size_t i = 0; i < out.size(); ++i) out[i] += in[1][i];
         return out;
       }},
      {"add", "a value to itself", {{7}}, [](Inputs in) { return add(in[0], in[0]); }, elementwise([](double x) {
         return 2 * x;
       })},
      {"add",
       "empty",
       {{0, 3}, {0, 3}},
       [](Inputs in) { return add(in[0], in[1]); },
       [](const Reference&) { return Values{}; }},
      {"subtract",
       "matrix",
       {{3, 5}, {3, 5}},
       [](Inputs in) { return subtract(in[0], in[1]); },
       [](const Reference& in) {
         Values out = in[0];
         for (std::size_t i = 0; i < out.size(); ++i) out[i] -= in[1][i];
         return out;
       }},
      {"multiply",
       "matrix",
       {{3, 5}, {3, 5}},
       [](Inputs in) { return multiply(in[0], in[1]); },
       [](const Reference& in) {
         Values out = in[0];
         for (std::size_t i = 0; i < out.size(); ++i) out[i] *= in[1][i];
         return out;
       }},
      {"multiply", "a value by itself", {{7}}, [](Inputs in) { return multiply(in[0], in[0]); }, elementwise([](double x) {
         return x * x;
       })},
      {"add_rows",
       "three items",
       {{3, 2, 5}, {2, 5}},
       [](Inputs in) { return add_rows(in[0], in[1]); },
       [](const Reference& in) {
         Values out = in[0];
         for (std::size_t i = 0; i < out.size(); ++i) out[i] += in[1][i % 10];
         return out;
       }},
      {"scale", "odd size", {{3, 1, 7}}, [](Inputs in) { return scale(in[0], -2.5); }, elementwise([](double x) {
         return -2.5 * x;
       })},
      {"weighted_sum",
       "odd size",
       {{3, 3}},
       [](Inputs in) { return weighted_sum(in[0], Tensor::full(in[0].shape(), 0.5, in[0].dtype())); },
       [](const Reference& in) {
         double sum = 0;
         for (const double x : in[0]) sum += 0.5 * x;
         return Values{sum};
       }},
      {"matmul",
       "odd sizes",
       {{3, 5}, {5, 2}},
       [](Inputs in) { return matmul(in[0], in[1]); },
       [](const Reference& in) {
         Values transposed(10);
         for (std::size_t i = 0; i < 5; ++i) {
           for (std::size_t j = 0; j < 2; ++j) transposed[j * 5 + i] = in[1][i * 2 + j];
         }
         return matrix_product(in[0], transposed, 3, 2, 5);
       }},
      {"reshape",
       "to three axes",
       {{4, 6}},
       [](Inputs in) {
         return reshape(in[0], {2, 4, 3});
       },
       elementwise([](double x) { return x; })},
      {"narrow",
       "the middle of an inner axis",
       {{3, 5, 2}},
       [](Inputs in) { return narrow(in[0], 1, 1, 3); },
       [](const Reference& in) {
         Values out;
         for (std::size_t i = 0; i < 3; ++i) {
           for (std::size_t j = 2; j < 8; ++j) out.push_back(in[0][i * 10 + j]);
         }
         return out;
       }},
      {"narrow",
       "two parts of one value",
       {{4, 2}},
       [](Inputs in) { return add(narrow(in[0], 0, 0, 2), narrow(in[0], 0, 1, 2)); },
       [](const Reference& in) {
         Values out;
         for (std::size_t i = 0; i < 4; ++i) out.push_back(in[0][i] + in[0][i + 2]);
         return out;
       }},
      {"concatenate",
       "widths 2 and 3",
       {{2, 2, 2}, {2, 2, 3}},
       [](Inputs in) { return concatenate(in[0], in[1]); },
       [](const Reference& in) {
         Values out;
         for (std::size_t row = 0; row < 4; ++row) {
           for (std::size_t i = 0; i < 2; ++i) out.push_back(in[0][row * 2 + i]);
           for (std::size_t i = 0; i < 3; ++i) out.push_back(in[1][row * 3 + i]);
         }
         return out;
       }},
      {"mean_pool",
       "a divisor of its own",
       {{3, 4, 2}},
       [](Inputs in) { return mean_pool(in[0], some_mask(), 10); },
       [](const Reference& in) {
         const auto& x = in[0];
         Values out;
         for (std::size_t i = 0; i < 2; ++i) out.push_back((x[i] + x[4 + i] + x[6 + i]) / 10);
         for (std::size_t i = 0; i < 2; ++i) out.push_back((x[8 + i] + x[10 + i]) / 10);
         out.insert(out.end(), {0, 0});
         return out;
       }},
      {"mean_pool",
       "padding anywhere",
       {{3, 4, 2}},
       [](Inputs in) { return mean_pool(in[0], some_mask()); },
       [](const Reference& in) {
         const auto& x = in[0];
         Values out;
         for (std::size_t i = 0; i < 2; ++i) out.push_back((x[i] + x[4 + i] + x[6 + i]) / 3);
         for (std::size_t i = 0; i < 2; ++i) out.push_back((x[8 + i] + x[10 + i]) / 2);
         out.insert(out.end(), {0, 0});
         return out;
       }},
      {"mean_pool",
       "no mask",
       {{1, 3, 1}},
       [](Inputs in) { return mean_pool(in[0], nullptr); },
       [](const Reference& in) { return Values{(in[0][0] + in[0][1] + in[0][2]) / 3}; }},
      {"first_token",
       "two items",
       {{2, 3, 2}},
       [](Inputs in) { return first_token(in[0]); },
       [](const Reference& in) {
         return Values{in[0][0], in[0][1], in[0][6], in[0][7]};
       }},
      {"relu", "both signs", {{3, 7}}, [](Inputs in) { return relu(in[0]); }, elementwise([](double x) {
         return x > 0 ? x : 0;
       })},
      {"gelu",
       "both tails",
       {{5, 9}},
       [](Inputs in) { return gelu(in[0]); },
       elementwise([](double x) { return 0.5 * x * (1 + std::erf(x / std::sqrt(2.0))); }),
       -5,
       5},
      {"bias_activation",
       "gelu",
       {{3, 2, 5}, {5}},
       [](Inputs in) { return bias_activation(in[0], in[1], ScalarFunction::gelu); },
       [](const Reference& in) {
         Values out = in[0];
         for (std::size_t i = 0; i < out.size(); ++i) {
           const double x = in[0][i] + in[1][i % 5];
           out[i] = 0.5 * x * (1 + std::erf(x / std::sqrt(2.0)));
         }
         return out;
       }},
      {"dropout",
       "probability 0",
       {{11}},
       [](Inputs in) { return dropout(in[0], 0.0, Random(1, "test")); },
       elementwise([](double x) { return x; })},
      {"dropout",
       "the library's own mask",
       {{4, 9}},
       [](Inputs in) { return dropout(in[0], 0.4, Random(1, "test")); },
       [](const Reference& in) {
         // The mask is read off a vector of ones; what is tested is that values and gradients pass through it.
         const Variable mask = dropout(Variable(Tensor::full({4, 9}, 1.0, DType::float64)), 0.4, Random(1, "test"));
         Values out = in[0];
         for (std::size_t i = 0; i < out.size(); ++i) out[i] *= mask.value().span<double>()[i];
         return out;
       }},
      linear_case("odd sizes", {3, 2, 5}, 7, true),
      linear_case("without a bias", {4, 3}, 2, false),
      linear_case("one row, one column", {1, 1}, 1, true),
      layer_norm_case("odd size", {2, 3, 7}),
      layer_norm_case("one row", {1, 16}),
      {"embedding",
       "a row used twice",
       {{5, 3}},
       [](Inputs in) {
         return embedding(in[0], ids({2, 2}, {4, 0, 4, 2}));
       },
       [](const Reference& in) {
         Values out;
         for (const std::size_t id : {4U, 0U, 4U, 2U}) {
           for (std::size_t i = 0; i < 3; ++i) out.push_back(in[0][id * 3 + i]);
         }
         return out;
       }},
  };
  for (OperatorCase& row : cases) {
    if (row.op == "relu") row.kink_distance = 0.01;
  }
  for (OperatorCase& row : loss_cases()) cases.push_back(std::move(row));
  for (OperatorCase& row : attention_cases()) cases.push_back(std::move(row));
  for (OperatorCase& row : sparse_cases()) cases.push_back(std::move(row));
  for (auto* part : {attention_layer_cases, block_cases, landmark_cases, feature_cases, linearize_cases}) {
    for (OperatorCase& row : part()) cases.push_back(std::move(row));
  }
  for (OperatorCase& row : fused_cases()) cases.push_back(std::move(row));
  for (OperatorCase& row : adaptive_cases()) cases.push_back(std::move(row));
  return cases;
}

}  // namespace cosformer::test

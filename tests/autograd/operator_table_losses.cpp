#include <cmath>

#include "tests/autograd/operator_table.h"

namespace cosformer::test {

namespace {

using Inputs = std::span<const Variable>;
using Reference = std::vector<Values>;

/// in[0] [rows, width] times the transpose of in[1] [classes, width], plus in[2] if there is a bias.
Values scores(const Reference& in, std::size_t rows, std::size_t classes, std::size_t width) {
  Values out(rows * classes);
  for (std::size_t row = 0; row < rows; ++row) {
    for (std::size_t c = 0; c < classes; ++c) {
      double sum = in.size() > 2 ? in[2][c] : 0;
      for (std::size_t i = 0; i < width; ++i) sum += in[0][row * width + i] * in[1][c * width + i];
      out[row * classes + c] = sum;
    }
  }
  return out;
}

/// Σ over counted rows of the cross-entropy with the smoothed target distribution.
double cross_entropy_reference(const Values& logits, const std::vector<std::int32_t>& targets, std::size_t classes,
                               double smoothing) {
  double sum = 0;
  for (std::size_t row = 0; row < targets.size(); ++row) {
    if (targets[row] < 0) continue;
    double normalizer = 0;
    for (std::size_t c = 0; c < classes; ++c) normalizer += std::exp(logits[row * classes + c]);
    for (std::size_t c = 0; c < classes; ++c) {
      const bool is_target = c == static_cast<std::size_t>(targets[row]);
      const double probability = (is_target ? 1 - smoothing : 0) + smoothing / static_cast<double>(classes);
      sum -= probability * (logits[row * classes + c] - std::log(normalizer));
    }
  }
  return sum;
}

const std::vector<std::int32_t> kTargets = {3, -1, 0, 6, 6};

OperatorCase cross_entropy_case(double smoothing) {
  return {.op = "cross_entropy",
          .sample = smoothing > 0 ? "smoothed targets" : "a row that does not count",
          .shapes = {{5, 7}},
          .apply = [smoothing](Inputs in) { return cross_entropy(in[0], ids({5}, kTargets), 0.25, smoothing); },
          .reference =
              [smoothing](const Reference& in) {
                return Values{0.25 * cross_entropy_reference(in[0], kTargets, 7, smoothing)};
              }};
}

OperatorCase linear_cross_entropy_case(double smoothing, bool with_bias) {
  OperatorCase row{.op = "linear_cross_entropy",
                   .sample = with_bias ? "with a bias" : "without a bias",
                   .shapes = {{5, 4}, {7, 4}},
                   .apply =
                       [=](Inputs in) {
                         return linear_cross_entropy(in[0], in[1], with_bias ? in[2] : Variable(), ids({5}, kTargets), 0.25,
                                                     smoothing);
                       },
                   .reference =
                       [smoothing](const Reference& in) {
                         return Values{0.25 * cross_entropy_reference(scores(in, 5, 7, 4), kTargets, 7, smoothing)};
                       }};
  if (with_bias) row.shapes.push_back({7});
  return row;
}

}  // namespace

std::vector<OperatorCase> loss_cases() {
  return {cross_entropy_case(0.0), cross_entropy_case(0.1), linear_cross_entropy_case(0.0, false),
          linear_cross_entropy_case(0.1, true)};
}

}  // namespace cosformer::test

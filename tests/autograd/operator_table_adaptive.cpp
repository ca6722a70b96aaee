#include <cmath>

#include "tests/autograd/operator_table.h"

namespace cosformer::test {

namespace {

using Inputs = std::span<const Variable>;
using Reference = std::vector<Values>;

/// Row `row` of a matrix of `width` columns.
Values row_of(const Values& matrix, std::size_t row, std::size_t width) {
  const auto begin = matrix.begin() + static_cast<std::ptrdiff_t>(row * width);
  return {begin, begin + static_cast<std::ptrdiff_t>(width)};
}

/// matrix · x, the matrix as rows of x's width.
Values times(const Values& matrix, const Values& x) {
  Values out(matrix.size() / x.size(), 0.0);
  for (std::size_t i = 0; i < out.size(); ++i) {
    for (std::size_t j = 0; j < x.size(); ++j) out[i] += matrix[i * x.size() + j] * x[j];
  }
  return out;
}

/// matrixᵀ · x, the matrix with as many rows as x has elements.
Values transposed_times(const Values& matrix, const Values& x) {
  const std::size_t width = matrix.size() / x.size();
  Values out(width, 0.0);
  for (std::size_t i = 0; i < x.size(); ++i) {
    for (std::size_t j = 0; j < width; ++j) out[j] += matrix[i * width + j] * x[i];
  }
  return out;
}

Values probabilities(Values logits) {
  double sum = 0;
  for (double& z : logits) sum += z = std::exp(z);
  for (double& z : logits) z /= sum;
  return logits;
}

/// Bands of 3, 2 and 4 tokens with vectors of 4, 2 and 1 numbers, projected to 5.
Values embedding_reference(const Reference& in, const std::vector<std::size_t>& tokens) {
  const std::size_t first[] = {0, 3, 5}, width[] = {4, 2, 1};
  Values out;
  for (const std::size_t token : tokens) {
    const std::size_t band = token < 3 ? 0 : token < 5 ? 1 : 2;
    const Values vector = row_of(in[2 * band], token - first[band], width[band]);
    for (const double y : times(in[2 * band + 1], vector)) out.push_back(y);
  }
  return out;
}

OperatorCase embedding_case(const std::string& sample, const Shape& shape, std::vector<std::int32_t> tokens) {
  return {.op = "adaptive_embedding",
          .sample = sample,
          .shapes = {{3, 4}, {5, 4}, {2, 2}, {5, 2}, {4, 1}, {5, 1}},
          .apply =
              [=](Inputs in) {
                const std::vector<AdaptiveBand> bands = {{in[0], in[1]}, {in[2], in[3]}, {in[4], in[5]}};
                return adaptive_embedding(bands, ids(shape, tokens));
              },
          .reference =
              [=](const Reference& in) {
                return embedding_reference(in, std::vector<std::size_t>(tokens.begin(), tokens.end()));
              }};
}

/// What one row's log-probability is computed from: all tokens' probabilities, head and tails by the definition.
Values token_probabilities(const Values& hidden, const Values& words, const Values& clusters, const Values& projection1,
                           const Values& weight1, const Values& projection2, const Values& weight2, bool is_transposed,
                           const Values& kept1, const Values& kept2) {
  const auto project = is_transposed ? transposed_times : times;
  Values rows = words;
  rows.insert(rows.end(), clusters.begin(), clusters.end());
  const Values head = probabilities(times(rows, hidden));
  const std::size_t first_band = head.size() - 2;
  Values out(head.begin(), head.end() - 2);
  const auto add_tail = [&](double cluster, const Values& projection, const Values& weight, const Values& kept) {
    Values narrow = project(projection, hidden);
    for (std::size_t i = 0; i < narrow.size(); ++i) narrow[i] *= kept[i];
    for (const double p : probabilities(times(weight, narrow))) out.push_back(cluster * p);
  };
  add_tail(head[first_band], projection1, weight1, kept1);
  add_tail(head[first_band + 1], projection2, weight2, kept2);
  return out;
}

/// 3 words in the head, tails of 2 and 4 with 2 and 1 numbers; one row is not counted, one band has two tokens.
const std::vector<std::int32_t> kTargets = {8, 1, -1, 4, 0, 5};
constexpr std::size_t kRows = 6, kWidth = 4;

Values loss_reference(const Reference& in, const Values& words, const Values& clusters, bool is_transposed,
                      const Values& kept1 = {}, const Values& kept2 = {}) {
  const std::size_t p = in.size() - 4;
  double sum = 0;
  std::size_t tail1_row = 0, tail2_row = 0;
  for (std::size_t r = 0; r < kRows; ++r) {
    if (kTargets[r] < 0) continue;
    const auto target = static_cast<std::size_t>(kTargets[r]);
    // A tail's mask counts the rows that the tail reads.
    const std::size_t row1 = target >= 3 && target < 5 ? tail1_row++ : 0, row2 = target >= 5 ? tail2_row++ : 0;
    const Values all = token_probabilities(row_of(in[0], r, kWidth), words, clusters, in[p], in[p + 1], in[p + 2], in[p + 3],
                                           is_transposed, kept1.empty() ? Values{1, 1} : row_of(kept1, row1, 2),
                                           kept2.empty() ? Values{1} : row_of(kept2, row2, 1));
    sum -= std::log(all[target]);
  }
  return {0.25 * sum};
}

OperatorCase untied_case() {
  return {.op = "adaptive_cross_entropy",
          .sample = "one matrix for words and clusters",
          .shapes = {{6, 4}, {5, 4}, {2, 4}, {2, 2}, {1, 4}, {4, 1}},
          .apply =
              [](Inputs in) {
                return adaptive_cross_entropy(in[0], {in[1], Variable(), {{in[2], in[3]}, {in[4], in[5]}}},
                                              ids({6}, kTargets), 0.25);
              },
          .reference = [](const Reference& in) { return loss_reference(in, in[1], {}, false); }};
}

OperatorCase tied_case() {
  return {.op = "adaptive_cross_entropy",
          .sample = "clusters apart, projections of an input",
          .shapes = {{6, 4}, {3, 4}, {2, 4}, {4, 2}, {2, 2}, {4, 1}, {4, 1}},
          .apply =
              [](Inputs in) {
                return adaptive_cross_entropy(in[0], {in[1], in[2], {{in[3], in[4], true}, {in[5], in[6], true}}},
                                              ids({6}, kTargets), 0.25);
              },
          .reference = [](const Reference& in) { return loss_reference(in, in[1], in[2], true); }};
}

/// What a dropout keeps and scales, read off ones.
Values mask_of(const Shape& shape, const Random& stream) {
  const Variable mask = dropout(Variable(Tensor::full(shape, 1.0, DType::float64)), 0.4, stream);
  const auto values = mask.value().span<double>();
  return {values.begin(), values.end()};
}

OperatorCase dropout_case() {
  const std::vector<Random> noise = {Random(1, "first tail"), Random(1, "second tail")};
  OperatorCase row = untied_case();
  row.sample = "dropout in the tails";
  row.apply = [noise](Inputs in) {
    return adaptive_cross_entropy(in[0], {in[1], Variable(), {{in[2], in[3]}, {in[4], in[5]}}}, ids({6}, kTargets), 0.25,
                                  {0.4, noise});
  };
  row.reference = [noise](const Reference& in) {
    return loss_reference(in, in[1], {}, false, mask_of({1, 2}, noise[0]), mask_of({2, 1}, noise[1]));
  };
  return row;
}

OperatorCase cluster_case() {
  return {.op = "linear_cross_entropy",
          .sample = "classes with weights of their own, and a bias",
          .shapes = {{4, 3}, {5, 3}, {7}, {2, 3}},
          .apply =
              [](Inputs in) {
                return linear_cross_entropy(in[0], in[1], in[2], ids({4}, {6, 0, -1, 5}), 0.5, 0, in[3]);
              },
          .reference =
              [](const Reference& in) {
                Values rows = in[1];
                rows.insert(rows.end(), in[3].begin(), in[3].end());
                double sum = 0;
                for (const auto& [row, target] : {std::pair{0, 6}, {1, 0}, {3, 5}}) {
                  Values logits = times(rows, row_of(in[0], static_cast<std::size_t>(row), 3));
                  for (std::size_t i = 0; i < logits.size(); ++i) logits[i] += in[2][i];
                  sum -= std::log(probabilities(logits)[static_cast<std::size_t>(target)]);
                }
                return Values{0.5 * sum};
              }};
}

/// Rows 2, 0 and 3, 1 of four, of two parts.
OperatorCase merge_case() {
  return {.op = "merge_rows",
          .sample = "two parts of other shapes",
          .shapes = {{1, 2, 3}, {2, 3}},
          .apply =
              [](Inputs in) {
                return merge_rows({in[0], in[1]}, {ids({2}, {2, 0}), ids({2}, {3, 1})}, {2, 2, 3});
              },
          .reference =
              [](const Reference& in) {
                Values out;
                for (const std::size_t row : {1U, 3U, 0U, 2U}) {
                  const Values& part = in[row / 2];
                  const auto first = part.begin() + static_cast<std::ptrdiff_t>(row % 2 * 3);
                  out.insert(out.end(), first, first + 3);
                }
                return out;
              }};
}

}  // namespace

std::vector<OperatorCase> adaptive_cases() {
  return {merge_case(),   embedding_case("three bands, a token twice", {2, 3}, {8, 0, 4, 2, 8, 3}),
          untied_case(),  tied_case(),
          dropout_case(), cluster_case()};
}

std::vector<BadInput> bad_adaptive_inputs() {
  const auto zeros = [](const Shape& shape) { return Variable(Tensor::zeros(shape)); };
  const auto bands = [=] {
    return std::vector<AdaptiveBand>{{zeros({3, 4}), zeros({5, 4})}, {zeros({2, 2}), zeros({5, 2})}};
  };
  const auto weights = [=] { return AdaptiveSoftmaxWeights{zeros({4, 5}), Variable(), {{zeros({2, 5}), zeros({3, 2})}}}; };
  return {{"merge_rows", "a place twice",
           [=] {
             merge_rows({zeros({2, 3})}, {ids({2}, {0, 0})}, {2, 3});
           }},
          {"merge_rows", "a row without a part",
           [=] {
             merge_rows({zeros({2, 3})}, {ids({2}, {0, 1})}, {3, 3});
           }},
          {"merge_rows", "a part of another width",
           [=] {
             merge_rows({zeros({2, 3})}, {ids({2}, {0, 1})}, {2, 4});
           }},
          {"adaptive_embedding", "an id past the last band", [=] { adaptive_embedding(bands(), ids({1}, {5})); }},
          {"adaptive_embedding", "a negative id", [=] { adaptive_embedding(bands(), ids({1}, {-1})); }},
          {"adaptive_embedding", "no bands", [] { adaptive_embedding({}, ids({1}, {0})); }},
          {"adaptive_embedding", "a projection to another width",
           [=] {
             std::vector<AdaptiveBand> wrong = bands();
             wrong[1].projection = zeros({4, 2});
             adaptive_embedding(wrong, ids({1}, {0}));
           }},
          {"adaptive_cross_entropy", "a target past the last tail",
           [=] {
             adaptive_cross_entropy(zeros({1, 5}), weights(), ids({1}, {6}), 1);
           }},
          {"adaptive_cross_entropy", "too few targets",
           [=] {
             adaptive_cross_entropy(zeros({2, 5}), weights(), ids({1}, {0}), 1);
           }},
          {"adaptive_cross_entropy", "a tail's projection the wrong way round",
           [=] {
             AdaptiveSoftmaxWeights wrong = weights();
             wrong.tails[0].transposed = true;
             adaptive_cross_entropy(zeros({1, 5}), wrong, ids({1}, {0}), 1);
           }},
          {"adaptive_cross_entropy", "clusters for another number of tails",
           [=] {
             AdaptiveSoftmaxWeights wrong = weights();
             wrong.clusters = zeros({2, 5});
             adaptive_cross_entropy(zeros({1, 5}), wrong, ids({1}, {0}), 1);
           }},
          {"adaptive_cross_entropy", "dropout without noise",
           [=] {
             adaptive_cross_entropy(zeros({1, 5}), weights(), ids({1}, {0}), 1, {0.1, {}});
           }},
          {"linear_cross_entropy", "clusters of another width", [=] {
             linear_cross_entropy(zeros({1, 3}), zeros({4, 3}), Variable(), ids({1}, {0}), 1, 0, zeros({2, 4}));
           }}};
}

}  // namespace cosformer::test

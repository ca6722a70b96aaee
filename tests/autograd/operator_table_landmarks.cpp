// Rows of what Nyström attention is made of.
#include <algorithm>
#include <cmath>
#include <utility>

#include "tests/autograd/operator_table.h"

namespace cosformer::test {

namespace {

using Inputs = std::span<const Variable>;
using Matrix = std::vector<Values>;

SharedPaddingMask mask_of(std::int64_t batch, std::int64_t length, const std::vector<std::uint8_t>& real,
                          const std::vector<std::int32_t>& positions = {}) {
  if (real.empty()) return nullptr;
  return std::make_shared<const PaddingMask>(PaddingMask{batch, length, real, positions, 20});
}

OperatorCase means_case(const char* sample, std::int64_t batch, std::int64_t length, std::int64_t heads, std::int64_t width,
                        std::int64_t count, const std::vector<std::uint8_t>& real = {}) {
  const SharedPaddingMask mask = mask_of(batch, length, real);
  const auto B = static_cast<std::size_t>(batch), S = static_cast<std::size_t>(length),
             W = static_cast<std::size_t>(heads * width), C = static_cast<std::size_t>(count);
  return {.op = "segment_means",
          .sample = sample,
          .shapes = {{batch, length, heads, width}},
          .apply = [=](Inputs in) { return segment_means(in[0], count, mask); },
          .reference =
              [=](const std::vector<Values>& in) {
                Values out(B * C * W);
                for (std::size_t b = 0; b < B; ++b) {
                  std::vector<std::size_t> tokens;
                  for (std::size_t s = 0; s < S; ++s) {
                    if (real.empty() || real[b * S + s] != 0) tokens.push_back(s);
                  }
                  const std::size_t n = tokens.size(), used = std::min(C, n);
                  for (std::size_t r = 0; r < used; ++r) {
                    const std::size_t begin = r * n / used, end = (r + 1) * n / used;
                    for (std::size_t t = begin; t < end; ++t) {
                      for (std::size_t i = 0; i < W; ++i) {
                        out[(b * C + r) * W + i] += in[0][(b * S + tokens[t]) * W + i] / static_cast<double>(end - begin);
                      }
                    }
                  }
                }
                return out;
              }};
}

Matrix product(const Matrix& a, const Matrix& b) {
  Matrix c(a.size(), Values(b.front().size()));
  for (std::size_t i = 0; i < a.size(); ++i) {
    for (std::size_t k = 0; k < b.size(); ++k) {
      for (std::size_t j = 0; j < c[i].size(); ++j) c[i][j] += a[i][k] * b[k][j];
    }
  }
  return c;
}

/// diagonal · I - a.
Matrix diagonal_minus(double diagonal, Matrix a) {
  for (std::size_t i = 0; i < a.size(); ++i) {
    for (std::size_t j = 0; j < a.size(); ++j) a[i][j] = (i == j ? diagonal : 0) - a[i][j];
  }
  return a;
}

/// The paper's iteration towards the pseudo-inverse.
Matrix pseudo_inverse(const Matrix& a, std::int64_t iterations) {
  double norm = 0;
  for (std::size_t j = 0; j < a.front().size(); ++j) {
    double sum = 0;
    for (const Values& row : a) sum += row[j];
    norm = std::max(norm, sum);
  }
  Matrix z(a.front().size(), Values(a.size()));
  for (std::size_t i = 0; i < a.size(); ++i) {
    for (std::size_t j = 0; j < z.size(); ++j) z[j][i] = a[i][j] / norm;
  }
  for (std::int64_t step = 0; step < iterations; ++step) {
    const Matrix az = product(a, z);
    z = product(z, diagonal_minus(13, product(az, diagonal_minus(15, product(az, diagonal_minus(7, az))))));
    for (Values& row : z) {
      for (double& x : row) x /= 4;
    }
  }
  return z;
}

struct LandmarkSizes {
  std::int64_t batch, queries, keys, heads, head_dim, value_dim;
};

OperatorCase landmark_case(const char* sample, const LandmarkSizes& sizes, const std::vector<LandmarkCounts>& counts,
                           std::int64_t iterations) {
  const auto B = static_cast<std::size_t>(sizes.batch), T = static_cast<std::size_t>(sizes.queries),
             S = static_cast<std::size_t>(sizes.keys), H = static_cast<std::size_t>(sizes.heads),
             D = static_cast<std::size_t>(sizes.head_dim), E = static_cast<std::size_t>(sizes.value_dim);
  constexpr double kScale = 0.7;
  return {.op = "landmark_values",
          .sample = sample,
          .shapes = {{sizes.batch, sizes.queries, sizes.heads, sizes.head_dim},
                     {sizes.batch, sizes.keys, sizes.heads, sizes.head_dim},
                     {sizes.batch, sizes.queries, sizes.heads, sizes.value_dim}},
          .apply =
              [=](Inputs in) {
                return landmark_values(in[0], in[1], in[2], counts, {.scale = kScale, .iterations = iterations});
              },
          .reference =
              [=](const std::vector<Values>& in) {
                Values out(B * S * H * E);
                for (std::size_t b = 0; b < B; ++b) {
                  const auto P = static_cast<std::size_t>(counts[b].queries), R = static_cast<std::size_t>(counts[b].keys);
                  for (std::size_t h = 0; h < H && P > 0 && R > 0; ++h) {
                    Matrix a(P, Values(R)), w(P, Values(E));
                    for (std::size_t i = 0; i < P; ++i) {
                      double sum = 0;
                      for (std::size_t j = 0; j < R; ++j) {
                        double dot = 0;
                        for (std::size_t d = 0; d < D; ++d) {
                          dot += in[0][((b * T + i) * H + h) * D + d] * in[1][((b * S + j) * H + h) * D + d];
                        }
                        a[i][j] = std::exp(kScale * dot);
                        sum += a[i][j];
                      }
                      for (double& x : a[i]) x /= sum;
                      for (std::size_t e = 0; e < E; ++e) w[i][e] = in[2][((b * T + i) * H + h) * E + e];
                    }
                    const Matrix u = product(pseudo_inverse(a, iterations), w);
                    for (std::size_t j = 0; j < R; ++j)
                      std::ranges::copy(u[j], out.begin() + static_cast<std::ptrdiff_t>(((b * S + j) * H + h) * E));
                  }
                }
                return out;
              },
          .float_tolerance = 1e-4};
}

OperatorCase choose_case() {
  return {
      .op = "choose_items",
      .sample = "three items",
      .shapes = {{3, 2}, {3, 2}},
      .apply =
          [](Inputs in) {
            const std::vector<std::uint8_t> first = {0, 1, 0};
            return choose_items(first, in[0], in[1]);
          },
      .reference =
          [](const std::vector<Values>& in) { return Values{in[1][0], in[1][1], in[0][2], in[0][3], in[1][4], in[1][5]}; }};
}

OperatorCase convolution_case(const char* sample, const LandmarkSizes& sizes, std::int64_t taps,
                              const std::vector<std::uint8_t>& real = {}, const std::vector<std::int32_t>& positions = {}) {
  const AttentionMask mask{.key_mask = mask_of(sizes.batch, sizes.keys, real, positions),
                           .query_mask = positions.empty() ? nullptr : mask_of(sizes.batch, sizes.queries, real, positions)};
  const auto B = static_cast<std::size_t>(sizes.batch), T = static_cast<std::size_t>(sizes.queries),
             S = static_cast<std::size_t>(sizes.keys), H = static_cast<std::size_t>(sizes.heads),
             E = static_cast<std::size_t>(sizes.value_dim), K = static_cast<std::size_t>(taps);
  return {.op = "value_convolution",
          .sample = sample,
          .shapes = {{sizes.batch, sizes.keys, sizes.heads, sizes.value_dim}, {sizes.heads, taps}},
          .apply = [=](Inputs in) { return value_convolution(in[0], in[1], sizes.queries, mask); },
          .reference =
              [=](const std::vector<Values>& in) {
                const auto position = [&](std::size_t b, std::size_t i, std::size_t length) {
                  return positions.empty() ? static_cast<std::int64_t>(i) : positions[b * length + i];
                };
                Values out(B * T * H * E);
                for (std::size_t row = 0; row < B * T * H; ++row) {
                  const std::size_t b = row / H / T, t = row / H % T, h = row % H;
                  for (std::size_t s = 0; s < S; ++s) {
                    const std::int64_t tap = position(b, s, S) - position(b, t, T) + taps / 2;
                    if (tap < 0 || tap >= taps || (!real.empty() && real[b * S + s] == 0)) continue;
                    for (std::size_t e = 0; e < E; ++e) {
                      out[row * E + e] +=
                          in[1][h * K + static_cast<std::size_t>(tap)] * in[0][((b * S + s) * H + h) * E + e];
                    }
                  }
                }
                return out;
              }};
}

}  // namespace

std::vector<OperatorCase> landmark_cases() {
  return {means_case("odd sizes", 2, 7, 2, 3, 3),
          means_case("fewer tokens than segments", 1, 2, 1, 3, 4),
          means_case("one token", 1, 1, 1, 1, 1),
          means_case("nothing", 1, 0, 1, 2, 3),
          means_case("padding anywhere", 3, 5, 1, 2, 2, {1, 0, 1, 1, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0}),
          landmark_case("odd sizes", {2, 3, 3, 2, 3, 4}, {{3, 3}, {3, 3}}, 6),
          landmark_case("more queries than keys", {1, 4, 2, 1, 2, 3}, {{4, 2}}, 2),
          landmark_case("fewer landmarks than rows", {3, 3, 4, 1, 2, 2}, {{3, 2}, {2, 4}, {0, 1}}, 3),
          landmark_case("one landmark", {1, 1, 1, 1, 1, 1}, {{1, 1}}, 1),
          choose_case(),
          convolution_case("odd sizes", {2, 5, 5, 2, 0, 3}, 3),
          convolution_case("a filter longer than the text", {1, 3, 3, 1, 0, 2}, 9),
          convolution_case("fewer outputs than tokens", {1, 2, 4, 1, 0, 2}, 5),
          convolution_case("padding anywhere", {2, 4, 4, 1, 0, 2}, 3, {1, 0, 1, 1, 0, 1, 0, 0}),
          convolution_case("padding left out", {2, 4, 4, 2, 0, 1}, 5, {1, 1, 1, 1, 1, 1, 1, 0}, {0, 1, 4, 5, 2, 3, 9, 9})};
}

std::vector<BadInput> bad_landmark_inputs() {
  const auto zeros = [](const Shape& shape) { return Variable(Tensor::zeros(shape)); };
  const Variable heads = zeros({2, 3, 2, 4});
  const std::vector<LandmarkCounts> counts = {{3, 3}, {3, 3}};
  return {{"segment_means", "no segment", [=] { segment_means(heads, 0, nullptr); }},
          {"segment_means", "a mask of another shape", [=] { segment_means(heads, 2, some_mask()); }},
          {"landmark_values", "keys of another width",
           [=] {
             landmark_values(heads, zeros({2, 3, 2, 5}), heads, counts, {});
           }},
          {"landmark_values", "counts of another batch",
           [=] {
             landmark_values(heads, heads, heads, {counts.data(), 1}, {});
           }},
          {"choose_items", "two shapes",
           [] {
             const std::vector<std::uint8_t> first = {1, 0};
             choose_items(first, Variable(Tensor::zeros({2, 3})), Variable(Tensor::zeros({2, 4})));
           }},
          {"value_convolution", "an even number of taps",
           [=] {
             value_convolution(heads, zeros({2, 4}), 3, {});
           }},
          {"value_convolution", "filters for other heads",
           [=] {
             value_convolution(heads, zeros({3, 3}), 3, {});
           }},
          {"value_convolution", "a mask of another shape", [=] {
             value_convolution(heads, zeros({2, 3}), 3, {.key_mask = some_mask()});
           }}};
}

}  // namespace cosformer::test

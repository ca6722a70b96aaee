#include "tests/support/attention_reference.h"

#include <cmath>
#include <cstdlib>
#include <limits>
#include <numbers>
#include <stdexcept>
#include <string>

namespace cosformer::test {

namespace {

/// Offset of element (b, t, h, 0) in an operand [B, length, H, width].
std::size_t at(const AttentionCase& shape, std::int64_t length, std::int64_t width, std::int64_t b, std::int64_t t,
               std::int64_t h) {
  return static_cast<std::size_t>(((b * length + t) * shape.heads + h) * width);
}

double dot(const double* x, const double* y, std::int64_t n) {
  double sum = 0;
  for (std::int64_t i = 0; i < n; ++i) sum += x[i] * y[i];
  return sum;
}

double guard(double sum) {
  if (sum < 0) return sum < -1e-6 ? sum : -1e-6;
  return sum > 1e-6 ? sum : 1e-6;
}

AttentionGradients zero_gradients(const AttentionCase& shape) {
  const auto size = [&](std::int64_t length, std::int64_t width) {
    return static_cast<std::size_t>(shape.batch * length * shape.heads * width);
  };
  return {std::vector<double>(size(shape.queries, shape.head_dim)), std::vector<double>(size(shape.keys, shape.head_dim)),
          std::vector<double>(size(shape.keys, shape.value_dim))};
}

double weight_of(const AttentionCase& shape, const ReferenceReweighting& reweighting, std::int64_t b, std::int64_t h,
                 std::int64_t i, std::int64_t j) {
  const std::int64_t query = shape.query_position(b, i), key = shape.key_position(b, j);
  if (!reweighting.decays.empty()) {
    return std::pow(std::exp(-reweighting.decays[static_cast<std::size_t>(h)]), static_cast<double>(std::abs(query - key)));
  }
  if (reweighting.query_steps.empty()) return 1;
  const auto item = static_cast<std::size_t>(b);
  return std::cos(static_cast<double>(query + 1) * reweighting.query_steps[item] -
                  static_cast<double>(key + 1) * reweighting.key_steps[item]);
}

/// Calls visit(b, h, i) for every query of every head.
template <class Visit>
void for_each_query(const AttentionCase& shape, Visit visit) {
  for (std::int64_t b = 0; b < shape.batch; ++b)
    for (std::int64_t h = 0; h < shape.heads; ++h)
      for (std::int64_t i = 0; i < shape.queries; ++i) visit(b, h, i);
}

}  // namespace

std::int64_t AttentionCase::query_position(std::int64_t b, std::int64_t i) const {
  return query_positions.empty() ? i : query_positions[static_cast<std::size_t>(b * queries + i)];
}

std::int64_t AttentionCase::key_position(std::int64_t b, std::int64_t j) const {
  return key_positions.empty() ? j : key_positions[static_cast<std::size_t>(b * keys + j)];
}

bool AttentionCase::sees(std::int64_t b, std::int64_t i, std::int64_t j) const {
  if (causal && j > i) return false;
  if (window >= 0 && std::abs(query_position(b, i) - key_position(b, j)) > window) return false;
  return key_mask.empty() || key_mask[static_cast<std::size_t>(b * keys + j)] != 0;
}

bool AttentionCase::counts(std::int64_t b, std::int64_t h, std::int64_t i, std::int64_t j) const {
  return sees(b, i, j) && (listed == nullptr || listed(b, h, i, j));
}

ReferenceFeature reference_feature(const char* name) {
  const std::string map = name;
  if (map == "identity") return {[](double x) { return x; }, [](double) { return 1.0; }};
  if (map == "relu") return {[](double x) { return x > 0 ? x : 0.0; }, [](double x) { return x > 0 ? 1.0 : 0.0; }};
  if (map == "leaky_relu")
    return {[](double x) { return x > 0 ? x : 0.01 * x; }, [](double x) { return x > 0 ? 1.0 : 0.01; }};
  if (map == "elu") {
    return {[](double x) { return x > 0 ? x + 1 : std::exp(x); }, [](double x) { return x > 0 ? 1.0 : std::exp(x); }};
  }
  if (map == "squared_relu") {
    return {[](double x) { return x > 0 ? x * x : 0.0; }, [](double x) { return x > 0 ? 2 * x : 0.0; }};
  }
  if (map == "gelu") {
    const auto share = [](double x) { return 0.5 * std::erfc(-x / std::numbers::sqrt2); };
    return {[=](double x) { return x * share(x); },
            [=](double x) { return share(x) + x * std::exp(-0.5 * x * x) / std::sqrt(2 * std::numbers::pi); }};
  }
  if (map == "gelu_tanh") {
    const auto inner = [](double x) { return std::sqrt(2 / std::numbers::pi) * (x + 0.044715 * x * x * x); };
    const auto inner_slope = [](double x) { return std::sqrt(2 / std::numbers::pi) * (1 + 3 * 0.044715 * x * x); };
    return {[=](double x) { return 0.5 * x * (1 + std::tanh(inner(x))); },
            [=](double x) {
              const double t = std::tanh(inner(x));
              return 0.5 * (1 + t) + 0.5 * x * (1 - t * t) * inner_slope(x);
            }};
  }
  const auto logistic = [](double x) { return 0.5 * (1 + std::tanh(0.5 * x)); };
  if (map == "sigmoid") return {logistic, [=](double x) { return logistic(x) * logistic(-x); }};
  if (map == "silu") {
    return {[=](double x) { return x * logistic(x); },
            [=](double x) { return logistic(x) + x * logistic(x) * logistic(-x); }};
  }
  throw std::invalid_argument("no reference for the function " + map);
}

std::vector<double> reference_linear_attention(const AttentionCase& shape, const ReferenceFeature& feature,
                                               const ReferenceReweighting& reweighting, const std::vector<double>& query,
                                               const std::vector<double>& key, const std::vector<double>& value) {
  std::vector<double> out(static_cast<std::size_t>(shape.batch * shape.queries * shape.heads * shape.value_dim));
  for_each_query(shape, [&](std::int64_t b, std::int64_t h, std::int64_t i) {
    double* o = &out[at(shape, shape.queries, shape.value_dim, b, i, h)];
    double sum = 0;
    for (std::int64_t j = 0; j < shape.keys; ++j) {
      if (!shape.sees(b, i, j)) continue;
      double score = 0;
      for (std::int64_t d = 0; d < shape.head_dim; ++d) {
        score += feature.value(query[at(shape, shape.queries, shape.head_dim, b, i, h) + static_cast<std::size_t>(d)]) *
                 feature.value(key[at(shape, shape.keys, shape.head_dim, b, j, h) + static_cast<std::size_t>(d)]);
      }
      score *= weight_of(shape, reweighting, b, h, i, j);
      sum += shape.l1_norm ? std::fabs(score) : score;
      for (std::int64_t e = 0; e < shape.value_dim; ++e) {
        o[e] += score * value[at(shape, shape.keys, shape.value_dim, b, j, h) + static_cast<std::size_t>(e)];
      }
    }
    for (std::int64_t e = 0; e < shape.value_dim; ++e) o[e] /= shape.undivided ? 1 : guard(sum);
  });
  return out;
}

AttentionGradients reference_linear_attention_gradients(const AttentionCase& shape, const ReferenceFeature& feature,
                                                        const ReferenceReweighting& reweighting,
                                                        const std::vector<double>& query, const std::vector<double>& key,
                                                        const std::vector<double>& value, const std::vector<double>& dout) {
  AttentionGradients gradients = zero_gradients(shape);
  const std::int64_t D = shape.head_dim, E = shape.value_dim;
  const std::vector<double> out = reference_linear_attention(shape, feature, reweighting, query, key, value);
  for_each_query(shape, [&](std::int64_t b, std::int64_t h, std::int64_t i) {
    const std::size_t q = at(shape, shape.queries, D, b, i, h), o = at(shape, shape.queries, E, b, i, h);
    std::vector<double> scores(static_cast<std::size_t>(shape.keys));
    double sum = 0;
    for (std::int64_t j = 0; j < shape.keys; ++j) {
      if (!shape.sees(b, i, j)) continue;
      const std::size_t k = at(shape, shape.keys, D, b, j, h);
      double score = 0;
      for (std::size_t d = 0; d < static_cast<std::size_t>(D); ++d) {
        score += feature.value(query[q + d]) * feature.value(key[k + d]);
      }
      scores[static_cast<std::size_t>(j)] = score * weight_of(shape, reweighting, b, h, i, j);
      const double s = scores[static_cast<std::size_t>(j)];
      sum += shape.l1_norm ? std::fabs(s) : s;
    }
    const double normalizer = shape.undivided ? 1 : guard(sum);
    const double dsum = shape.undivided || std::abs(sum) < 1e-6 ? 0 : -dot(&dout[o], &out[o], E) / normalizer;
    for (std::int64_t j = 0; j < shape.keys; ++j) {
      if (!shape.sees(b, i, j)) continue;
      const std::size_t k = at(shape, shape.keys, D, b, j, h), v = at(shape, shape.keys, E, b, j, h);
      for (std::size_t e = 0; e < static_cast<std::size_t>(E); ++e) {
        gradients.dvalue[v + e] += scores[static_cast<std::size_t>(j)] * dout[o + e] / normalizer;
      }
      const double s = scores[static_cast<std::size_t>(j)];
      const double slope = !shape.l1_norm ? 1 : s > 0 ? 1 : s < 0 ? -1 : 0;  // dD_i / ds_ij
      const double dscore =
          (dot(&dout[o], &value[v], E) / normalizer + dsum * slope) * weight_of(shape, reweighting, b, h, i, j);
      for (std::size_t d = 0; d < static_cast<std::size_t>(D); ++d) {
        gradients.dquery[q + d] += dscore * feature.value(key[k + d]) * feature.slope(query[q + d]);
        gradients.dkey[k + d] += dscore * feature.value(query[q + d]) * feature.slope(key[k + d]);
      }
    }
  });
  return gradients;
}

namespace {

/// softmax of one query's scores; all 0 if nothing is in sight.
std::vector<double> probabilities(const AttentionCase& shape, double scale, const std::vector<double>& query,
                                  const std::vector<double>& key, std::int64_t b, std::int64_t h, std::int64_t i) {
  std::vector<double> p(static_cast<std::size_t>(shape.keys), -std::numeric_limits<double>::infinity());
  double largest = -std::numeric_limits<double>::infinity();
  for (std::int64_t j = 0; j < shape.keys; ++j) {
    if (!shape.counts(b, h, i, j)) continue;
    p[static_cast<std::size_t>(j)] = scale * dot(&query[at(shape, shape.queries, shape.head_dim, b, i, h)],
                                                 &key[at(shape, shape.keys, shape.head_dim, b, j, h)], shape.head_dim);
    if (!shape.distance_slopes.empty()) {
      const auto distance = static_cast<double>(std::abs(shape.query_position(b, i) - shape.key_position(b, j)));
      p[static_cast<std::size_t>(j)] -= shape.distance_slopes[static_cast<std::size_t>(h)] * distance;
    }
    largest = std::fmax(largest, p[static_cast<std::size_t>(j)]);
  }
  double sum = 0;
  for (double& x : p) sum += x = std::isinf(x) ? 0 : std::exp(x - largest);
  for (double& x : p) x = sum == 0 ? 0 : x / sum;
  return p;
}

double weight_factor(const AttentionCase& shape, std::int64_t b, std::int64_t h, std::int64_t i, std::int64_t j) {
  const std::int64_t element = ((b * shape.heads + h) * shape.queries + i) * shape.keys + j;
  return shape.weight_factors.empty() ? 1 : shape.weight_factors[static_cast<std::size_t>(element)];
}

}  // namespace

std::vector<double> reference_softmax_attention(const AttentionCase& shape, double scale, const std::vector<double>& query,
                                                const std::vector<double>& key, const std::vector<double>& value) {
  std::vector<double> out(static_cast<std::size_t>(shape.batch * shape.queries * shape.heads * shape.value_dim));
  for_each_query(shape, [&](std::int64_t b, std::int64_t h, std::int64_t i) {
    const std::vector<double> p = probabilities(shape, scale, query, key, b, h, i);
    for (std::int64_t j = 0; j < shape.keys; ++j) {
      if (!shape.counts(b, h, i, j)) continue;
      const double factor = weight_factor(shape, b, h, i, j);
      for (std::size_t e = 0; e < static_cast<std::size_t>(shape.value_dim); ++e) {
        out[at(shape, shape.queries, shape.value_dim, b, i, h) + e] +=
            factor * p[static_cast<std::size_t>(j)] * value[at(shape, shape.keys, shape.value_dim, b, j, h) + e];
      }
    }
  });
  return out;
}

AttentionGradients reference_softmax_attention_gradients(const AttentionCase& shape, double scale,
                                                         const std::vector<double>& query, const std::vector<double>& key,
                                                         const std::vector<double>& value, const std::vector<double>& dout) {
  AttentionGradients gradients = zero_gradients(shape);
  const std::int64_t D = shape.head_dim, E = shape.value_dim;
  const std::vector<double> out = reference_softmax_attention(shape, scale, query, key, value);
  for_each_query(shape, [&](std::int64_t b, std::int64_t h, std::int64_t i) {
    const std::vector<double> p = probabilities(shape, scale, query, key, b, h, i);
    const std::size_t q = at(shape, shape.queries, D, b, i, h), o = at(shape, shape.queries, E, b, i, h);
    for (std::int64_t j = 0; j < shape.keys; ++j) {
      if (!shape.counts(b, h, i, j)) continue;
      const std::size_t k = at(shape, shape.keys, D, b, j, h), v = at(shape, shape.keys, E, b, j, h);
      const double weight = p[static_cast<std::size_t>(j)], factor = weight_factor(shape, b, h, i, j);
      for (std::size_t e = 0; e < static_cast<std::size_t>(E); ++e) gradients.dvalue[v + e] += factor * weight * dout[o + e];
      const double dscore = scale * weight * (factor * dot(&dout[o], &value[v], E) - dot(&dout[o], &out[o], E));
      for (std::size_t d = 0; d < static_cast<std::size_t>(D); ++d) {
        gradients.dquery[q + d] += dscore * key[k + d];
        gradients.dkey[k + d] += dscore * query[q + d];
      }
    }
  });
  return gradients;
}

}  // namespace cosformer::test

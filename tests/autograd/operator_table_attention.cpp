#include <cmath>
#include <numbers>
#include <utility>

#include "core/error.h"
#include "tests/autograd/operator_table.h"
#include "tests/support/attention_reference.h"

namespace cosformer::test {

namespace {

using Inputs = std::span<const Variable>;

struct Sample {
  std::string name;
  AttentionCase shape;
};

std::vector<Sample> samples() {
  return {
      {"causal", {.batch = 2, .queries = 5, .keys = 5, .heads = 2, .head_dim = 3, .value_dim = 4, .causal = true}},
      {"cross, padding anywhere",
       {.batch = 2,
        .queries = 3,
        .keys = 4,
        .heads = 1,
        .head_dim = 3,
        .value_dim = 2,
        .key_mask = {1, 0, 1, 1, 1, 1, 0, 0}}},
      {"one token", {.batch = 1, .queries = 1, .keys = 1, .heads = 1, .head_dim = 2, .value_dim = 1, .causal = true}},
      {"causal, longer than a chunk",
       {.batch = 1, .queries = 9, .keys = 9, .heads = 1, .head_dim = 2, .value_dim = 3, .causal = true}},
      {"padding left out",
       {.batch = 2,
        .queries = 5,
        .keys = 5,
        .heads = 1,
        .head_dim = 2,
        .value_dim = 3,
        .key_mask = {1, 1, 1, 1, 1, 0, 1, 1, 1, 0},
        .query_positions = {0, 1, 4, 5, 11, 0, 2, 3, 4, 4},
        .key_positions = {0, 1, 4, 5, 11, 0, 2, 3, 4, 4}}},
      {"causal, padding left out",
       {.batch = 1,
        .queries = 6,
        .keys = 6,
        .heads = 2,
        .head_dim = 2,
        .value_dim = 1,
        .causal = true,
        .query_positions = {0, 3, 4, 7, 8, 9},
        .key_positions = {0, 3, 4, 7, 8, 9}}},
  };
}

std::vector<Shape> shapes_of(const AttentionCase& shape) {
  return {{shape.batch, shape.queries, shape.heads, shape.head_dim},
          {shape.batch, shape.keys, shape.heads, shape.head_dim},
          {shape.batch, shape.keys, shape.heads, shape.value_dim}};
}

/// Positions that the longest text has.
std::int64_t longest_text(const AttentionCase& shape) {
  std::int64_t longest = 0;
  for (std::int64_t b = 0; b < shape.batch; ++b) {
    longest = std::max({longest, shape.query_position(b, shape.queries - 1) + 1, shape.key_position(b, shape.keys - 1) + 1});
  }
  return longest;
}

AttentionMask mask_of(const AttentionCase& shape) {
  const auto padding = [&](std::int64_t length, std::vector<std::uint8_t> real, const std::vector<std::int32_t>& positions) {
    if (real.empty()) real.assign(static_cast<std::size_t>(shape.batch * length), 1);
    return std::make_shared<const PaddingMask>(
        PaddingMask{shape.batch, length, std::move(real), positions, longest_text(shape)});
  };
  AttentionMask mask{.causal = shape.causal};
  if (!shape.key_mask.empty() || !shape.key_positions.empty()) {
    mask.key_mask = padding(shape.keys, shape.key_mask, shape.key_positions);
  }
  if (!shape.query_positions.empty()) mask.query_mask = padding(shape.queries, {}, shape.query_positions);
  return mask;
}

/// What a dropout of the weights keeps and scales, read off ones.
std::vector<double> kept_weights(const AttentionCase& shape, const Random& stream) {
  const Tensor ones = Tensor::full({shape.batch, shape.heads, shape.queries, shape.keys}, 1.0, DType::float64);
  const Variable kept = dropout(Variable(ones), 0.4, stream);
  const auto values = kept.value().span<double>();
  return {values.begin(), values.end()};
}

OperatorCase softmax_case(const Sample& sample, std::int64_t window, bool materialized, bool drops = false,
                          bool distances = false) {
  AttentionCase shape = sample.shape;
  for (std::int64_t h = 0; distances && h < shape.heads; ++h)
    shape.distance_slopes.push_back(0.3 / static_cast<double>(h + 1));
  shape.window = window;
  const Random stream(9, "weights");
  if (drops) shape.weight_factors = kept_weights(shape, stream);
  AttentionMask mask = mask_of(shape);
  if (drops) mask.dropout = dropout_mask(0.4, stream);
  const double scale = 1.0 / std::sqrt(static_cast<double>(shape.head_dim));
  return {
      .op = "softmax_attention",
      .sample = sample.name + (materialized ? ", materialised" : "") + (window >= 0 ? ", window" : "") +
                (drops ? ", dropout" : "") + (distances ? ", distances" : ""),
      .shapes = shapes_of(shape),
      .apply =
          [=](Inputs in) {
            return softmax_attention(
                in[0], in[1], in[2], mask,
                {.scale = scale, .window = window, .materialized = materialized, .distance_slopes = shape.distance_slopes});
          },
      .reference =
          [=](const std::vector<Values>& in) { return reference_softmax_attention(shape, scale, in[0], in[1], in[2]); }};
}

OperatorCase linear_case(const Sample& sample, const ScalarFunctionKind& map, const ReweightingKind& reweighting,
                         LinearAttentionForm form, const char* form_name,
                         AttentionNormalization normalization = AttentionNormalization::sum) {
  AttentionCase shape = sample.shape;
  shape.l1_norm = normalization == AttentionNormalization::l1;
  shape.undivided = normalization == AttentionNormalization::one;
  const auto length = static_cast<double>(longest_text(shape));
  ReweightingSteps steps;
  ReferenceReweighting reference;
  if (reweighting.value == Reweighting::cos) {
    steps.query = steps.key = std::vector<double>(static_cast<std::size_t>(shape.batch), std::numbers::pi / (2 * length));
    reference = {steps.query, steps.key};
  } else if (reweighting.value == Reweighting::decay) {
    for (std::int64_t h = 0; h < shape.heads; ++h) steps.query.push_back(0.1 + 0.2 * static_cast<double>(h));
    steps.key = steps.query;
    reference = {{}, {}, steps.query};
  }
  OperatorCase row{.op = "linear_attention",
                   .sample = concat(sample.name, ", ", map.name, ", ", reweighting.name, ", ", form_name),
                   .shapes = shapes_of(shape),
                   .apply =
                       [=](Inputs in) {
                         return linear_attention(in[0], in[1], in[2], mask_of(shape),
                                                 {.feature_map = map.value,
                                                  .reweighting = reweighting.value,
                                                  .steps = steps,
                                                  .form = form,
                                                  .chunk_size = 4,
                                                  .normalization = normalization});
                       },
                   .reference =
                       [=](const std::vector<Values>& in) {
                         return reference_linear_attention(shape, reference_feature(map.name), reference, in[0], in[1],
                                                           in[2]);
                       },
                   .kink_distance = 0.01,
                   .float_tolerance = 5e-6};
  // Signed similarities are tested where they and their sums stay away from zero: nothing is smooth beside the guard, nor an
  // absolute value at 0.
  if (!map.never_negative) row.low = 0.2;
  return row;
}

OperatorCase favor_case(const char* sample, std::int64_t batch, std::int64_t length) {
  constexpr std::int64_t kHeads = 2, kFeatures = 5, kDim = 3;
  Tensor projection = Tensor::empty({kHeads, kFeatures, kDim}, DType::float64);
  for (std::size_t i = 0; i < 30; ++i) projection.span<double>()[i] = std::sin(1.0 + static_cast<double>(i));
  return {.op = "favor_features",
          .sample = sample,
          .shapes = {{batch, length, kHeads, kDim}},
          .apply = [=](Inputs in) { return favor_features(in[0], projection.to(in[0].dtype())); },
          .reference =
              [=](const std::vector<Values>& in) {
                const auto w = std::as_const(projection).span<double>();
                Values out;
                for (std::size_t row = 0; row < in[0].size() / kDim; ++row) {
                  const std::size_t head = row % kHeads;
                  for (std::size_t f = 0; f < kFeatures; ++f) {
                    double exponent = 0;
                    for (std::size_t i = 0; i < kDim; ++i) {
                      const double x = in[0][row * kDim + i] / std::pow(kDim, 0.25);
                      exponent += w[(head * kFeatures + f) * kDim + i] * x - 0.5 * x * x;
                    }
                    out.push_back((std::exp(exponent) + 1e-4) / std::sqrt(kFeatures));
                  }
                }
                return out;
              }};
}

}  // namespace

std::vector<OperatorCase> attention_cases() {
  std::vector<OperatorCase> cases{favor_case("odd sizes", 2, 4), favor_case("longer than a tile", 1, 50),
                                  favor_case("nothing", 2, 0)};
  for (const Sample& sample : samples()) {
    for (const bool materialized : {false, true}) cases.push_back(softmax_case(sample, -1, materialized));
    cases.push_back(softmax_case(sample, 1, false));
    for (const bool materialized : {false, true}) cases.push_back(softmax_case(sample, -1, materialized, true));
    cases.push_back(softmax_case(sample, 1, false, true));
    for (const bool materialized : {false, true}) cases.push_back(softmax_case(sample, -1, materialized, false, true));
    cases.push_back(softmax_case(sample, 1, false, false, true));
    std::vector<std::pair<LinearAttentionForm, const char*>> forms = {{LinearAttentionForm::automatic, "automatic"},
                                                                      {LinearAttentionForm::quadratic, "quadratic"}};
    if (sample.shape.causal) {
      forms.insert(forms.end(), {{LinearAttentionForm::chunked, "chunked"}, {LinearAttentionForm::recurrent, "recurrent"}});
    } else {
      forms.emplace_back(LinearAttentionForm::linear, "linear");
    }
    for (const auto& [form, form_name] : forms) {
      for (const ScalarFunctionKind& map : scalar_functions()) {
        for (const ReweightingKind& reweighting : reweightings()) {
          const bool weighs = reweighting.value != Reweighting::none;
          const bool refused = (form == LinearAttentionForm::chunked && weighs && !sample.shape.key_positions.empty()) ||
                               (form == LinearAttentionForm::linear && !reweighting.linear_form);
          if (refused) continue;
          cases.push_back(linear_case(sample, map, reweighting, form, form_name));
          if (map.value != ScalarFunction::silu) continue;
          cases.push_back(linear_case(sample, map, reweighting, form, form_name, AttentionNormalization::one));
        }
      }
    }
    for (const ScalarFunctionKind& map : scalar_functions()) {
      for (const ReweightingKind& reweighting : reweightings()) {
        cases.push_back(
            linear_case(sample, map, reweighting, LinearAttentionForm::automatic, "L1 norm", AttentionNormalization::l1));
      }
    }
  }
  return cases;
}

}  // namespace cosformer::test

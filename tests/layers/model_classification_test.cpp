#include <algorithm>

#include "core/error.h"
#include "tests/catch.h"
#include "tests/layers/model_support.h"
#include "tests/support/layer_cases.h"
#include "tests/support/require_close.h"

namespace cosformer::test {

TEST_CASE("pooling takes the mean of real tokens or the first") {
  for (const Pooling pooling : {Pooling::mean, Pooling::first}) {
    ModelConfig config = small_model(ModelKind::encoder, {}, 10);
    config.pooling = pooling;
    const Model model(config, 1, DType::float64);
    const Tensor hidden = random_tensor({2, 4, 8}, 3, DType::float64);
    const SharedPaddingMask mask = mask_of({"1110", "0101"});
    Tensor pooled = Tensor::zeros({2, 1, 8}, DType::float64);
    const Values h = values_of(hidden);
    for (std::int64_t b = 0; b < 2; ++b) {
      for (std::int64_t i = 0; i < 8; ++i) {
        const auto at = [&](std::int64_t t) { return h[static_cast<std::size_t>((b * 4 + t) * 8 + i)]; };
        const double mean = b == 0 ? (at(0) + at(1) + at(2)) / 3 : (at(1) + at(3)) / 2;
        pooled.span<double>()[static_cast<std::size_t>(b * 8 + i)] = pooling == Pooling::mean ? mean : at(0);
      }
    }
    const Tensor one_token = pooled;
    require_close("classes", values_of(model.classify(Variable(one_token), nullptr, {}).value()),
                  values_of(model.classify(Variable(hidden), mask, {}).value()), {.rel = 1e-13});
  }
}

TEST_CASE("pooling divides by what the config asks for") {
  ModelConfig config = small_model(ModelKind::encoder, {}, 10);
  const Tensor hidden = random_tensor({2, 4, 8}, 3, DType::float64);
  const SharedPaddingMask mask = mask_of({"1110", "0101"});
  Tensor summed = Tensor::zeros({2, 1, 8}, DType::float64);
  const Values h = values_of(hidden);
  for (std::size_t i = 0; i < 8; ++i) {
    summed.span<double>()[i] = h[i] + h[8 + i] + h[16 + i];
    summed.span<double>()[8 + i] = h[32 + 8 + i] + h[32 + 24 + i];
  }
  const auto expected = [&](double first, double second) {
    Tensor pooled = summed.clone();
    for (std::size_t i = 0; i < 8; ++i) pooled.span<double>()[i] /= first;
    for (std::size_t i = 8; i < 16; ++i) pooled.span<double>()[i] /= second;
    config.pooling_divisor = PoolingDivisor::real;
    return values_of(Model(config, 1, DType::float64).classify(Variable(pooled), nullptr, {}).value());
  };
  const auto actual = [&](PoolingDivisor divisor, std::int64_t value) {
    config.pooling_divisor = divisor;
    config.pooling_divisor_value = value;
    return values_of(Model(config, 1, DType::float64).classify(Variable(hidden), mask, {}).value());
  };
  require_close("real", expected(3, 2), actual(PoolingDivisor::real, 0), {.rel = 1e-13});
  require_close("padded", expected(4, 4), actual(PoolingDivisor::padded, 0), {.rel = 1e-13});
  require_close("a number", expected(7, 7), actual(PoolingDivisor::fixed, 7), {.rel = 1e-13});
}

TEST_CASE("a pair's head sees both texts, and with interaction their product and difference") {
  struct Row {
    PairFeatures features;
    std::size_t width;
  };
  for (const Row& row : {Row{PairFeatures::concat, 16}, Row{PairFeatures::interaction, 32}}) {
    ModelConfig config = small_model(ModelKind::encoder, {}, 10);
    config.pair_features = row.features;
    config.classifier_dim = 5;
    const Model model(config, 1, DType::float64);
    CHECK(shapes_of(model).at("classification_head.dense.weight") == Shape({5, static_cast<std::int64_t>(row.width)}));
    CHECK(shapes_of(model).at("classification_head.out_proj.weight") == Shape({3, 5}));
    const auto parameter = [&](const std::string& name) {
      const auto found = std::ranges::find(model.parameters(), "classification_head." + name, &Parameter::name);
      return values_of(found->variable.value());
    };
    // Two pairs of one token each: pooling leaves them as they are.
    const Tensor hidden = random_tensor({4, 1, 8}, 3, DType::float64);
    const Values h = values_of(hidden), dense = parameter("dense.weight"), out = parameter("out_proj.weight");
    Values expected;
    for (std::size_t pair = 0; pair < 2; ++pair) {
      Values features;
      const auto a = [&](std::size_t i) { return h[pair * 8 + i]; };
      const auto b = [&](std::size_t i) { return h[(pair + 2) * 8 + i]; };
      for (std::size_t i = 0; i < 8; ++i) features.push_back(a(i));
      for (std::size_t i = 0; i < 8; ++i) features.push_back(b(i));
      for (std::size_t i = 0; i < 8; ++i) features.push_back(a(i) * b(i));
      for (std::size_t i = 0; i < 8; ++i) features.push_back(a(i) - b(i));
      Values inner(5, 0.0);
      for (std::size_t j = 0; j < 5; ++j) {
        for (std::size_t i = 0; i < row.width; ++i) inner[j] += dense[j * row.width + i] * features[i];
        inner[j] = std::max(inner[j], 0.0);
      }
      for (std::size_t c = 0; c < 3; ++c) {
        double score = 0;
        for (std::size_t j = 0; j < 5; ++j) score += out[c * 5 + j] * inner[j];
        expected.push_back(score);
      }
    }
    require_close("scores", expected, values_of(model.classify(Variable(hidden), nullptr, {}).value()), {.rel = 1e-12});
    CHECK_THROWS_AS(model.classify(Variable(random_tensor({3, 1, 8}, 3, DType::float64)), nullptr, {}), ShapeError);
  }
}

}  // namespace cosformer::test

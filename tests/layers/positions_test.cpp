#include "layers/positions.h"

#include <cmath>
#include <utility>

#include "tests/catch.h"
#include "tests/support/input_error.h"
#include "tests/support/layer_cases.h"
#include "tests/support/require_close.h"

namespace cosformer::test {

TEST_CASE("sinusoidal positions are the published formula in fairseq's layout") {
  for (const std::int64_t dim : {2, 6, 7, 16}) {
    for (const auto& [start, length] : {std::pair<std::int64_t, std::int64_t>{0, 11}, {5, 11}, {7, 1}, {3, 150}}) {
      const std::int64_t half = dim / 2;
      Values expected(static_cast<std::size_t>(length * dim));
      for (std::int64_t t = 0; t < length; ++t) {
        for (std::int64_t i = 0; i < half; ++i) {
          const double exponent = half > 1 ? static_cast<double>(i) / static_cast<double>(half - 1) : 0;
          const double angle = static_cast<double>(start + t) / std::pow(10000.0, exponent);
          expected[static_cast<std::size_t>(t * dim + i)] = std::sin(angle);
          expected[static_cast<std::size_t>(t * dim + half + i)] = std::cos(angle);
        }
      }
      CAPTURE(dim, start, length);
      require_close("double", expected, values_of(sinusoidal_positions(start, length, dim, DType::float64)), {.rel = 1e-13});
      require_close("float", expected, values_of(sinusoidal_positions(start, length, dim, DType::float32)), {.rel = 1e-7});
    }
  }
}

TEST_CASE("positions are added row by row from where the text stands") {
  const Tensor x = random_tensor({2, 3, 6}, 1, DType::float64);
  for (const Positions kind : {Positions::learned, Positions::sinusoidal, Positions::none}) {
    ParameterStore store(4, DType::float64);
    const PositionEmbedding positions(Scope(store, "decoder"), kind, 10, 6);
    REQUIRE(store.all().size() == (kind == Positions::learned ? 1 : 0));
    for (const std::int64_t start : {0, 4, 7}) {
      Values expected = values_of(x);
      Values rows(18);
      if (kind == Positions::learned) rows = values_of(store.all().front().variable.value().narrow(0, start, 3));
      if (kind == Positions::sinusoidal) rows = values_of(sinusoidal_positions(start, 3, 6, DType::float64));
      for (std::size_t i = 0; i < expected.size(); ++i) expected[i] += rows[i % rows.size()];
      require_close("positions", expected, values_of(positions.forward(Variable(x), start, {}).value()), {.rel = 1e-15});
    }
  }
}

TEST_CASE("tokens that stand apart get the positions where they stand") {
  const Tensor x = random_tensor({2, 3, 6}, 1, DType::float64);
  const Tensor places = Tensor::from<std::int32_t>({2, 3}, std::vector<std::int32_t>{0, 4, 9, 3, 3, 5});
  for (const Positions kind : {Positions::learned, Positions::sinusoidal, Positions::none}) {
    ParameterStore store(4, DType::float64);
    const PositionEmbedding positions(Scope(store, "encoder"), kind, 10, 6);
    const Values whole = values_of(positions.forward(Variable(Tensor::zeros({1, 10, 6}, DType::float64)), 0, {}).value());
    Values expected = values_of(x);
    for (std::size_t i = 0; i < expected.size(); ++i) {
      expected[i] += whole[static_cast<std::size_t>(places.span<std::int32_t>()[i / 6]) * 6 + i % 6];
    }
    require_close("positions", expected, values_of(positions.forward_at(Variable(x), places, {}).value()), {.rel = 1e-15});
  }
}

TEST_CASE("a text longer than the learned positions is refused") {
  ParameterStore store(4, DType::float32);
  const PositionEmbedding positions(Scope(store, "decoder"), Positions::learned, 10, 6);
  const auto message = [&](std::int64_t start) {
    return input_error_of([&] { positions.forward(Variable(Tensor::zeros({1, 3, 6})), start, {}); });
  };
  CHECK(message(7).empty());
  CHECK(message(8) == "model.max_length: 10 learned positions cannot serve a text of 11 tokens");
  const Tensor places = Tensor::from<std::int32_t>({1, 3}, std::vector<std::int32_t>{0, 4, 10});
  CHECK(input_error_of([&] {
          positions.forward_at(Variable(Tensor::zeros({1, 3, 6})), places, {});
        }) == "model.max_length: 10 learned positions cannot serve a text of 11 tokens");
}

}  // namespace cosformer::test

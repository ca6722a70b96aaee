#include "layers/parameters.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "core/error.h"
#include "core/memory.h"
#include "core/random.h"
#include "tests/catch.h"
#include "tests/support/layer_cases.h"
#include "tests/support/thread_counts.h"

namespace cosformer::test {

TEST_CASE("listed initial values stand in row-major order, and have to be as many as the elements") {
  ParameterStore store(1, DType::float64);
  const Variable theta = Scope(store).create("theta", {2, 2}, Initializer::listed({1, 0.5, -3, 7}));
  CHECK(values_of(theta.value()) == Values{1, 0.5, -3, 7});
  CHECK_THROWS_AS(Scope(store).create("short", {2, 2}, Initializer::listed({1, 2})), Error);
}

TEST_CASE("initial values are functions of seed, name and index") {
  const auto create = [](std::uint64_t seed, const char* name, std::int64_t rows) {
    ParameterStore store(seed, DType::float64);
    Scope(store).create("other", {3}, Initializer::normal(1));
    return values_of((Scope(store) / "a").create(name, {rows, 5}, Initializer::normal(0.5)).value());
  };
  const Values values = create(7, "weight", 4);
  const Random random(7, "init/a.weight");
  for (std::size_t i = 0; i < values.size(); ++i) CHECK(values[i] == 0.5 * random.normal(i));
  CHECK(create(7, "weight", 4) == values);
  CHECK(create(8, "weight", 4) != values);
  CHECK(create(7, "weights", 4) != values);
  const Values longer = create(7, "weight", 9);
  CHECK(std::equal(values.begin(), values.end(), longer.begin()));
}

TEST_CASE("a store of shapes alone takes no memory for values") {
  const std::int64_t before = memory_use().live_bytes;
  ParameterStore store(7, DType::float32, ParameterValues::shapes_only);
  Scope(store).create("weight", {1 << 20, 1 << 20}, Initializer::normal(1));
  CHECK(count_elements(store.all()) == std::int64_t{1} << 40);
  CHECK(store.all()[0].variable.shape() == Shape({1 << 20, 1 << 20}));
  CHECK(memory_use().live_bytes - before <= 4096);
}

TEST_CASE("initial values do not depend on the number of threads") {
  require_same_bits_on_any_threads("normal", [] {
    ParameterStore store(7, DType::float32);
    return values_of(Scope(store).create("weight", {300, 200}, Initializer::normal(1)).value());
  });
}

TEST_CASE("initializers have the spread that they name") {
  ParameterStore store(7, DType::float64);
  const Scope root(store);
  const auto moments = [](const Variable& variable) {
    double sum = 0, squares = 0, largest = 0;
    const Values values = values_of(variable.value());
    for (const double x : values) sum += x, squares += x * x, largest = std::max(largest, std::abs(x));
    const auto n = static_cast<double>(values.size());
    return std::array{sum / n, std::sqrt(squares / n), largest};
  };
  const auto [normal_mean, normal_deviation, normal_largest] =
      moments(root.create("normal", {200, 200}, Initializer::normal(0.3)));
  CHECK(std::abs(normal_mean) < 0.01);
  CHECK(std::abs(normal_deviation - 0.3) < 0.01);
  CHECK(normal_largest > 0.9);
  const double bound = 0.5 * std::sqrt(6.0 / 300);
  const auto [mean, deviation, largest] = moments(root.create("xavier", {200, 200}, Initializer::xavier(100, 200, 0.5)));
  CHECK(std::abs(mean) < 0.01 * bound);
  CHECK(std::abs(deviation - bound / std::sqrt(3.0)) < 0.01 * bound);
  CHECK(largest <= bound);
  CHECK(largest > 0.999 * bound);
  CHECK(values_of(root.create("constant", {3}, Initializer::constant(1.5)).value()) == Values{1.5, 1.5, 1.5});
  CHECK(count_elements(store.all()) == 2 * 200 * 200 + 3);
}

TEST_CASE("two parameters cannot share a name") {
  ParameterStore store(7, DType::float32);
  const Scope scope = Scope(store) / "layer";
  scope.create("weight", {2}, Initializer::constant(0));
  CHECK_THROWS_AS(scope.create("weight", {2}, Initializer::constant(0)), Error);
  CHECK(store.all().size() == 1);
  CHECK(store.all().front().name == "layer.weight");
}

TEST_CASE("linear layers start as fairseq's or as PyTorch's") {
  const auto started = [](LinearStart start) {
    ParameterStore store(3, DType::float64, ParameterValues::initialized, start);
    const Linear layer(Scope(store, "layer"), 16, 400, 0.5);
    const LinearWeights own = layer.weights({});
    return std::pair(values_of(own.weight.value()), values_of(own.bias.value()));
  };
  const auto largest = [](const Values& values) {
    double most = 0;
    for (const double x : values) most = std::max(most, std::abs(x));
    return most;
  };
  const auto [xavier, zeros] = started(LinearStart::xavier);
  const double bound = 0.5 * std::sqrt(6.0 / 416);
  CHECK(largest(xavier) <= bound);
  CHECK(largest(xavier) > 0.99 * bound);
  CHECK(largest(zeros) == 0);
  const auto [weights, biases] = started(LinearStart::pytorch);
  for (const Values& values : {weights, biases}) {
    CHECK(largest(values) <= 0.25);
    CHECK(largest(values) > 0.24);
  }
}

}  // namespace cosformer::test

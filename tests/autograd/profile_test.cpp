#include "autograd/profile.h"

#include <algorithm>
#include <chrono>

#include "autograd/backward.h"
#include "autograd/ops.h"
#include "core/error.h"
#include "tests/catch.h"

namespace cosformer::test {

namespace {

Variable leaf(const Shape& shape, double value) { return Variable::leaf(Tensor::full(shape, value)); }

/// The sums of one operation; zeros if the profile has none.
Profile::Operation sums_of(const Profile& profile, const std::string& name) {
  const auto all = profile.operations();
  const auto found = std::ranges::find(all, name, &Profile::Operation::name);
  return found == all.end() ? Profile::Operation{} : *found;
}

}  // namespace

TEST_CASE("a profile gives time to the operations of its scope, and no more than passed") {
  Profile profile;
  const Variable x = leaf({64, 64}, 0.5), weight = leaf({64, 64}, 0.25);
  const auto run = [&] { backward(weighted_sum(gelu(linear(x, weight, Variable())), Tensor::full({64, 64}, 1.0))); };
  const auto begin = std::chrono::steady_clock::now();
  {
    const ProfileScope scope(profile);
    CHECK(active_profile() == &profile);
    profile.start();
    run();
    run();
  }
  const double passed = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  CHECK(active_profile() == nullptr);
  run();
  double sum = 0;
  for (const Profile::Operation& operation : profile.operations()) {
    sum += operation.forward_seconds + operation.backward_seconds;
  }
  CHECK(sum <= passed);
  for (const char* name : {"linear", "gelu", "weighted_sum"}) {
    const Profile::Operation operation = sums_of(profile, name);
    INFO(name);
    CHECK(operation.calls == 2);
    CHECK(operation.forward_seconds > 0);
    CHECK(operation.backward_seconds > 0);
  }
}

TEST_CASE("a thread that did not start its clock adds nothing to a profile") {
  Profile profile;
  const ProfileScope scope(profile);
  relu(leaf({8}, 1.0));
  CHECK(profile.operations().empty());
}

TEST_CASE("there is one profile at a time") {
  Profile first, second;
  const ProfileScope scope(first);
  CHECK_THROWS_AS(ProfileScope(second), Error);
  CHECK(active_profile() == &first);
}

TEST_CASE("an output's gradient goes back as the loss with these weights does") {
  const Variable x = leaf({3, 4}, 0.5);
  Tensor weights = Tensor::empty({3, 4});
  for (std::int64_t i = 0; i < 12; ++i) weights.data<float>()[i] = static_cast<float>(i) - 4.0f;
  const Tensor expected = backward(weighted_sum(gelu(x), weights)).of(x);
  const Tensor given = backward(gelu(x), weights).of(x);
  CHECK(std::ranges::equal(expected.span<float>(), given.span<float>()));
  CHECK(weights.data<float>()[11] == 7.0f);
  CHECK_THROWS_AS(backward(gelu(x), Tensor::zeros({4, 3})), ShapeError);
  CHECK_THROWS_AS(backward(gelu(x), Tensor::zeros({3, 4}, DType::float64)), ShapeError);
}

}  // namespace cosformer::test

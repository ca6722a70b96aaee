#include <vector>

#include "core/error.h"
#include "core/kernels/linear_attention.h"
#include "tests/catch.h"
#include "tests/support/attention_run.h"

namespace cosformer {
namespace {

using test::AttentionCase;
using test::random_inputs;
using test::run_linear;

TEST_CASE("What does not fit together is refused") {
  AttentionCase shape{.batch = 2, .queries = 4, .keys = 4, .heads = 1, .head_dim = 2, .value_dim = 2, .causal = true};
  const std::vector<double> angle_steps(2, 0.01);
  LinearAttentionOptions options{.cos_reweighting = true, .chunk_size = 16};
  options.query_angle_step = options.key_angle_step = angle_steps;
  const auto require_refused = [&](const char* part) {
    REQUIRE_THROWS_WITH(run_linear<float>(shape, options, random_inputs(shape, 1)), Catch::Matchers::Contains(part));
    REQUIRE_THROWS_AS(run_linear<float>(shape, options, random_inputs(shape, 1)), ShapeError);
  };
  SECTION("causal attention with another number of keys") {
    shape.keys = 5;
    require_refused("4 queries and 5 keys");
  }
  SECTION("causal attention with unequal angle steps") {
    const std::vector<double> other{0.01, 0.02};
    options.key_angle_step = other;
    require_refused("equal angle steps");
  }
  SECTION("too few angle steps") {
    options.query_angle_step = options.query_angle_step.first(1);
    require_refused("angle step for each of 2 items");
  }
  SECTION("the linear form with causal attention") {
    options.form = LinearAttentionForm::linear;
    require_refused("linear form");
  }
  SECTION("causal forms without causal attention") {
    shape.causal = false;
    options.form = GENERATE(LinearAttentionForm::chunked, LinearAttentionForm::recurrent);
    require_refused("causal only");
  }
  SECTION("a window") {
    shape.window = 3;
    require_refused("window");
  }
  SECTION("chunks of tokens that do not stand side by side") {
    shape.query_positions = shape.key_positions = {0, 2, 3, 4, 0, 1, 2, 7};
    options.form = LinearAttentionForm::chunked;
    require_refused("consecutive tokens");
    options.cos_reweighting = false;
    REQUIRE_NOTHROW(run_linear<float>(shape, options, random_inputs(shape, 1)));
  }
  SECTION("chunks of no size") {
    options.chunk_size = 0;
    require_refused("chunk_size");
  }
  SECTION("heads of no width") {
    shape.head_dim = 0;
    require_refused("head_dim");
  }
}

}  // namespace
}  // namespace cosformer

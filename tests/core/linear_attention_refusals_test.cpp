#include <vector>

#include "core/error.h"
#include "core/kernels/linear_attention/linear_attention.h"
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
  LinearAttentionOptions options{.reweighting = Reweighting::cos, .steps = {angle_steps, angle_steps}, .chunk_size = 16};
  const auto require_refused = [&](const char* part) {
    REQUIRE_THROWS_WITH(run_linear<float>(shape, options, random_inputs(shape, 1)), test::Contains(part));
    REQUIRE_THROWS_AS(run_linear<float>(shape, options, random_inputs(shape, 1)), ShapeError);
  };
  SECTION("causal attention with another number of keys") {
    shape.keys = 5;
    require_refused("4 queries and 5 keys");
  }
  SECTION("causal attention with unequal angle steps") {
    options.steps.key = {0.01, 0.02};
    require_refused("equal steps");
  }
  SECTION("too few angle steps") {
    options.steps.query.resize(1);
    require_refused("step for each of 2 items");
  }
  SECTION("steps of items where there is one for each head") {
    options.reweighting = Reweighting::decay;
    require_refused("step for each of 1 heads, found 2");
  }
  SECTION("the linear form of a re-weighting that has none") {
    shape.causal = false;
    options.reweighting = Reweighting::decay;
    options.steps = {{0.1}, {0.1}};
    options.form = LinearAttentionForm::linear;
    require_refused("decay has no linear form");
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
    options.reweighting = Reweighting::none;
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

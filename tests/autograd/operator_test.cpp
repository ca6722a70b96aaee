#include <fstream>
#include <regex>
#include <set>

#include "autograd/backward.h"
#include "autograd/grad_check.h"
#include "core/error.h"
#include "core/parallel.h"
#include "tests/autograd/operator_table.h"
#include "tests/catch.h"
#include "tests/support/random_values.h"
#include "tests/support/require_close.h"

namespace cosformer::test {

namespace {

std::vector<Values> sample_inputs(const OperatorCase& row) {
  std::vector<Values> inputs;
  for (std::size_t k = 0; k < row.shapes.size(); ++k) {
    inputs.push_back(random_values<double>(row.shapes[k].size(), k + 1, row.low, row.high));
    for (double& x : inputs.back()) {
      if (std::abs(x) < row.kink_distance) x = x < 0 ? x - row.kink_distance : x + row.kink_distance;
    }
  }
  return inputs;
}

std::vector<Variable> variables(const OperatorCase& row, DType dtype, bool leaves = false) {
  std::vector<Variable> result;
  const std::vector<Values> inputs = sample_inputs(row);
  for (std::size_t k = 0; k < inputs.size(); ++k) {
    const Tensor value = Tensor::from<double>(row.shapes[k], std::span<const double>(inputs[k])).to(dtype);
    result.push_back(leaves ? Variable::leaf(value) : Variable(value));
  }
  return result;
}

Values as_doubles(const Tensor& tensor) {
  const Tensor dense = tensor.to(DType::float64);
  const auto values = dense.span<double>();
  return {values.begin(), values.end()};
}

/// A loss that weighs every element of an operator's output differently.
Variable test_loss(const Variable& out) {
  const Values weights = random_values<double>(out.value().size(), 99);
  return weighted_sum(out, Tensor::from<double>(out.shape(), std::span<const double>(weights)).to(out.dtype()));
}

/// The same elements, stored with gaps and in another order of axes.
Tensor strided_copy(const Tensor& source) {
  if (source.rank() == 0) return source;
  Tensor wide = Tensor::full(source.shape().with_dim(-1, 2 * source.dim(-1) + 3), 7.0, source.dtype());
  Tensor view = wide.narrow(-1, 1, source.dim(-1));
  if (source.rank() >= 2) {
    wide = Tensor::full(source.shape().with_dim(0, source.dim(1)).with_dim(1, source.dim(0)), 7.0, source.dtype());
    view = wide.transpose(0, 1);
  }
  view.copy_from(source);
  return view;
}

}  // namespace

TEST_CASE("every operator has a row in the operator table") {
  std::ifstream header(COSFORMER_SOURCE_DIR "/autograd/ops.h");
  REQUIRE(header.good());
  std::set<std::string> declared, tested;
  const std::regex declaration(R"(^(?:Variable|std::vector<Variable>) (\w+)\()");
  for (std::string line; std::getline(header, line);) {
    std::smatch match;
    if (std::regex_search(line, match, declaration)) declared.insert(match[1]);
  }
  for (const OperatorCase& row : operator_cases()) tested.insert(row.op);
  CHECK(declared.size() >= 20);
  CHECK(declared == tested);
}

TEST_CASE("operators give the values of plain loops in double") {
  for (const OperatorCase& row : operator_cases()) {
    const Values expected = row.reference(sample_inputs(row));
    require_close(row.op + ", " + row.sample + ", double", expected,
                  as_doubles(row.apply(variables(row, DType::float64)).value()), {.rel = 1e-12, .abs = 1e-13});
    require_close(row.op + ", " + row.sample + ", float", expected,
                  as_doubles(row.apply(variables(row, DType::float32)).value()), {.rel = row.float_tolerance, .abs = 1e-7});
  }
}

TEST_CASE("gradients of operators agree with central differences in double", "[central-differences]") {
  for (const OperatorCase& row : operator_cases()) {
    std::vector<Tensor> inputs;
    for (const Variable& input : variables(row, DType::float64)) inputs.push_back(input.value());
    const GradientCheck result =
        check_gradients([&](std::span<const Variable> in) { return test_loss(row.apply(in)); }, inputs);
    INFO(row.op << ", " << row.sample << ": " << result.worst_place);
    CHECK(result.worst_error <= 1e-6);
  }
}

TEST_CASE("operators do not care how their inputs are stored") {
  for (const OperatorCase& row : operator_cases()) {
    const std::vector<Variable> dense = variables(row, DType::float64, true);
    std::vector<Variable> strided;
    for (const Variable& input : dense) strided.push_back(Variable::leaf(strided_copy(input.value())));
    const Variable a = row.apply(dense), b = row.apply(strided);
    require_close(row.op + ", " + row.sample, as_doubles(a.value()), as_doubles(b.value()), {.rel = 1e-14});
    const Gradients da = backward(test_loss(a)), db = backward(test_loss(b));
    for (std::size_t k = 0; k < dense.size(); ++k) {
      require_close(row.op + ", " + row.sample + ", gradient", as_doubles(da.of(dense[k])), as_doubles(db.of(strided[k])),
                    {.rel = 1e-14});
    }
  }
}

TEST_CASE("operators give the same bits on one, two and three threads") {
  const int threads_before = num_threads();
  for (const OperatorCase& row : operator_cases()) {
    std::vector<std::vector<Values>> runs;
    for (const int threads : {1, 2, 3}) {
      set_num_threads(threads);
      const std::vector<Variable> in = variables(row, DType::float32, true);
      const Variable out = row.apply(in);
      std::vector<Values> run{as_doubles(out.value())};
      const Gradients gradients = backward(test_loss(out));
      for (const Variable& input : in) run.push_back(as_doubles(gradients.of(input)));
      runs.push_back(std::move(run));
    }
    CAPTURE(row.op, row.sample);
    CHECK(runs[0] == runs[1]);
    CHECK(runs[0] == runs[2]);
  }
  set_num_threads(threads_before);
}

TEST_CASE("operators add to a gradient that is there already") {
  for (const OperatorCase& row : operator_cases()) {
    const std::vector<Variable> in = variables(row, DType::float64, true);
    const Gradients once = backward(test_loss(row.apply(in)));
    const Gradients twice = backward(add(test_loss(row.apply(in)), test_loss(row.apply(in))));
    for (const Variable& input : in) {
      Values doubled = as_doubles(once.of(input));
      for (double& x : doubled) x *= 2;
      require_close(row.op + ", " + row.sample, doubled, as_doubles(twice.of(input)), {.rel = 1e-13});
    }
  }
}

TEST_CASE("an input has the same gradient whether the others are constants or not") {
  for (const OperatorCase& row : operator_cases()) {
    const std::vector<Variable> leaves = variables(row, DType::float64, true);
    const Gradients all = backward(test_loss(row.apply(leaves)));
    for (std::size_t k = 0; k < leaves.size(); ++k) {
      std::vector<Variable> in;
      for (std::size_t other = 0; other < leaves.size(); ++other)
        in.push_back(other == k ? leaves[k] : leaves[other].detach());
      const Gradients alone = backward(test_loss(row.apply(in)));
      CAPTURE(row.op, row.sample, k);
      CHECK(as_doubles(alone.of(leaves[k])) == as_doubles(all.of(leaves[k])));
    }
  }
}

TEST_CASE("a variable that is two inputs of an operator gets both gradients") {
  for (const OperatorCase& row : operator_cases()) {
    for (std::size_t i = 0; i < row.shapes.size(); ++i) {
      for (std::size_t j = i + 1; j < row.shapes.size(); ++j) {
        if (row.shapes[i] != row.shapes[j]) continue;
        // The same numbers twice, once as two leaves.
        std::vector<Variable> apart = variables(row, DType::float64, true), one = apart;
        apart[j] = Variable::leaf(apart[i].value().clone());
        one[j] = one[i];
        const Gradients expected = backward(test_loss(row.apply(apart))), found = backward(test_loss(row.apply(one)));
        Values sums = as_doubles(expected.of(apart[i]));
        const Values second = as_doubles(expected.of(apart[j]));
        for (std::size_t k = 0; k < sums.size(); ++k) sums[k] += second[k];
        require_close(concat(row.op, ", ", row.sample, ", inputs ", i, " and ", j), sums, as_doubles(found.of(one[i])),
                      {.rel = 1e-12, .abs = 1e-12});
      }
    }
  }
}

TEST_CASE("operators refuse inputs that do not fit, by name") {
  for (const BadInput& row : bad_inputs()) {
    CAPTURE(row.op, row.sample);
    std::string message;
    try {
      row.call();
    } catch (const ShapeError& error) {
      message = error.what();
    }
    CHECK(message.find('[' + row.op + ']') != std::string::npos);
  }
}

TEST_CASE("a graph without a differentiable input is not recorded") {
  const Variable x(Tensor::full({3}, 2.0));
  CHECK_FALSE(relu(add(x, x)).requires_grad());
}

TEST_CASE("a graph can be differentiated once") {
  const Variable x = Variable::leaf(Tensor::full({3}, 2.0));
  const Variable loss = test_loss(gelu(x));
  CHECK(backward(loss).of(x).size() == 3);
  CHECK_THROWS_AS(backward(loss), Error);
}

TEST_CASE("gradients of a graph are added to those of graphs before it") {
  const Variable x = Variable::leaf(Tensor::full({3}, 2.0, DType::float64)),
                 y = Variable::leaf(Tensor::full({3}, 3.0, DType::float64));
  Gradients sums = backward(test_loss(gelu(x)));
  const Values first = as_doubles(sums.of(x));
  // The second graph has a leaf more, the third one none of them.
  sums = backward(test_loss(add(gelu(x), relu(y))), std::move(sums));
  sums = backward(test_loss(relu(Variable::leaf(Tensor::full({2}, 1.0, DType::float64)))), std::move(sums));
  Values doubled = first;
  for (double& value : doubled) value *= 2;
  require_close("twice", doubled, as_doubles(sums.of(x)), {.rel = 1e-14});
  require_close("once", random_values<double>(3, 99), as_doubles(sums.of(y)), {.rel = 1e-14});
  // A graph that is the leaf itself.
  const Values before = as_doubles(sums.of(y));
  sums = backward(y, Tensor::full({3}, 5.0, DType::float64), std::move(sums));
  Values with_five = before;
  for (double& value : with_five) value += 5;
  require_close("with the leaf's own", with_five, as_doubles(sums.of(y)), {.rel = 1e-14});
}

TEST_CASE("fused blocks over several segments of rows equal the operations one after the other") {
  constexpr std::int64_t kRows = 9001, kWidth = 12, kFfn = 20;
  const auto leaf = [](const Shape& shape, std::uint64_t seed) {
    const Values values = random_values<double>(shape.size(), seed);
    return Variable::leaf(Tensor::from<double>(shape, std::span<const double>(values)).to(DType::float32));
  };
  const std::vector<Variable> in = {leaf({kRows, kWidth}, 1), leaf({kWidth}, 2),        leaf({kWidth}, 3),
                                    leaf({kFfn, kWidth}, 4),  leaf({kFfn}, 5),          leaf({kWidth, kFfn}, 6),
                                    leaf({kWidth}, 7),        leaf({kWidth, kWidth}, 8)};
  const Random first(1, "a"), second(1, "b"), inner(1, "c");
  const auto fused = [&] {
    const std::vector<LinearWeights> layers = {{in[7], in[6]}};
    const Variable y = linear_residual(norm_linear(in[0], {in[1], in[2], 1e-5}, layers)[0], {in[7], in[2]}, in[0],
                                       dropout_mask(0.3, first));
    return feed_forward(y, {in[1], in[2], 1e-5}, {in[3], in[4]}, {in[5], in[6]}, ScalarFunction::gelu,
                        {dropout_mask(0.1, inner), dropout_mask(0.2, second)});
  };
  const auto apart = [&] {
    const Variable normed = linear(layer_norm(in[0], in[1], in[2], 1e-5), in[7], in[6]);
    const Variable y = add(in[0], dropout(linear(normed, in[7], in[2]), 0.3, first));
    const Variable hidden = dropout(gelu(linear(layer_norm(y, in[1], in[2], 1e-5), in[3], in[4])), 0.1, inner);
    return add(y, dropout(linear(hidden, in[5], in[6]), 0.2, second));
  };
  const Variable a = fused(), b = apart();
  require_close("values", as_doubles(b.value()), as_doubles(a.value()), {.rel = 1e-5});
  const Gradients da = backward(test_loss(a)), db = backward(test_loss(b));
  for (std::size_t k = 0; k < in.size(); ++k) {
    require_close("gradient " + std::to_string(k), as_doubles(db.of(in[k])), as_doubles(da.of(in[k])), {.rel = 1e-4});
  }
}

TEST_CASE("a loss of several elements is refused") {
  const Variable x = Variable::leaf(Tensor::full({3}, 2.0));
  CHECK_THROWS_AS(backward(x), ShapeError);
}

TEST_CASE("what an operation saved is freed by the backward pass") {
  const Variable x = Variable::leaf(Tensor::full({64, 64}, 0.5));
  Tensor seen;
  Variable loss;
  {
    const Variable y = gelu(x);
    seen = y.value();
    loss = test_loss(gelu(y));
  }
  CHECK_FALSE(seen.is_exclusive());
  const Gradients gradients = backward(loss);
  CHECK(seen.is_exclusive());
  CHECK(gradients.of(x).size() == 64 * 64);
}

}  // namespace cosformer::test

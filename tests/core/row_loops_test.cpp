#include "core/simd/row_loops.h"

#include <cstdint>
#include <string>
#include <vector>

#include "tests/catch.h"
#include "tests/support/random_values.h"
#include "tests/support/require_close.h"

using namespace cosformer;
using namespace cosformer::test;

TEST_CASE("The double loops agree with the float loops") {
  const std::int64_t n = 100;
  const auto x = random_values<double>(n, 16, -3, 3), w = random_values<double>(n, 17), b = random_values<double>(n, 18);
  const std::vector<float> xf(x.begin(), x.end()), wf(w.begin(), w.end()), bf(b.begin(), b.end());
  std::vector<double> y(x.size());
  std::vector<float> yf(x.size());
  const Tolerance close{.rel = 1e-5};

  require_close("max", loops<double>().max(x.data(), n), loops<float>().max(xf.data(), n), close);
  require_close("sum", loops<double>().sum(x.data(), n), loops<float>().sum(xf.data(), n), close);
  require_close("dot", loops<double>().dot(x.data(), w.data(), n), loops<float>().dot(xf.data(), wf.data(), n), close);
  require_close("exp sum", loops<double>().exp_sum(x.data(), 0.5, 1.0, y.data(), n),
                loops<float>().exp_sum(xf.data(), 0.5F, 1.0F, yf.data(), n), close);
  require_close("exp", y, yf, close);
  loops<double>().softmax_gradient(w.data(), 0.25, y.data(), n);
  loops<float>().softmax_gradient(wf.data(), 0.25F, yf.data(), n);
  require_close("softmax_gradient", y, yf, {.rel = 1e-5, .abs = 1e-6});
  loops<double>().add_scaled(0.3, x.data(), y.data(), n);
  loops<float>().add_scaled(0.3F, xf.data(), yf.data(), n);
  require_close("add_scaled", y, yf, close);
  loops<double>().scale(0.3, y.data(), y.data(), n);
  loops<float>().scale(0.3F, yf.data(), yf.data(), n);
  require_close("scale", y, yf, close);
  loops<double>().gelu(x.data(), y.data(), n);
  loops<float>().gelu(xf.data(), yf.data(), n);
  require_close("gelu", y, yf, close);
  loops<double>().gelu_backward(x.data(), w.data(), y.data(), n);
  loops<float>().gelu_backward(xf.data(), wf.data(), yf.data(), n);
  require_close("gelu_backward", y, yf, close);
  {
    std::vector<double> value(x.size()), slope(x.size());
    std::vector<float> value32(x.size()), slope32(x.size());
    loops<double>().gelu_with_slope(x.data(), value.data(), slope.data(), n);
    loops<float>().gelu_with_slope(xf.data(), value32.data(), slope32.data(), n);
    require_close("gelu with slope", value, value32, close);
    require_close("slope of gelu", slope, slope32, close);
  }
  loops<double>().normalize(x.data(), 0.2, 1.5, w.data(), b.data(), y.data(), n);
  loops<float>().normalize(xf.data(), 0.2F, 1.5F, wf.data(), bf.data(), yf.data(), n);
  require_close("normalize", y, yf, close);

  double mean = 0, variance = 0;
  float mean_f = 0, variance_f = 0;
  loops<double>().mean_variance(x.data(), n, &mean, &variance);
  loops<float>().mean_variance(xf.data(), n, &mean_f, &variance_f);
  require_close("mean", mean, mean_f, close);
  require_close("variance", variance, variance_f, close);

  std::vector<double> dw(x.size()), db(x.size());
  std::vector<float> dwf(x.size()), dbf(x.size());
  loops<double>().normalize_backward(x.data(), 0.2, 1.5, w.data(), b.data(), y.data(), dw.data(), db.data(), n);
  loops<float>().normalize_backward(xf.data(), 0.2F, 1.5F, wf.data(), bf.data(), yf.data(), dwf.data(), dbf.data(), n);
  require_close("normalize_backward dx", y, yf, close);
  require_close("normalize_backward dweight", dw, dwf, close);
  require_close("normalize_backward dbias", db, dbf, close);

  const AdamWStep step{.beta1 = 0.9,
                       .beta2 = 0.99,
                       .eps = 1e-8,
                       .step_size = 0.1,
                       .sqrt_correction = 0.3,
                       .decay = 0.01,
                       .gradient_scale = 2};
  std::vector<double> p = b, m = w, v(x.size(), 0.5);
  std::vector<float> pf = bf, mf = wf, vf(x.size(), 0.5F);
  loops<double>().adamw(step, x.data(), p.data(), m.data(), v.data(), n);
  loops<float>().adamw(step, xf.data(), pf.data(), mf.data(), vf.data(), n);
  require_close("adamw parameter", p, pf, close);
  require_close("adamw m", m, mf, close);
  require_close("adamw v", v, vf, close);

  const DropoutMask mask{{1, 2}, 0x80000000U, 2};
  loops<double>().dropout(mask, 37, x.data(), y.data(), n);
  loops<float>().dropout(mask, 37, xf.data(), yf.data(), n);
  require_close("dropout", y, yf, close);
}

TEST_CASE("The instruction set in use is one that this machine has", "[isa]") {
  const std::string name = instruction_set();
  REQUIRE(simd::row_loops(name.c_str()) == &loops<float>());
  CHECK(simd::row_loops("baseline") != nullptr);
  CHECK(simd::row_loops("sse9") == nullptr);
}

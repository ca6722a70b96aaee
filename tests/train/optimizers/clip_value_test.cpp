#include <algorithm>

#include "tests/catch.h"
#include "tests/support/layer_cases.h"
#include "tests/support/require_close.h"
#include "train/optimizers/optimizer.h"

namespace cosformer::test {

TEST_CASE("clipping by value limits each element of the scaled gradient, with every optimizer") {
  constexpr double kScale = 0.7, kLimit = 0.2;
  for (const OptimizerKind& kind : optimizer_kinds()) {
    for (const DType dtype : {DType::float32, DType::float64}) {
      CAPTURE(kind.name, dtype_name(dtype));
      OptimizerConfig config;
      config.name = kind.name;
      ParameterStore clipped(3, dtype), limited(3, dtype);
      for (ParameterStore* store : {&clipped, &limited}) Scope(*store).create("weight", {5, 7}, Initializer::normal(1));
      Optimizer plain(config, limited.all());
      config.clip_value = kLimit;
      Optimizer clipping(config, clipped.all());
      for (int step = 1; step <= 5; ++step) {
        const Tensor gradient = random_tensor({5, 7}, static_cast<std::uint64_t>(step), dtype);
        Values values = values_of(gradient);
        for (double& x : values) x = std::clamp(kScale * x, -kLimit, kLimit);
        Gradients whole, own;
        whole.set(clipped.all()[0].variable.node().get(), gradient);
        own.set(limited.all()[0].variable.node().get(),
                Tensor::from<double>({5, 7}, std::span<const double>(values)).to(dtype));
        clipping.update(clipped.all(), whole, {step, 0.01, kScale});
        plain.update(limited.all(), own, {step, 0.01, 1.0});
      }
      require_close("parameters", values_of(limited.all()[0].variable.value()), values_of(clipped.all()[0].variable.value()),
                    {.rel = dtype == DType::float32 ? 1e-5 : 1e-12});
    }
  }
}

}  // namespace cosformer::test

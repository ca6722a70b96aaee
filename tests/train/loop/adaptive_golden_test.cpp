#include <algorithm>
#include <filesystem>
#include <utility>

#include "autograd/backward.h"
#include "layers/model.h"
#include "tests/catch.h"
#include "tests/support/require_close.h"
#include "train/config/config.h"
#include "train/store/safetensors.h"

namespace cosformer::test {

namespace {

std::vector<double> values_of(const Tensor& tensor) {
  const Tensor dense = tensor.to(DType::float64);
  return {std::as_const(dense).span<double>().begin(), std::as_const(dense).span<double>().end()};
}

void check_adaptive_softmax(DType dtype, double tolerance) {
  // Written by tests/golden/make_adaptive.py.
  const TensorFile file = read_safetensors(COSFORMER_SOURCE_DIR "/tests/golden/adaptive/softmax.safetensors");
  const Config config = config_from_json(file.metadata.at("config"));
  const Model model(config.model, 1, dtype);
  std::size_t loaded = 0;
  for (const Parameter& parameter : model.parameters()) {
    const auto value = file.tensors.find("param/" + parameter.name);
    if (value == file.tensors.end()) continue;
    Tensor target = parameter.variable.value();
    target.copy_from(value->second.to(dtype));
    ++loaded;
  }
  REQUIRE(loaded == 5);
  const Variable hidden = Variable::leaf(file.tensors.at("hidden").to(dtype));
  const Pass pass{.training = true, .record_gradients = true};
  const Variable loss = model.token_loss(hidden, file.tensors.at("targets"), 1.0, pass);
  require_close("loss", values_of(file.tensors.at("loss")), values_of(loss.value()), {.rel = tolerance});
  require_close("log-probabilities", values_of(file.tensors.at("log_probabilities")),
                values_of(model.logits(hidden, pass).value()), {.rel = tolerance, .abs = tolerance});
  const Gradients gradients = backward(loss);
  require_close("gradient of hidden", values_of(file.tensors.at("grad/hidden")), values_of(gradients.of(hidden)),
                {.rel = tolerance, .abs = tolerance});
  for (const Parameter& parameter : model.parameters()) {
    const auto expected = file.tensors.find("grad/" + parameter.name);
    if (expected == file.tensors.end()) continue;
    require_close("gradient of " + parameter.name, values_of(expected->second), values_of(gradients.of(parameter.variable)),
                  {.rel = tolerance, .abs = tolerance});
  }
}

}  // namespace

TEST_CASE("the adaptive softmax agrees with PyTorch's: loss, log-probabilities and gradients") {
  check_adaptive_softmax(DType::float64, 1e-6);
  check_adaptive_softmax(DType::float32, 1e-5);
}

}  // namespace cosformer::test

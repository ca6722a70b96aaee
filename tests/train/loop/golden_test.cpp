#include <algorithm>
#include <cmath>
#include <filesystem>
#include <utility>

#include "autograd/backward.h"
#include "layers/attention/reweighting_length.h"
#include "layers/model.h"
#include "tests/catch.h"
#include "tests/support/require_close.h"
#include "train/config/config.h"
#include "train/optimizers/optimizer.h"
#include "train/store/model_parameters.h"
#include "train/store/safetensors.h"

namespace cosformer::test {

namespace {

/// A model, a batch and all that PyTorch computed from them (tests/golden/make_golden.py).
struct GoldenCase {
  explicit GoldenCase(const std::filesystem::path& path) : file(read_safetensors(path)) {
    config = config_from_json(file.metadata.at("config"));
    config.optimizer.clip_norm = 0;
  }

  TensorMap group(const std::string& prefix) const {
    TensorMap result;
    for (const auto& [name, tensor] : file.tensors) {
      if (name.starts_with(prefix)) result[name.substr(prefix.size())] = tensor;
    }
    return result;
  }

  const Tensor& tensor(const std::string& name) const { return file.tensors.at(name); }

  SharedPaddingMask mask(const std::string& lengths, const std::string& tokens) const {
    std::vector<std::int64_t> item_lengths;
    for (const std::int32_t length : tensor(lengths).span<std::int32_t>()) item_lengths.push_back(length);
    return padding_mask_from_lengths(item_lengths, tensor(tokens).dim(1));
  }

  TensorFile file;
  Config config;
};

/// Logits [rows, classes or vocabulary] of the case's batch.
Variable logits_of(const GoldenCase& golden, const Model& model, const Pass& pass) {
  const ModelKind kind = model.config().kind;
  const auto flat = [](const Variable& logits) {
    return reshape(logits, {logits.value().size() / logits.dim(-1), logits.dim(-1)});
  };
  if (kind == ModelKind::decoder) return flat(model.logits(model.decode(golden.tensor("tokens"), nullptr, {}, pass), pass));
  const SharedPaddingMask mask = golden.mask("lengths", "tokens");
  const Variable encoded = model.encode(golden.tensor("tokens"), mask, pass);
  if (kind == ModelKind::encoder) return model.classify(encoded, mask, pass);
  const SharedPaddingMask target_mask = golden.mask("target_lengths", "target_tokens");
  return flat(model.logits(model.decode(golden.tensor("target_tokens"), target_mask, {encoded, mask}, pass), pass));
}

Tensor targets_of(const GoldenCase& golden) {
  const Tensor& targets = golden.tensor(golden.file.tensors.contains("labels") ? "labels" : "targets");
  return targets.reshape({targets.size()});
}

double mean_factor(const Tensor& targets) {
  std::int64_t counted = 0;
  for (const std::int32_t target : targets.span<std::int32_t>()) counted += target >= 0 ? 1 : 0;
  return 1.0 / static_cast<double>(counted);
}

std::vector<double> values_of(const Tensor& tensor) {
  const Tensor dense = tensor.to(DType::float64);
  return {std::as_const(dense).span<double>().begin(), std::as_const(dense).span<double>().end()};
}

/// Elements of rows without a target are zeros in the file.
std::vector<double> counted_logits(const Tensor& logits, const Tensor& targets) {
  std::vector<double> values = values_of(logits);
  const std::size_t width = values.size() / static_cast<std::size_t>(targets.size());
  for (std::size_t row = 0; row < static_cast<std::size_t>(targets.size()); ++row) {
    if (targets.span<std::int32_t>()[row] < 0)
      std::fill_n(values.begin() + static_cast<std::ptrdiff_t>(row * width), width, 0.0);
  }
  return values;
}

void check_case(const std::filesystem::path& path, DType dtype, double logit_tolerance, double gradient_tolerance) {
  CAPTURE(path.filename().string(), dtype_name(dtype));
  const GoldenCase golden(path);
  ModelConfig config = golden.config.model;
  config.attention = settle_reweighting_length(config.attention, config.kind, {.seq_len = golden.config.task.seq_len});
  const Model model(config, 1, dtype);
  load_parameters(model.parameters(), golden.group("param/"), path.string());
  const Pass pass{.training = true, .record_gradients = true};
  const Tensor targets = targets_of(golden);

  const Variable logits = logits_of(golden, model, pass);
  require_close("logits", values_of(golden.tensor("logits")), counted_logits(logits.value(), targets),
                {.rel = logit_tolerance});
  const Variable loss = cross_entropy(logits, targets, mean_factor(targets));
  require_close("loss", golden.tensor("loss").item(), loss.value().item(), {.rel = 1e-5});
  const Gradients gradients = backward(loss);
  for (const auto& [name, expected] : golden.group("grad/")) {
    const auto found = std::ranges::find(model.parameters(), name, &Parameter::name);
    REQUIRE(found != model.parameters().end());
    require_close("gradient of " + name, values_of(expected), values_of(gradients.of(found->variable)),
                  {.rel = gradient_tolerance, .abs = 1e-6});
  }

  Optimizer optimizer(golden.config.optimizer, model.parameters());
  for (std::int64_t step = 1; step <= 10; ++step) {
    const Variable step_loss = cross_entropy(logits_of(golden, model, pass), targets, mean_factor(targets));
    const double expected = values_of(golden.tensor("losses"))[static_cast<std::size_t>(step - 1)];
    require_close("loss before step " + std::to_string(step), expected, step_loss.value().item(), {.rel = 1e-5});
    optimizer.update(model.parameters(), backward(step_loss), {step, golden.config.optimizer.learning_rate, 1.0});
  }
  for (const auto& [name, expected] : golden.group("final/")) {
    const auto found = std::ranges::find(model.parameters(), name, &Parameter::name);
    std::vector<double> wanted = values_of(expected), actual = values_of(found->variable.value());
    // AdamW's step has the slope learning_rate · eps / (|g| + eps)² in the gradient: below |g| = 1e-5 the rounding of a
    // float gradient, about 1e-8, would move an element by up to 1e-5 a step. Such elements are compared in double alone.
    constexpr double kLeastGradient = 1e-5;
    const std::vector<double> gradient = values_of(golden.tensor("grad/" + name));
    for (std::size_t i = 0; dtype == DType::float32 && i < wanted.size(); ++i) {
      if (std::abs(gradient[i]) < kLeastGradient) wanted[i] = actual[i] = 0;
    }
    // Ten steps of 1e-3 move an element by 1e-2 at most: 1e-5 is a thousandth of the way.
    require_close("final " + name, wanted, actual, {.rel = 0, .abs = 1e-5});
  }
}

std::vector<std::filesystem::path> golden_files() {
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(COSFORMER_SOURCE_DIR "/tests/golden")) {
    if (entry.path().extension() == ".safetensors") files.push_back(entry.path());
  }
  std::ranges::sort(files);
  return files;
}

}  // namespace

TEST_CASE("models agree with PyTorch in double: logits, loss, gradients and ten AdamW steps") {
  const auto files = golden_files();
  REQUIRE(files.size() == 61);
  for (const auto& path : files) check_case(path, DType::float64, 1e-6, 1e-5);
}

TEST_CASE("models agree with PyTorch in float: logits, loss, gradients and ten AdamW steps") {
  for (const auto& path : golden_files()) check_case(path, DType::float32, 2e-5, 1e-3);
}

}  // namespace cosformer::test

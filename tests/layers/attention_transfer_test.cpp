#include "layers/attention_transfer.h"

#include <algorithm>

#include "autograd/backward.h"
#include "tests/catch.h"
#include "tests/support/layer_cases.h"
#include "tests/support/require_close.h"
#include "tests/support/thread_counts.h"

namespace cosformer::test {

namespace {

constexpr std::int64_t kLength = 12;

ModelConfig decoder_of(const char* kind, NormPlacement norm = NormPlacement::pre) {
  AttentionConfig attention;
  attention.kind = kind;
  ModelConfig config = small_model(ModelKind::decoder, attention, kLength);
  config.num_layers = 3;
  config.norm = norm;
  return config;
}

const Pass kTraining{.training = true, .record_gradients = true};

std::vector<double> errors_of(const Model& student, const Model& teacher, const Tensor& ids, const Tensor& places = {}) {
  std::vector<double> errors;
  for (const Variable& layer : transfer_errors(student, teacher, ids, places, 1.0, {}).layers)
    errors.push_back(layer.value().item());
  return errors;
}

}  // namespace

TEST_CASE("a student with its teacher's attention and weights has no error, and another attention has one in each layer") {
  const ThreadCountScope one_thread(1);
  for (const NormPlacement norm : {NormPlacement::pre, NormPlacement::post}) {
    const Model teacher(decoder_of("softmax", norm), 5, DType::float64);
    const Tensor ids = random_ids({2, kLength}, 1, 13);
    CHECK(errors_of(Model(decoder_of("softmax", norm), 5, DType::float64), teacher, ids) == std::vector<double>{0, 0, 0});
    for (const char* kind : {"hedgehog", "cosformer", "gated_delta", "cosformer2", "local"}) {
      CAPTURE(kind);
      const std::vector<double> errors = errors_of(Model(decoder_of(kind, norm), 5, DType::float64), teacher, ids);
      REQUIRE(errors.size() == 3);
      // A window of 128 sees all of these twelve tokens.
      for (const double error : errors) CHECK((kind == std::string("local") ? error < 1e-24 : error > 1e-6));
    }
  }
}

TEST_CASE("the teacher's hidden states are those of a forward pass") {
  const ThreadCountScope one_thread(1);
  for (const NormPlacement norm : {NormPlacement::pre, NormPlacement::post}) {
    const Model teacher(decoder_of("softmax", norm), 5, DType::float64),
        student(decoder_of("cosformer", norm), 5, DType::float64);
    const Tensor ids = random_ids({2, kLength}, 1, 13);
    const TransferErrors errors = transfer_errors(student, teacher, ids, {}, 1.0, kTraining);
    CHECK_FALSE(errors.teacher_hidden.requires_grad());
    require_close("hidden", values_of(teacher.decode(ids, nullptr, {}, {}).value()),
                  values_of(errors.teacher_hidden.value()), {.rel = 1e-12});
  }
}

TEST_CASE("an error flows into its own layer's attention, in front of the output projection, and nowhere else") {
  const ThreadCountScope one_thread(1);
  const Model teacher(decoder_of("softmax"), 5, DType::float64), student(decoder_of("hedgehog"), 5, DType::float64);
  const Tensor ids = random_ids({2, kLength}, 1, 13);
  const TransferErrors errors = transfer_errors(student, teacher, ids, {}, 1.0, kTraining);
  const Gradients gradients = backward(errors.layers[1]);
  for (const Parameter& parameter : student.parameters()) {
    CAPTURE(parameter.name);
    const bool in_front = parameter.name.find(".out_proj.") == std::string::npos;
    const bool is_own = parameter.name.starts_with("decoder.layers.1.self_attn") && in_front;
    CHECK(gradients.of(parameter.variable).defined() == is_own);
  }
  // A layer's error does not depend on the layers before it.
  const std::vector<double> before = errors_of(student, teacher, ids);
  for (const Parameter& parameter : student.parameters()) {
    Tensor value = parameter.variable.value();
    if (parameter.name.starts_with("decoder.layers.0.")) value.fill(0.1);
  }
  const std::vector<double> after = errors_of(student, teacher, ids);
  CHECK(after[0] != before[0]);
  CHECK(after[1] == before[1]);
  CHECK(after[2] == before[2]);
}

TEST_CASE("the gradient of a transfer agrees with central differences") {
  const ThreadCountScope one_thread(1);
  const Model teacher(decoder_of("softmax"), 5, DType::float64), student(decoder_of("hedgehog"), 5, DType::float64);
  const Tensor ids = random_ids({2, kLength}, 1, 13);
  const Tensor places = Tensor::from<std::int32_t>({3}, std::vector<std::int32_t>{0, 7, 23});
  const auto total = [&] {
    double sum = 0;
    for (const double error : errors_of(student, teacher, ids, places)) sum += error;
    return sum;
  };
  const std::vector<Variable> layers = transfer_errors(student, teacher, ids, places, 1.0, kTraining).layers;
  const Gradients gradients = backward(add(add(layers[0], layers[1]), layers[2]));
  for (const Parameter& parameter : student.parameters()) {
    const Tensor gradient = gradients.of(parameter.variable);
    if (!gradient.defined()) continue;
    Tensor value = parameter.variable.value();
    double& element = value.span<double>()[static_cast<std::size_t>(value.size() / 2)];
    const double kept = element, step = 1e-5;
    element = kept + step;
    const double above = total();
    element = kept - step;
    const double below = total();
    element = kept;
    const Values numeric = {(above - below) / (2 * step)};
    const Values analytic = {values_of(gradient)[static_cast<std::size_t>(value.size() / 2)]};
    require_close(parameter.name, numeric, analytic, {.rel = 1e-6, .abs = 1e-9});
  }
}

TEST_CASE("only the rows that count are compared") {
  const ThreadCountScope one_thread(1);
  const Model teacher(decoder_of("softmax"), 5, DType::float64), student(decoder_of("cosformer"), 5, DType::float64);
  const Tensor ids = random_ids({2, kLength}, 1, 13);
  std::vector<std::int32_t> some, others;
  for (std::int32_t row = 0; row < 2 * kLength; ++row) (row % 3 == 0 ? some : others).push_back(row);
  const auto rows = [](const std::vector<std::int32_t>& places) {
    return Tensor::from<std::int32_t>({static_cast<std::int64_t>(places.size())}, std::span<const std::int32_t>(places));
  };
  const std::vector<double> all = errors_of(student, teacher, ids), first = errors_of(student, teacher, ids, rows(some)),
                            second = errors_of(student, teacher, ids, rows(others));
  for (std::size_t layer = 0; layer < all.size(); ++layer) {
    CHECK(first[layer] > 0);
    CHECK(first[layer] + second[layer] == Approx(all[layer]));
  }
}

}  // namespace cosformer::test

#include "autograd/recompute.h"

#include "autograd/backward.h"
#include "core/memory.h"
#include "tests/catch.h"
#include "tests/support/layer_cases.h"

namespace cosformer::test {

namespace {

struct Outcome {
  std::vector<double> losses;
  std::vector<Values> gradients;
  friend bool operator==(const Outcome&, const Outcome&) = default;
};

/// Loss of a model of any kind, with dropout.
Variable loss_of(const Model& model, std::uint64_t seed, bool recompute_layers, std::int64_t length = 9) {
  const ModelConfig& config = model.config();
  const Pass pass{.training = true,
                  .record_gradients = true,
                  .seed = 4,
                  .noise_index = seed,
                  .step = 3,
                  .recompute_layers = recompute_layers};
  const std::vector<std::int64_t> lengths = {length, length - 3};
  const SharedPaddingMask mask = padding_mask_from_lengths(lengths, length);
  const Tensor ids = random_ids({2, length}, seed, config.vocab_size);
  Variable encoded;
  if (config.kind != ModelKind::decoder) encoded = model.encode(ids, mask, pass);
  if (config.kind == ModelKind::encoder)
    return cross_entropy(model.classify(encoded, mask, pass), random_ids({2}, seed + 1, config.num_classes), 0.5);
  const Variable hidden = model.decode(ids, nullptr, {encoded, mask}, pass);
  return model.token_loss(reshape(hidden, {2 * length, config.embed_dim}), ids.reshape({2 * length}), 0.1, pass);
}

/// The gradients of two graphs, the second added to those of the first.
Outcome outcome_of(const Model& model, bool recompute_layers) {
  Outcome outcome;
  Gradients sums;
  for (const std::uint64_t seed : {7, 8}) {
    const Variable loss = loss_of(model, seed, recompute_layers);
    outcome.losses.push_back(loss.value().item());
    sums = backward(loss, std::move(sums));
  }
  for (const Parameter& parameter : model.parameters()) {
    const Tensor gradient = sums.of(parameter.variable);
    outcome.gradients.push_back(gradient.defined() ? values_of(gradient) : Values());
  }
  return outcome;
}

}  // namespace

TEST_CASE("layers that are computed again give the same bits, with every attention, norm placement and width") {
  for (const ModelKind kind : {ModelKind::decoder, ModelKind::encoder, ModelKind::encoder_decoder}) {
    for (const Variant& variant : attention_variants(kind)) {
      for (const NormPlacement norm : {NormPlacement::pre, NormPlacement::post}) {
        for (const NormKind norm_kind : {NormKind::layer, NormKind::rms}) {
          CAPTURE(variant.name, static_cast<int>(kind), static_cast<int>(norm), static_cast<int>(norm_kind));
          ModelConfig config = small_model(kind, variant.config, 9);
          config.num_layers = 2;
          config.norm = norm;
          config.norm_kind = norm_kind;
          config.dropout = config.activation_dropout = 0.2;
          const Model model(config, 1);
          CHECK(outcome_of(model, true) == outcome_of(model, false));
        }
      }
    }
  }
}

TEST_CASE("a step of layers that are computed again keeps their inputs alone") {
  ModelConfig config = small_model(ModelKind::decoder, {}, 256);
  config.num_layers = 8;
  const Model model(config, 1);
  const auto kept_bytes = [&](bool recompute_layers) {
    const std::int64_t before = memory_use().live_bytes;
    const Variable loss = loss_of(model, 1, recompute_layers, 256);
    return memory_use().live_bytes - before;
  };
  const std::int64_t layer_inputs = 8 * 2 * 256 * 8 * 4;
  CHECK(kept_bytes(true) < 2 * layer_inputs);
  CHECK(kept_bytes(false) > 5 * layer_inputs);
}

TEST_CASE("a function without a leaf that takes part in a graph is a constant when it is computed again") {
  const Variable x(random_tensor({2, 3}, 1, DType::float32));
  const Variable y = recompute({x, Variable()}, [](std::span<const Variable> inputs) { return scale(inputs[0], 2.0); });
  CHECK_FALSE(y.requires_grad());
  CHECK(values_of(y.value()) == values_of(scale(x, 2.0).value()));
}

}  // namespace cosformer::test

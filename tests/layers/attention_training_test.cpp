#include <cmath>
#include <utility>
#include <vector>

#include "autograd/backward.h"
#include "core/kernels/optimizer.h"
#include "tests/catch.h"
#include "tests/layers/decoder_loss.h"
#include "tests/support/layer_cases.h"
#include "tests/support/thread_counts.h"

namespace cosformer::test {

namespace {

/// One AdamW update of all parameters.
class TestAdam {
 public:
  explicit TestAdam(const std::vector<Parameter>& parameters) : parameters_(parameters) {
    for (const Parameter& parameter : parameters) {
      const Shape& shape = parameter.variable.shape();
      moments_.emplace_back(Tensor::zeros(shape), Tensor::zeros(shape));
    }
  }

  void update(const Gradients& gradients, double learning_rate) {
    ++step_;
    const AdamWStep settings{.beta1 = 0.9,
                             .beta2 = 0.99,
                             .eps = 1e-8,
                             .step_size = learning_rate / (1 - std::pow(0.9, step_)),
                             .sqrt_correction = std::sqrt(1 - std::pow(0.99, step_)),
                             .decay = 0,
                             .gradient_scale = 1};
    for (std::size_t i = 0; i < parameters_.size(); ++i) {
      const Tensor gradient = gradients.of(parameters_[i].variable).contiguous();
      Tensor value = parameters_[i].variable.value();
      auto& [first, second] = moments_[i];
      adamw_update(settings, gradient.data<float>(), value.data<float>(), first.data<float>(), second.data<float>(),
                   value.size());
    }
  }

 private:
  const std::vector<Parameter>& parameters_;
  std::vector<std::pair<Tensor, Tensor>> moments_;
  int step_ = 0;
};

}  // namespace

TEST_CASE("a forward and a backward pass have the same bits on one, two and three threads") {
  for (const Variant& variant : attention_variants(ModelKind::decoder)) {
    ModelConfig config = small_model(ModelKind::decoder, variant.config, 130);
    config.embed_dim = 32;
    config.num_heads = 4;
    config.dropout = 0.1;
    const Model model(config, 9);
    const Tensor ids = random_ids({3, 130}, 31, config.vocab_size), targets = random_ids({3, 130}, 32, config.vocab_size);
    require_same_bits_on_any_threads(variant.name, [&] {
      const Pass pass{.training = true, .record_gradients = true, .seed = 4, .noise_index = 2};
      const Variable loss = decoder_loss(model, ids, targets, pass);
      Values all = values_of(loss.value());
      const Gradients gradients = backward(loss);
      for (const Parameter& parameter : model.parameters()) {
        const Values gradient = values_of(gradients.of(parameter.variable));
        all.insert(all.end(), gradient.begin(), gradient.end());
      }
      return all;
    });
  }
}

TEST_CASE("fifty training steps lower the loss with every attention") {
  const ThreadCountScope one_thread(1);
  // The target is the token before, which only attention can see.
  const std::int64_t length = 16, rows = 8;
  for (const Variant& variant : attention_variants(ModelKind::decoder)) {
    ModelConfig config = small_model(ModelKind::decoder, variant.config, length);
    config.embed_dim = 32;
    config.ffn_dim = 64;
    const Model model(config, 9);
    TestAdam optimizer(model.parameters());
    std::vector<double> losses;
    for (std::uint64_t step = 0; step < 50; ++step) {
      const Tensor tokens = random_ids({rows, length + 1}, 100 + step, 8);
      const Tensor targets = tokens.narrow(1, 0, length).contiguous(), ids = tokens.narrow(1, 1, length).contiguous();
      Tensor counted = targets.clone();
      for (std::int64_t row = 0; row < rows; ++row)
        counted.span<std::int32_t>()[static_cast<std::size_t>(row * length)] = -1;
      const Variable loss = decoder_loss(model, ids, counted, {.training = true, .record_gradients = true});
      losses.push_back(loss.value().item());
      optimizer.update(backward(loss), 5e-3);
    }
    CAPTURE(variant.name, losses.front(), losses.back());
    CHECK(losses.back() < 0.75 * losses.front());
  }
}

}  // namespace cosformer::test

#include <array>
#include <cmath>
#include <cstdint>

#include "layers/model.h"

// A forward pass through a small decoder; the exit code says whether its logits are what a model gives.
int main() {
  cosformer::ModelConfig config;
  config.num_layers = 1;
  config.embed_dim = 16;
  config.num_heads = 2;
  config.ffn_dim = 32;
  config.vocab_size = 11;
  config.max_length = 8;
  config.attention.reweighting = "cos";
  const cosformer::Model model(config, 1, cosformer::DType::float32);
  const std::array<std::int32_t, 3> tokens = {1, 2, 3};
  const auto ids = cosformer::Tensor::from<std::int32_t>({1, 3}, tokens);
  const cosformer::Pass pass;
  const cosformer::Tensor logits = model.logits(model.decode(ids, nullptr, {}, pass), pass).value();
  const bool shaped = logits.shape() == cosformer::Shape{1, 3, 11};
  return shaped && std::isfinite(logits.data<float>()[0]) ? 0 : 1;
}

#include <vector>

#include "autograd/grad_check.h"
#include "tests/catch.h"
#include "tests/layers/decoder_loss.h"
#include "tests/layers/parameter_gradients.h"
#include "tests/support/layer_cases.h"
#include "tests/support/thread_counts.h"

namespace cosformer::test {

TEST_CASE("gradients through multi-head attention agree with central differences", "[central-differences]") {
  const ThreadCountScope one_thread(1);
  for (const Variant& variant : attention_variants()) {
    ParameterStore store(8, DType::float64);
    const MultiHeadAttention attention(Scope(store, "layer"), 8, 2, variant.config, 16);
    spread_parameters(store.all());
    const Tensor x = random_tensor({2, 5, 8}, 21, DType::float64), source = random_tensor({2, 7, 8}, 22, DType::float64);
    const AttentionMask causal{.causal = true, .key_mask = {}, .query_mask = {}};
    const AttentionMask plain{.causal = false, .key_mask = {}, .query_mask = {}};
    const AttentionMask padded{.causal = false, .key_mask = mask_of({"1110111", "1111100"}), .query_mask = {}};
    CAPTURE(variant.name);

    const Pass pass{.record_gradients = true};
    const AttentionMask& own_mask = variant.supports().causal ? causal : plain;
    const GradientCheck self = check_gradients(
        [&](std::span<const Variable> in) { return uneven_loss(attention.forward(in[0], in[0], own_mask, pass)); },
        std::span(&x, 1));
    INFO("self-attention: " << self.worst_place);
    CHECK(self.worst_error <= 1e-6);
    if (!variant.supports().cross) {
      CHECK(worst_parameter_error(store.all(), [&](const Pass& own) {
              return uneven_loss(attention.forward(Variable(x), Variable(x), own_mask, own));
            }) <= 1e-6);
      continue;
    }
    const std::vector<Tensor> both = {x, source};
    const GradientCheck cross = check_gradients(
        [&](std::span<const Variable> in) { return uneven_loss(attention.forward(in[0], in[1], padded, pass)); }, both);
    INFO("cross-attention: " << cross.worst_place);
    CHECK(cross.worst_error <= 1e-6);
    CHECK(worst_parameter_error(store.all(), [&](const Pass& own) {
            return uneven_loss(attention.forward(Variable(x), Variable(source), padded, own));
          }) <= 1e-6);
  }
}

TEST_CASE("gradients of a decoder's parameters agree with central differences", "[central-differences]") {
  const ThreadCountScope one_thread(1);
  for (const Variant& variant : attention_variants(ModelKind::decoder)) {
    const ModelConfig config = small_model(ModelKind::decoder, variant.config, 6);
    const Model model(config, 9, DType::float64);
    spread_parameters(model.parameters());
    const Tensor ids = random_ids({2, 6}, 31, config.vocab_size), targets = random_ids({2, 6}, 32, config.vocab_size);
    CAPTURE(variant.name);
    CHECK(worst_parameter_error(model.parameters(),
                                [&](const Pass& pass) { return decoder_loss(model, ids, targets, pass); }) <= 1e-6);
  }
}

}  // namespace cosformer::test

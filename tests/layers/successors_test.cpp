// What the attentions that came after cosFormer begin with, what they are equal to, and what a cache of shared heads holds.
#include <algorithm>
#include <cmath>

#include "core/memory.h"
#include "tests/catch.h"
#include "tests/support/layer_cases.h"
#include "tests/support/require_close.h"
#include "tests/support/thread_counts.h"

namespace cosformer::test {

namespace {

Values parameter(const Model& model, const std::string& name) {
  const auto found = std::ranges::find(model.parameters(), "decoder.layers.0.self_attn." + name, &Parameter::name);
  REQUIRE(found != model.parameters().end());
  return values_of(found->variable.value());
}

ModelConfig decoder_of(const char* kind) {
  AttentionConfig attention;
  attention.kind = kind;
  return small_model(ModelKind::decoder, attention, 40);
}

/// Bytes that the state of a decoder of 64 channels and 4 heads holds after `tokens` tokens.
std::int64_t state_bytes(std::int64_t kv_heads, std::int64_t tokens) {
  ModelConfig config = decoder_of("softmax");
  config.embed_dim = 64;
  config.num_heads = 4;
  config.num_kv_heads = kv_heads;
  config.positions = Positions::none;
  const Model model(config, 7);
  const Tensor ids = random_ids({1, tokens}, 3, config.vocab_size);
  DecoderState state = model.decoder().start();
  const std::int64_t before = memory_use().live_bytes;
  for (std::int64_t t = 0; t < tokens; ++t) model.decoder().step(ids.narrow(1, t, 1).contiguous(), state);
  return memory_use().live_bytes - before;
}

}  // namespace

TEST_CASE("cosformer2's angles fall over all channels of a layer from 1 by equal ratios") {
  Values expected;
  for (int c = 0; c < 8; ++c) expected.push_back(std::pow(10000.0, -c / 4.0));
  require_close("theta", expected, parameter(Model(decoder_of("cosformer2"), 1, DType::float64), "theta"), {.rel = 1e-14});
}

TEST_CASE("the decays of the gated delta rule begin in the ranges of Mamba-2") {
  const Model model(decoder_of("gated_delta"), 1, DType::float64);
  const Values rate = parameter(model, "decay_rate"), bias = parameter(model, "decay_bias");
  require_close("rate", Values{4, 12}, Values{std::exp(rate[0]), std::exp(rate[1])}, {.rel = 1e-12});
  const auto softplus = [](double x) { return std::log1p(std::exp(x)); };
  require_close("step", Values{0.001 * std::pow(100, 0.25), 0.001 * std::pow(100, 0.75)},
                Values{softplus(bias[0]), softplus(bias[1])}, {.rel = 1e-12});
}

TEST_CASE("the gated delta rule whose state keeps everything is the delta rule") {
  const ThreadCountScope one_thread(1);
  const Model plain(decoder_of("delta"), 5, DType::float64), gated(decoder_of("gated_delta"), 5, DType::float64);
  for (const Parameter& own : gated.parameters()) {
    // e^-60 is nothing beside 1.
    if (own.name.ends_with("decay_rate")) Tensor(own.variable.value()).fill(-60);
  }
  const Tensor ids = random_ids({2, 30}, 4, 13);
  require_close("hidden", values_of(plain.decode(ids, nullptr, {}, {}).value()),
                values_of(gated.decode(ids, nullptr, {}, {}).value()), {.rel = 1e-12});
}

TEST_CASE("a text of blocks is read block by block with diagonal attention") {
  ModelConfig config = decoder_of("diagonal");
  config.attention.diagonal_block = 4;
  config.positions = Positions::none;
  const Model model(config, 5, DType::float64);
  const Tensor ids = random_ids({1, 11}, 4, 13), whole = model.decode(ids, nullptr, {}, {}).value();
  for (const std::int64_t begin : {0, 4, 8}) {
    const std::int64_t count = std::min<std::int64_t>(4, 11 - begin);
    const Tensor block = model.decode(ids.narrow(1, begin, count).contiguous(), nullptr, {}, {}).value();
    require_close("block", values_of(block), values_of(whole.narrow(1, begin, count).contiguous()), {.rel = 1e-12});
  }
}

TEST_CASE("a cache of heads that are shared holds them once") {
  const std::int64_t all = state_bytes(4, 130), shared = state_bytes(1, 130);
  CHECK(all >= 2 * 130 * 64 * 4);
  CHECK(all == 4 * shared);
}

}  // namespace cosformer::test

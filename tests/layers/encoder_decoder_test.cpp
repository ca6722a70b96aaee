#include <algorithm>
#include <cmath>
#include <numbers>

#include "layers/attention/select_rows.h"
#include "tests/catch.h"
#include "tests/support/layer_cases.h"
#include "tests/support/require_close.h"
#include "tests/support/thread_counts.h"

namespace cosformer::test {

namespace {

constexpr std::int64_t kLongest = 9;  // of sources and targets

/// The item's hidden states by one pass over the whole target.
Tensor decode_whole(const Model& model, const Tensor& source, const SharedPaddingMask& mask, const Tensor& target) {
  return model.decode(target, nullptr, {model.encode(source, mask, {}), mask}, {}).value();
}

/// The same, one token after the other.
Tensor decode_by_steps(const Model& model, const Tensor& source, const SharedPaddingMask& mask, const Tensor& target) {
  DecoderState state = model.decoder().start({model.encode(source, mask, {}), mask});
  Tensor hidden = Tensor::zeros({target.dim(0), target.dim(1), model.config().embed_dim}, DType::float64);
  for (std::int64_t t = 0; t < target.dim(1); ++t) {
    hidden.narrow(1, t, 1).copy_from(model.decoder().step(target.narrow(1, t, 1).contiguous(), state));
  }
  return hidden;
}

}  // namespace

TEST_CASE("a decoder with an encoder says the same token by token, with every attention in every place") {
  const ThreadCountScope one_thread(1);
  const Tensor source = random_ids({3, kLongest}, 5, 13);
  const std::vector<std::int64_t> source_lengths = {kLongest, 8, 6};
  const SharedPaddingMask mask = padding_mask_from_lengths(source_lengths, kLongest);
  for (const Variant& variant : attention_variants(ModelKind::encoder_decoder)) {
    // Similarities of both signs may sum to next to nothing, where rounding decides.
    if (!variant.never_negative()) continue;
    for (const NormPlacement norm : {NormPlacement::pre, NormPlacement::post}) {
      CAPTURE(variant.name, norm == NormPlacement::pre);
      ModelConfig config = small_model(ModelKind::encoder_decoder, variant.config, 12);
      config.norm = norm;
      config.num_layers = 2;
      const Model model(config, 7, DType::float64);
      // No longer than any source: what has been written says nothing of M then.
      const Tensor target = random_ids({3, 6}, 6, 13);
      require_close("hidden", values_of(decode_whole(model, source, mask, target)),
                    values_of(decode_by_steps(model, source, mask, target)), {.rel = 1e-10});
    }
  }
}

TEST_CASE("a step takes the longer of the source and of what is written for the target's length") {
  const ThreadCountScope one_thread(1);
  for (const CrossReweighting reweighting : {CrossReweighting::shared_length, CrossReweighting::own_lengths}) {
    AttentionConfig attention;
    attention.cross_reweighting = reweighting;
    const Model model(small_model(ModelKind::encoder_decoder, attention, 12), 7, DType::float64);
    const Tensor source = random_ids({1, 4}, 5, 13), target = random_ids({1, kLongest}, 6, 13);
    const Values steps = values_of(decode_by_steps(model, source, nullptr, target));
    // At position t that is the pass over a target of so many tokens, of which the later ones are not seen.
    for (std::int64_t t = 0; t < kLongest; ++t) {
      CAPTURE(t, reweighting == CrossReweighting::shared_length);
      const std::int64_t length = std::max<std::int64_t>(t + 1, 4);
      const Tensor whole = decode_whole(model, source, nullptr, target.narrow(1, 0, length).contiguous());
      require_close("hidden", values_of(whole.narrow(1, t, 1).contiguous()),
                    Values(steps.begin() + t * 8, steps.begin() + (t + 1) * 8), {.rel = 1e-10});
    }
  }
}

TEST_CASE("with one length for all texts a decoder sees nothing of how long its target is going to be") {
  const ThreadCountScope one_thread(1);
  const Model model(small_model(ModelKind::encoder_decoder, {}, 12), 7, DType::float64);
  const Tensor source = random_ids({1, 4}, 5, 13), target = random_ids({1, kLongest}, 6, 13);
  const Values whole = values_of(decode_whole(model, source, nullptr, target));
  require_close("steps", whole, values_of(decode_by_steps(model, source, nullptr, target)), {.rel = 1e-10});
  for (std::int64_t length = 1; length < kLongest; ++length) {
    CAPTURE(length);
    const Tensor begun = decode_whole(model, source, nullptr, target.narrow(1, 0, length).contiguous());
    require_close("hidden", Values(whole.begin(), whole.begin() + length * 8), values_of(begun), {.rel = 1e-10});
  }
}

TEST_CASE("a step of local attention beyond the source's end sees none of it, as in the whole pass") {
  const ThreadCountScope one_thread(1);
  AttentionConfig attention;
  attention.kind = "local";
  attention.window = 2;
  const Model model(small_model(ModelKind::encoder_decoder, attention, 12), 7, DType::float64);
  const Tensor source = random_ids({2, 4}, 5, 13), target = random_ids({2, kLongest}, 6, 13);
  const std::vector<std::int64_t> source_lengths = {4, 2};
  const SharedPaddingMask mask = padding_mask_from_lengths(source_lengths, 4);
  require_close("hidden", values_of(decode_whole(model, source, mask, target)),
                values_of(decode_by_steps(model, source, mask, target)), {.rel = 1e-10});
}

TEST_CASE("a state goes on with the texts that are selected, repeated or left out") {
  const ThreadCountScope one_thread(1);
  const Tensor source = random_ids({3, kLongest}, 5, 13), target = random_ids({3, 6}, 6, 13);
  const std::vector<std::int64_t> source_lengths = {kLongest, 8, 6}, rows = {2, 0, 2, 2};
  const SharedPaddingMask mask = padding_mask_from_lengths(source_lengths, kLongest);
  for (const Variant& variant : attention_variants(ModelKind::encoder_decoder)) {
    if (!variant.never_negative()) continue;
    CAPTURE(variant.name);
    const Model model(small_model(ModelKind::encoder_decoder, variant.config, 12), 7, DType::float64);
    const Tensor expected = decode_by_steps(model, source, mask, target);
    DecoderState state = model.decoder().start({model.encode(source, mask, {}), mask});
    for (std::int64_t t = 0; t < 3; ++t) model.decoder().step(target.narrow(1, t, 1).contiguous(), state);
    state.select(rows);
    for (std::int64_t t = 3; t < 6; ++t) {
      const Tensor hidden = model.decoder().step(select_rows(target.narrow(1, t, 1).contiguous(), rows), state);
      require_close("hidden", values_of(select_rows(expected.narrow(1, t, 1).contiguous(), rows)), values_of(hidden),
                    {.rel = 1e-10});
    }
  }
}

TEST_CASE("with own lengths an attention compares shares of the two texts, as plain loops do") {
  constexpr std::int64_t kQueries = 5, kKeys = 8, kDim = 3;
  AttentionConfig config;
  config.cross_reweighting = CrossReweighting::own_lengths;
  // Another length of its own has no say.
  config.reweighting_length = ReweightingLength::fixed;
  config.reweighting_length_value = 100;
  ParameterStore store(1, DType::float64);
  const auto attention =
      make_attention(config, {.scope = Scope(store), .num_heads = 1, .head_dim = kDim, .embed_dim = kDim, .max_length = 50});
  const Tensor query = random_tensor({1, kQueries, 1, kDim}, 1, DType::float64),
               key = random_tensor({1, kKeys, 1, kDim}, 2, DType::float64),
               value = random_tensor({1, kKeys, 1, kDim}, 3, DType::float64);
  const std::vector<std::int64_t> query_lengths = {4}, key_lengths = {7};
  const AttentionMask mask{false, padding_mask_from_lengths(key_lengths, kKeys),
                           padding_mask_from_lengths(query_lengths, kQueries)};
  const Values q = values_of(query), k = values_of(key), v = values_of(value);
  Values expected;
  for (std::int64_t i = 0; i < 4; ++i) {
    Values sums(kDim);
    double normalizer = 0;
    for (std::int64_t j = 0; j < 7; ++j) {
      double similarity = 0;
      for (std::int64_t d = 0; d < kDim; ++d) {
        similarity += std::max(q[static_cast<std::size_t>(i * kDim + d)], 0.0) *
                      std::max(k[static_cast<std::size_t>(j * kDim + d)], 0.0);
      }
      similarity *= std::cos(std::numbers::pi / 2 * (static_cast<double>(i + 1) / 4 - static_cast<double>(j + 1) / 7));
      normalizer += similarity;
      for (std::int64_t d = 0; d < kDim; ++d)
        sums[static_cast<std::size_t>(d)] += similarity * v[static_cast<std::size_t>(j * kDim + d)];
    }
    for (const double sum : sums) expected.push_back(sum / std::max(normalizer, 1e-6));
  }
  const Tensor out = attention->forward({Variable(query), Variable(key), Variable(value)}, mask, {}).value();
  require_close("out", expected, values_of(out.narrow(1, 0, 4).contiguous()), {.rel = 1e-12});
}

TEST_CASE("each place of an encoder-decoder has the attention that its key names") {
  AttentionConfig config;
  config.kind = "linear";
  config.encoder = "softmax";
  config.cross = "local";
  config.self_reweighting_length = 7;
  config.cross_reweighting = CrossReweighting::own_lengths;
  const AttentionConfig encoder = attention_at(config, AttentionPlace::encoder, 0),
                        self = attention_at(config, AttentionPlace::decoder_self, 0),
                        cross = attention_at(config, AttentionPlace::cross, 0);
  CHECK((encoder.kind == "softmax" && self.kind == "linear" && cross.kind == "local"));
  CHECK((encoder.cross_reweighting == CrossReweighting::shared_length &&
         self.cross_reweighting == CrossReweighting::shared_length));
  CHECK(cross.cross_reweighting == CrossReweighting::own_lengths);
  CHECK((self.reweighting_length == ReweightingLength::fixed && self.reweighting_length_value == 7));
  CHECK((encoder.reweighting_length == ReweightingLength::automatic &&
         cross.reweighting_length == ReweightingLength::automatic));
}

TEST_CASE("an encoder and a decoder that share embeddings have one table with the gradients of both") {
  ModelConfig config = small_model(ModelKind::encoder_decoder, {}, 12);
  config.share_embeddings = true;
  const Model model(config, 7, DType::float64);
  const auto tables = std::ranges::count_if(
      model.parameters(), [](const Parameter& parameter) { return parameter.name.ends_with("embed_tokens.weight"); });
  CHECK(tables == 1);
  CHECK(model.parameters().front().name == "encoder.embed_tokens.weight");
  CHECK(model.output_weight().node() == model.parameters().front().variable.node());
  config.kind = ModelKind::decoder;
  CHECK_THROWS_WITH(Model(config, 7), "model.share_embeddings: only an encoder_decoder has two tables");
}

}  // namespace cosformer::test

#include "layers/attention/reweighting_length.h"

#include <cmath>

#include "tests/catch.h"

namespace cosformer::test {

namespace {

AttentionConfig with_length(ReweightingLength length, std::int64_t value = 0) {
  AttentionConfig config;
  config.reweighting_length = length;
  config.reweighting_length_value = value;
  return config;
}

}  // namespace

TEST_CASE("a causal length that is left open is the longest text's, and is written down") {
  const TextLengths lengths{.seq_len = 96};
  const AttentionConfig decoder =
      settle_reweighting_length(with_length(ReweightingLength::automatic), ModelKind::decoder, lengths);
  CHECK(decoder.reweighting_length == ReweightingLength::fixed);
  CHECK(decoder.reweighting_length_value == 96);
  // Once settled, another task's length changes nothing.
  const AttentionConfig again = settle_reweighting_length(decoder, ModelKind::decoder, {.seq_len = 7, .padded = 9});
  CHECK(again.reweighting_length_value == 96);
  CHECK(again.causal_length == 96);

  const AttentionConfig both =
      settle_reweighting_length(with_length(ReweightingLength::automatic), ModelKind::encoder_decoder, lengths);
  CHECK(both.reweighting_length == ReweightingLength::automatic);
  CHECK(both.self_reweighting_length == 96);
  CHECK(with_length_at(both, AttentionPlace::decoder_self).reweighting_length_value == 96);
  CHECK(both.cross_reweighting_length == 96);
  CHECK(with_length_at(both, AttentionPlace::cross).reweighting_length_value == 96);
  CHECK(with_length_at(both, AttentionPlace::encoder).reweighting_length == ReweightingLength::automatic);

  const AttentionConfig encoder =
      settle_reweighting_length(with_length(ReweightingLength::automatic), ModelKind::encoder, lengths);
  CHECK(encoder.reweighting_length == ReweightingLength::automatic);
}

TEST_CASE("between two texts M is one number for all, unless the config says whose lengths it follows") {
  const TextLengths lengths{.seq_len = 96};
  for (const CrossReweighting reweighting : {CrossReweighting::shared_length, CrossReweighting::own_lengths}) {
    AttentionConfig config;
    config.cross_reweighting = reweighting;
    const AttentionConfig settled = settle_reweighting_length(config, ModelKind::encoder_decoder, lengths);
    CHECK(settled.cross_reweighting_length == 0);
    CHECK(with_length_at(settled, AttentionPlace::cross).reweighting_length == ReweightingLength::automatic);
    // A number of the other setting has no say.
    config.cross_reweighting_length = 33;
    CHECK(with_length_at(config, AttentionPlace::cross).reweighting_length == ReweightingLength::automatic);
  }
  AttentionConfig config;
  config.cross_reweighting_length = 33;
  const AttentionConfig own = settle_reweighting_length(config, ModelKind::encoder_decoder, lengths);
  CHECK(with_length_at(own, AttentionPlace::cross).reweighting_length_value == 33);
  // reweighting_length is of all places that have no number of their own.
  const AttentionConfig all =
      settle_reweighting_length(with_length(ReweightingLength::fixed, 20), ModelKind::encoder_decoder, lengths);
  CHECK(with_length_at(all, AttentionPlace::cross).reweighting_length_value == 20);
  CHECK(settle_reweighting_length({}, ModelKind::decoder, lengths).cross_reweighting_length == 0);
}

TEST_CASE("a padded length is a number where every batch is padded to the same") {
  const AttentionConfig padded = with_length(ReweightingLength::padded);
  CHECK(settle_reweighting_length(padded, ModelKind::encoder, {.seq_len = 30}).reweighting_length ==
        ReweightingLength::padded);
  const AttentionConfig settled = settle_reweighting_length(padded, ModelKind::encoder, {.seq_len = 30, .padded = 30});
  CHECK(settled.reweighting_length == ReweightingLength::fixed);
  CHECK(settled.reweighting_length_value == 30);
  // A text that is being written has no padded length yet.
  const AttentionConfig written =
      with_constant_length(settle_reweighting_length(padded, ModelKind::decoder, {.seq_len = 40}));
  CHECK(written.reweighting_length == ReweightingLength::fixed);
  CHECK(written.reweighting_length_value == 40);
}

TEST_CASE("a run that begins with given weights takes the lengths that it leaves open from them") {
  AttentionConfig given = with_length(ReweightingLength::fixed, 512);
  given.self_reweighting_length = 33;
  given.cross_reweighting_length = 44;
  const AttentionConfig adopted = adopt_reweighting_length(with_length(ReweightingLength::automatic), given);
  CHECK(adopted.reweighting_length == ReweightingLength::fixed);
  CHECK(adopted.reweighting_length_value == 512);
  CHECK(adopted.self_reweighting_length == 33);
  CHECK(adopted.cross_reweighting_length == 44);
  AttentionConfig shared = with_length(ReweightingLength::automatic);
  shared.cross_reweighting = CrossReweighting::shared_length;
  CHECK(adopt_reweighting_length(shared, given).cross_reweighting_length == 0);
  CHECK(adopt_reweighting_length(with_length(ReweightingLength::fixed, 64), given).reweighting_length_value == 64);
}

TEST_CASE("a decay has RetNet's rate for each head, or the given one for all") {
  AttentionConfig config;
  const ReweightingKind& kind = reweighting_kind(Reweighting::decay);
  const ReweightingSteps steps = reweighting_steps(config, kind, 3, 2, 5, 5, {.causal = true});
  REQUIRE(steps.query.size() == 3);
  CHECK(steps.query == steps.key);
  for (std::size_t h = 0; h < 3; ++h) {
    CHECK(std::exp(-steps.query[h]) == Approx(1 - std::pow(2.0, -5.0 - static_cast<double>(h))).epsilon(1e-14));
  }
  config.decay = 0.9;
  for (const double step : reweighting_steps(config, kind, 3, 2, 5, 5, {.causal = true}).key) {
    CHECK(std::exp(-step) == Approx(0.9).epsilon(1e-14));
  }
  CHECK(reweighting_steps(config, reweighting_kind(Reweighting::none), 3, 2, 5, 5, {.causal = true}).query.empty());
}

}  // namespace cosformer::test

#include <algorithm>
#include <memory>

#include "autograd/backward.h"
#include "tests/catch.h"
#include "tests/support/layer_cases.h"
#include "tests/support/require_close.h"
#include "tests/support/thread_counts.h"

namespace cosformer::test {

namespace {

/// Queries and keys whose similarities are mostly positive, so that no normaliser is near 0.
struct Inputs {
  Inputs(std::int64_t batch, std::int64_t queries, std::int64_t keys, DType dtype)
      : query(random_tensor({batch, queries, 2, 4}, 1, dtype, -0.05, 1)),
        key(random_tensor({batch, keys, 2, 4}, 2, dtype, -0.05, 1)),
        value(random_tensor({batch, keys, 2, 4}, 3, dtype)) {}

  Tensor query, key, value;
};

Tolerance tolerance_of(DType dtype) { return {.rel = dtype == DType::float32 ? 1e-5 : 1e-10}; }

/// Elements of the positions of `x` [B, T, ..] whose flag in `mask` is `real`.
Values positions_of(const Tensor& x, const PaddingMask& mask, bool real) {
  const Values all = values_of(x);
  const std::size_t width = all.size() / mask.real.size();
  Values chosen;
  for (std::size_t i = 0; i < mask.real.size(); ++i) {
    if ((mask.real[i] != 0) != real) continue;
    chosen.insert(chosen.end(), all.begin() + static_cast<std::ptrdiff_t>(i * width),
                  all.begin() + static_cast<std::ptrdiff_t>((i + 1) * width));
  }
  return chosen;
}

bool all_zero(const Values& values) {
  return !values.empty() && std::ranges::all_of(values, [](double x) { return x == 0; });
}

/// A loss of the real positions alone.
Variable loss_of_real(const Variable& out, const PaddingMask& mask) {
  Tensor weights = random_tensor(out.shape(), 98, out.dtype());
  for (std::int64_t b = 0; b < mask.batch; ++b) {
    for (std::int64_t t = 0; t < mask.length; ++t) {
      if (!mask.real[static_cast<std::size_t>(b * mask.length + t)]) weights.narrow(0, b, 1).narrow(1, t, 1).fill(0);
    }
  }
  return weighted_sum(out, weights);
}

}  // namespace

TEST_CASE("a padded item gets the output it has alone, and padding no gradient") {
  const ThreadCountScope one_thread(1);
  const std::vector<std::int64_t> lengths = {9, 4, 12, 1};
  const SharedPaddingMask mask = padding_mask_from_lengths(lengths, 12);
  for (const Variant& variant : attention_variants()) {
    for (const DType dtype : {DType::float32, DType::float64}) {
      const LoneAttention attention(variant.config, 20, dtype);
      for (const bool causal : {false, true}) {
        if (!variant.supports_mask(causal) || !variant.supports().padding) continue;
        CAPTURE(variant.name, dtype_name(dtype), causal);
        const Inputs inputs(4, 12, 12, dtype);
        const Variable query = Variable::leaf(inputs.query), key = Variable::leaf(inputs.key),
                       value = Variable::leaf(inputs.value);
        const Variable out = attention.forward(query, key, value, {.causal = causal, .key_mask = mask, .query_mask = mask});
        const Tensor batch_out = out.value();
        const Gradients gradients = backward(loss_of_real(out, *mask));
        for (std::int64_t b = 0; b < 4; ++b) {
          const std::int64_t length = lengths[static_cast<std::size_t>(b)];
          const auto alone = [&](const Tensor& x) { return Variable::leaf(x.narrow(0, b, 1).narrow(1, 0, length).clone()); };
          const Variable q = alone(inputs.query), k = alone(inputs.key), v = alone(inputs.value);
          const Variable own = attention.forward(q, k, v, {.causal = causal, .key_mask = {}, .query_mask = {}});
          const auto in_batch = [&](const Tensor& x) { return values_of(x.narrow(0, b, 1).narrow(1, 0, length)); };
          require_close("output", values_of(own.value()), in_batch(batch_out), tolerance_of(dtype));
          const Tensor weights =
              random_tensor(batch_out.shape(), 98, dtype).narrow(0, b, 1).narrow(1, 0, length).contiguous();
          const Gradients own_gradients = backward(weighted_sum(own, weights));
          require_close("value gradient", values_of(own_gradients.of(v)), in_batch(gradients.of(value)),
                        {.rel = 10 * tolerance_of(dtype).rel});
          require_close("query gradient", values_of(own_gradients.of(q)), in_batch(gradients.of(query)),
                        {.rel = 10 * tolerance_of(dtype).rel, .abs = 10 * tolerance_of(dtype).rel});
          require_close("key gradient", values_of(own_gradients.of(k)), in_batch(gradients.of(key)),
                        {.rel = 10 * tolerance_of(dtype).rel, .abs = 10 * tolerance_of(dtype).rel});
        }
        for (const Variable& input : {query, key, value}) CHECK(all_zero(positions_of(gradients.of(input), *mask, false)));
      }
    }
  }
}

TEST_CASE("what stands in padded keys changes no bit, wherever they are") {
  const ThreadCountScope one_thread(1);
  const SharedPaddingMask mask = mask_of({"0011011", "1010101", "0000001", "0000000"});
  for (const Variant& variant : attention_variants()) {
    for (const bool causal : {false, true}) {
      CAPTURE(variant.name, causal);
      if (!variant.supports_mask(causal) || !variant.supports().padding) continue;
      const LoneAttention attention(variant.config);
      const Inputs inputs(4, causal ? 7 : 5, 7, DType::float32);
      const auto run = [&](const Tensor& keys, const Tensor& values) {
        const Variable query = Variable::leaf(inputs.query), key = Variable::leaf(keys), value = Variable::leaf(values);
        const Variable out = attention.forward(query, key, value, {.causal = causal, .key_mask = mask, .query_mask = {}});
        Values all = values_of(out.value());
        const Gradients gradients = backward(uneven_loss(out));
        for (const Variable& input : {query, key, value}) {
          const Values gradient = values_of(gradients.of(input));
          all.insert(all.end(), gradient.begin(), gradient.end());
        }
        CHECK(all_zero(positions_of(gradients.of(key), *mask, false)));
        CHECK(all_zero(positions_of(gradients.of(value), *mask, false)));
        CHECK_FALSE(all_zero(positions_of(gradients.of(value), *mask, true)));
        return all;
      };
      const auto overwritten = [&](const Tensor& x) {
        Tensor copy = x.clone();
        for (std::int64_t i = 0; i < mask->batch * mask->length; ++i) {
          if (!mask->real[static_cast<std::size_t>(i)])
            copy.narrow(0, i / mask->length, 1).narrow(1, i % mask->length, 1).fill(3.0);
        }
        return copy;
      };
      const Values before = run(inputs.key, inputs.value);
      CHECK(before == run(overwritten(inputs.key), overwritten(inputs.value)));
      CHECK(std::ranges::all_of(before, [](double x) { return x == x; }));
    }
  }
}

TEST_CASE("padding between real tokens that is left out changes neither classes nor gradients") {
  const ThreadCountScope one_thread(1);
  const SharedPaddingMask whole = mask_of({"101100000111", "000010010001", "111111111111", "100000000000"});
  // The same tokens without the padding between them; as a data set leaves it out, the first token stays.
  const std::vector<std::vector<std::int32_t>> kept = {
      {0, 2, 3, 9, 10, 11}, {0, 4, 7, 11}, {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11}, {0}};
  const Tensor ids = random_ids({4, 12}, 5, 13);
  PaddingMask left_out{4, 12, {}, {}, 12};
  std::vector<std::int32_t> left_ids;
  for (std::size_t b = 0; b < 4; ++b) {
    for (std::size_t i = 0; i < 12; ++i) {
      const std::size_t place = 12 * b + static_cast<std::size_t>(kept[b][std::min(i, kept[b].size() - 1)]);
      left_out.positions.push_back(static_cast<std::int32_t>(place - 12 * b));
      left_out.real.push_back(i < kept[b].size() ? whole->real[place] : 0);
      left_ids.push_back(std::as_const(ids).span<std::int32_t>()[place]);
    }
  }
  const SharedPaddingMask mask = std::make_shared<const PaddingMask>(std::move(left_out));
  const Tensor tokens = Tensor::from<std::int32_t>({4, 12}, std::span<const std::int32_t>(left_ids));
  struct Choice {
    Positions positions;
    Pooling pooling;
    PoolingDivisor divisor;
    ReweightingLength reweighting_length;
  };
  constexpr Choice kChoices[] = {
      {Positions::learned, Pooling::mean, PoolingDivisor::padded, ReweightingLength::padded},
      {Positions::sinusoidal, Pooling::mean, PoolingDivisor::real, ReweightingLength::automatic},
      {Positions::none, Pooling::first, PoolingDivisor::real, ReweightingLength::padded},
      {Positions::rope, Pooling::mean, PoolingDivisor::real, ReweightingLength::automatic},
  };
  for (const Variant& variant : attention_variants(ModelKind::encoder)) {
    if (!variant.never_negative()) continue;
    for (const Choice& choice : kChoices) {
      CAPTURE(variant.name, static_cast<int>(choice.positions));
      ModelConfig config = small_model(ModelKind::encoder, variant.config, 12);
      config.positions = choice.positions;
      config.pooling = choice.pooling;
      config.pooling_divisor = choice.divisor;
      config.attention.reweighting_length = choice.reweighting_length;
      config.attention.window = 2;
      const Model model(config, 7, DType::float64);
      const auto run = [&](const Tensor& texts, const SharedPaddingMask& real) {
        const Pass pass{.record_gradients = true};
        const Variable classes = model.classify(model.encode(texts, real, pass), real, pass);
        const Gradients gradients = backward(uneven_loss(classes));
        std::vector<Values> results{values_of(classes.value())};
        for (const Parameter& parameter : model.parameters()) results.push_back(values_of(gradients.of(parameter.variable)));
        return results;
      };
      const std::vector<Values> expected = run(ids, whole), actual = run(tokens, mask);
      for (std::size_t i = 0; i < expected.size(); ++i) {
        CAPTURE(i == 0 ? std::string("classes") : model.parameters()[i - 1].name);
        require_close("results", expected[i], actual[i], {.rel = 1e-9, .abs = 1e-12});
      }
    }
  }
}

TEST_CASE("an encoder's classes do not depend on an item's neighbours") {
  const ThreadCountScope one_thread(1);
  const std::vector<std::int64_t> lengths = {9, 4, 12};
  const SharedPaddingMask mask = padding_mask_from_lengths(lengths, 12);
  for (const Variant& variant : attention_variants(ModelKind::encoder)) {
    if (!variant.never_negative()) continue;
    for (const DType dtype : {DType::float32, DType::float64}) {
      CAPTURE(variant.name, dtype_name(dtype));
      const Model model(small_model(ModelKind::encoder, variant.config, 12), 7, dtype);
      const Tensor ids = random_ids({3, 12}, 5, 13);
      const auto classes = [&](const Tensor& tokens, const SharedPaddingMask& real) {
        return values_of(model.classify(model.encode(tokens, real, {}), real, {}).value());
      };
      const Values batch = classes(ids, mask);
      for (std::int64_t b = 0; b < 3; ++b) {
        const Tensor alone = ids.narrow(0, b, 1).narrow(1, 0, lengths[static_cast<std::size_t>(b)]).contiguous();
        require_close("classes", classes(alone, nullptr), Values(batch.begin() + 3 * b, batch.begin() + 3 * (b + 1)),
                      tolerance_of(dtype));
      }
    }
  }
}

TEST_CASE("a decoder with an encoder does not see an item's neighbours") {
  const ThreadCountScope one_thread(1);
  const std::vector<std::int64_t> source_lengths = {9, 4, 12}, lengths = {3, 8, 7};
  const SharedPaddingMask source_mask = padding_mask_from_lengths(source_lengths, 12),
                          mask = padding_mask_from_lengths(lengths, 8);
  std::vector<Variant> variants = attention_variants(ModelKind::encoder_decoder);
  AttentionConfig by_lengths;
  by_lengths.cross_reweighting = CrossReweighting::own_lengths;
  variants.push_back({"cosformer with own lengths", by_lengths});
  by_lengths.cross_reweighting = CrossReweighting::shared_length;
  variants.push_back({"cosformer with a shared length", by_lengths});
  for (const Variant& variant : variants) {
    if (!variant.never_negative()) continue;
    CAPTURE(variant.name);
    const Model model(small_model(ModelKind::encoder_decoder, variant.config, 12), 7, DType::float64);
    const Tensor source = random_ids({3, 12}, 5, 13), ids = random_ids({3, 8}, 6, 13);
    const Tensor batch = model.decode(ids, mask, {model.encode(source, source_mask, {}), source_mask}, {}).value();
    for (std::int64_t b = 0; b < 3; ++b) {
      const auto item = [&](const Tensor& x, const std::vector<std::int64_t>& sizes) {
        return x.narrow(0, b, 1).narrow(1, 0, sizes[static_cast<std::size_t>(b)]).contiguous();
      };
      const Variable encoded = model.encode(item(source, source_lengths), nullptr, {});
      const Variable alone = model.decode(item(ids, lengths), nullptr, {encoded, nullptr}, {});
      require_close("hidden", values_of(alone.value()), values_of(item(batch, lengths)), {.rel = 1e-10});
    }
  }
}

}  // namespace cosformer::test

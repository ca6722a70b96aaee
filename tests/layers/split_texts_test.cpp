// One text as a whole, in pieces that hand on their state, beside other texts, padded and behind them in one row: the same
// losses, for every kind of attention.
#include <algorithm>

#include "autograd/backward.h"
#include "layers/packed_texts.h"
#include "tests/catch.h"
#include "tests/support/layer_cases.h"
#include "tests/support/require_close.h"
#include "tests/support/thread_counts.h"

namespace cosformer::test {

namespace {

constexpr std::int64_t kLength = 14;

/// -log p of each target by itself, from hidden states [1, N, embed_dim].
Values losses(const Model& model, const Tensor& hidden, const Tensor& targets) {
  Values all;
  for (std::int64_t t = 0; t < hidden.dim(1); ++t) {
    const Variable row(hidden.narrow(1, t, 1).contiguous().reshape({1, model.config().embed_dim}));
    all.push_back(model.token_loss(row, targets.narrow(1, t, 1).contiguous().reshape({1}), 1.0, {}).value().item());
  }
  return all;
}

/// Decoders of every kind whose rows do not depend on rounding alone, with and without what may stand around an attention.
template <class Visit>
void for_each_decoder(Visit&& visit, Positions positions = Positions::none) {
  const ThreadCountScope one_thread(1);
  int visited = 0;
  for (const Variant& variant : attention_variants(ModelKind::decoder)) {
    if (!variant.never_negative()) continue;
    CAPTURE(variant.name);
    ModelConfig config = small_model(ModelKind::decoder, variant.config, 2 * kLength);
    config.num_layers = 2;
    config.positions = positions;
    visit(Model(config, 7, DType::float64));
    ++visited;
  }
  CHECK(visited > 20);
}

}  // namespace

TEST_CASE("a text in pieces that hand on their state has the losses of the whole text, with every attention") {
  for_each_decoder([](const Model& model) {
    const Tensor ids = random_ids({1, kLength}, 5, 13), targets = random_ids({1, kLength}, 6, 13);
    const Values whole = losses(model, model.decode(ids, nullptr, {}, {}).value(), targets);
    for (const std::vector<std::int64_t>& pieces : {std::vector<std::int64_t>{5, 5, 4}, {1, 12, 1}}) {
      DecoderState state = model.decoder().start();
      Values found;
      std::int64_t begin = 0;
      for (const std::int64_t count : pieces) {
        const Tensor hidden = model.decoder().step(ids.narrow(1, begin, count).contiguous(), state);
        std::ranges::copy(losses(model, hidden, targets.narrow(1, begin, count).contiguous()), std::back_inserter(found));
        begin += count;
      }
      require_close("losses", whole, found, {.rel = 1e-9});
    }
  });
}

TEST_CASE("texts that are padded to one length have the losses that they have alone, with every attention") {
  for_each_decoder([](const Model& model) {
    const std::vector<std::int64_t> lengths = {kLength, 9, 1};
    const Tensor ids = random_ids({3, kLength}, 5, 13), targets = random_ids({3, kLength}, 6, 13);
    const Tensor hidden = model.decode(ids, padding_mask_from_lengths(lengths, kLength), {}, {}).value();
    for (std::int64_t b = 0; b < 3; ++b) {
      const std::int64_t count = lengths[static_cast<std::size_t>(b)];
      const auto item = [&](const Tensor& x) { return x.narrow(0, b, 1).narrow(1, 0, count).contiguous(); };
      require_close("losses", losses(model, model.decode(item(ids), nullptr, {}, {}).value(), item(targets)),
                    losses(model, item(hidden), item(targets)), {.rel = 1e-9});
    }
  });
}

TEST_CASE("texts side by side in pieces are the texts alone, and tell each other nothing") {
  for_each_decoder([](const Model& model) {
    const Tensor ids = random_ids({2, kLength}, 5, 13), targets = random_ids({2, kLength}, 6, 13);
    DecoderState state = model.decoder().start();
    Tensor hidden = Tensor::zeros({2, kLength, model.config().embed_dim}, DType::float64);
    for (std::int64_t begin = 0; begin < kLength; begin += 7) {
      hidden.narrow(1, begin, 7).copy_from(model.decoder().step(ids.narrow(1, begin, 7).contiguous(), state));
    }
    for (std::int64_t b = 0; b < 2; ++b) {
      const auto item = [&](const Tensor& x) { return x.narrow(0, b, 1).contiguous(); };
      require_close("losses", losses(model, model.decode(item(ids), nullptr, {}, {}).value(), item(targets)),
                    losses(model, item(hidden), item(targets)), {.rel = 1e-9});
    }
  });
}

TEST_CASE("texts that share a row have the losses and gradients that they have alone, with every attention") {
  // Of two rows, the texts: three in the first, one in the second.
  struct Text {
    std::int64_t row, begin, length;
  };
  constexpr Text kTexts[] = {{0, 0, 5}, {0, 5, 1}, {0, 6, kLength - 6}, {1, 0, kLength}};
  const std::vector<std::vector<std::int64_t>> starts = {{5, 6}, {}};
  for (const Positions positions : {Positions::none, Positions::learned, Positions::sinusoidal, Positions::rope}) {
    CAPTURE(static_cast<int>(positions));
    for_each_decoder(
        [&](const Model& model) {
          const Tensor ids = random_ids({2, kLength}, 5, 13), targets = random_ids({2, kLength}, 6, 13);
          const std::int64_t width = model.config().embed_dim;
          const auto loss = [&](const Variable& hidden, const Tensor& wanted, const Pass& pass) {
            return model.token_loss(reshape(hidden, {wanted.size(), width}), wanted.reshape({wanted.size()}), 1.0, pass);
          };
          Pass pass{.record_gradients = true};
          Gradients alone;
          double sum = 0;
          for (const Text& text : kTexts) {
            const auto own = [&](const Tensor& x) {
              return x.narrow(0, text.row, 1).narrow(1, text.begin, text.length).contiguous();
            };
            const Variable one = loss(model.decode(own(ids), nullptr, {}, pass), own(targets), pass);
            sum += one.value().item();
            alone = backward(one, std::move(alone));
          }
          pass.packed = pack_texts(starts, kLength);
          REQUIRE(pass.packed);
          for (const bool recompute_layers : {false, true}) {
            pass.recompute_layers = recompute_layers;
            const Variable all = loss(model.decode(ids, nullptr, {}, pass), targets, pass);
            require_close("loss", sum, all.value().item(), {.rel = 1e-9});
            const Gradients gradients = backward(all);
            for (const Parameter& parameter : model.parameters()) {
              REQUIRE(gradients.of(parameter.variable).defined() == alone.of(parameter.variable).defined());
              if (!alone.of(parameter.variable).defined()) continue;
              require_close(parameter.name, values_of(alone.of(parameter.variable)),
                            values_of(gradients.of(parameter.variable)), {.rel = 1e-8, .abs = 1e-11});
            }
          }
        },
        positions);
  }
}

TEST_CASE("rows that are one text each are not packed") {
  CHECK(pack_texts(std::vector<std::vector<std::int64_t>>{{}, {}}, 5) == nullptr);
  CHECK_THROWS_AS(pack_texts(std::vector<std::vector<std::int64_t>>{{3, 3}}, 5), ShapeError);
  CHECK_THROWS_AS(pack_texts(std::vector<std::vector<std::int64_t>>{{5}}, 5), ShapeError);
}

TEST_CASE("a model can keep texts of a row apart if its attention takes padding") {
  for (const Variant& variant : attention_variants(ModelKind::decoder)) {
    CAPTURE(variant.name);
    CHECK(find_packing_problem(small_model(ModelKind::decoder, variant.config, 8)).has_value() !=
          variant.supports().padding);
  }
}

}  // namespace cosformer::test

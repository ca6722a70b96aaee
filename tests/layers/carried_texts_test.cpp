#include "layers/carried_texts.h"

#include <functional>

#include "autograd/backward.h"
#include "layers/attention/carried_attention.h"
#include "layers/sequence/model_in_parts.h"
#include "tests/catch.h"
#include "tests/layers/parameter_gradients.h"
#include "tests/support/layer_cases.h"
#include "tests/support/require_close.h"

namespace cosformer::test {

namespace {

constexpr std::int64_t kRows = 2, kTokens = 5, kWindows = 3, kLength = kTokens * kWindows;

struct Case {
  std::string name;
  ModelConfig config;
};

/// Every attention that can go on with a text, and what may stand around it.
std::vector<Case> cases() {
  std::vector<Case> all;
  const auto add = [&](const std::string& name, const AttentionConfig& attention,
                       const std::function<void(ModelConfig&)>& change) {
    Case& added = all.emplace_back(Case{name, small_model(ModelKind::decoder, attention, kLength)});
    added.config.num_layers = 2;
    added.config.positions = Positions::none;
    added.config.attention.chunk_size = 3;
    change(added.config);
  };
  for (const Variant& variant : attention_variants(ModelKind::decoder)) {
    if (variant.supports().carries)
      add(variant.name, variant.config, [](ModelConfig& own) {
        if (own.attention.alibi) own.positions = Positions::alibi;
      });
  }
  for (const char* kind : {"cosformer", "local"}) {
    const AttentionConfig attention{.kind = kind, .window = 3};
    add("post-norm", attention, [](ModelConfig& own) { own.norm = NormPlacement::post; });
    add("rotary positions", attention, [](ModelConfig& own) { own.positions = Positions::rope; });
    add("sinusoidal positions", attention, [](ModelConfig& own) { own.positions = Positions::sinusoidal; });
    add("an output of its own", attention, [](ModelConfig& own) { own.tie_embeddings = false; });
    add("shared keys, gated units, RMS norms", attention, [](ModelConfig& own) {
      own.num_kv_heads = 1;
      own.norm_kind = NormKind::rms;
      own.ffn_kind = FeedForwardKind::swiglu;
      own.attention.output_gate = OutputGate::silu;
    });
    add("a convolution that is longer than a window", attention, [](ModelConfig& own) {
      own.attention.short_convolution = 9;
      own.num_kv_heads = 1;
    });
    add("a convolution of one tap", attention, [](ModelConfig& own) { own.attention.short_convolution = 1; });
    add("a window of positions that is longer than a window of training", attention,
        [](ModelConfig& own) { own.attention.window = 12; });
    add("a window of no other position", attention, [](ModelConfig& own) { own.attention.window = 0; });
    add("by layers", attention, [](ModelConfig& own) { own.attention.layers = {"local", "linear"}; });
    add("windows in one chunk", attention, [](ModelConfig& own) { own.attention.chunk_size = 64; });
  }
  return all;
}

Tensor columns(const Tensor& values, std::int64_t first, std::int64_t count) {
  return values.narrow(1, first, count).contiguous();
}

/// Texts and what their tokens are followed by.
struct Texts {
  explicit Texts(const ModelConfig& config, std::int64_t length = kLength)
      : ids(random_ids({kRows, length}, 3, config.vocab_size)), targets(random_ids({kRows, length}, 4, config.vocab_size)) {}

  /// The loss of the tokens [first, first + count), as texts of their own or as `pass` has it.
  Variable loss(const Model& model, std::int64_t first, std::int64_t count, const Pass& pass) const {
    return decoder_loss(model, columns(ids, first, count), columns(targets, first, count), 1.0, pass);
  }

  Tensor ids, targets;
};

double value_of(const Variable& loss) { return loss.value().item(); }

}  // namespace

TEST_CASE("what says that it goes on with a text does") {
  for (const Variant& variant : attention_variants()) {
    CAPTURE(variant.name);
    if (variant.supports().carries) CHECK(LoneAttention(variant.config)->carried() != nullptr);
  }
}

TEST_CASE("windows that go on with their texts have the losses of whole texts") {
  const std::vector<Case> all = cases();
  CHECK(all.size() > 50);
  for (const auto& [name, config] : all) {
    // Softmax sees one window back, and no further in each layer.
    const bool sees_all = config.attention.kind.find("softmax") == std::string::npos;
    CAPTURE(name);
    Model model(config, 1, DType::float64);
    spread_parameters(model.parameters());
    const Texts texts(config);
    CarriedStates states(model.decoder(), kRows, kTokens, DType::float64);
    double before = 0;
    for (std::int64_t window = 0; window < kWindows; ++window) {
      CHECK(states.tokens_before() == window * kTokens);
      const CarriedTexts carried = states.rows(0, kRows);
      const double loss = value_of(texts.loss(model, window * kTokens, kTokens, {.carried = &carried}));
      states.advance();
      const double whole = value_of(texts.loss(model, 0, (window + 1) * kTokens, {}));
      if (sees_all || window < 2) require_close("loss", whole - before, loss, {.rel = 1e-10, .abs = 1e-10});
      before = whole;
    }
    states.restart();
    const CarriedTexts carried = states.rows(0, kRows);
    const double anew = value_of(texts.loss(model, 0, kTokens, {.carried = &carried}));
    require_close("loss", value_of(texts.loss(model, 0, kTokens, {})), anew, {.rel = 1e-12});
  }
}

TEST_CASE("softmax sees the keys of one window back") {
  for (const char* kind : {"softmax", "softmax_materialized"}) {
    ModelConfig config = small_model(ModelKind::decoder, {.kind = kind}, kLength);
    config.positions = Positions::rope;
    const Model model(config, 1, DType::float64);
    const Texts texts(config);
    CarriedStates states(model.decoder(), kRows, kTokens, DType::float64);
    double last = 0;
    for (std::int64_t window = 0; window < kWindows; ++window) {
      const CarriedTexts carried = states.rows(0, kRows);
      last = value_of(texts.loss(model, window * kTokens, kTokens, {.carried = &carried}));
      states.advance();
    }
    // Keys of a single layer depend on their tokens alone: the last two windows are as a text by themselves.
    Texts end = texts;
    end.ids = columns(texts.ids, kTokens, 2 * kTokens);
    end.targets = columns(texts.targets, kTokens, 2 * kTokens);
    const double expected = value_of(end.loss(model, 0, 2 * kTokens, {})) - value_of(end.loss(model, 0, kTokens, {}));
    CAPTURE(kind);
    require_close("loss", expected, last, {.rel = 1e-10});
  }
}

TEST_CASE("gradients of a window are those of its loss with the state before as a constant") {
  for (const auto& [name, given] : cases()) {
    // Feature maps have tests of their own.
    if (given.attention.kind == "linear" && given.attention.feature_map != "elu" && given.attention.feature_map != "favor")
      continue;
    ModelConfig config = given;
    config.num_layers = std::min<std::int64_t>(config.num_layers, config.attention.layers.empty() ? 1 : 2);
    Model model(config, 1, DType::float64);
    spread_parameters(model.parameters());
    const Texts texts(config);
    CarriedStates states(model.decoder(), kRows, kTokens, DType::float64);
    const CarriedTexts first = states.rows(0, kRows);
    texts.loss(model, 0, kTokens, {.carried = &first});
    states.advance();
    const CarriedTexts second = states.rows(0, kRows);
    CAPTURE(name);
    for (const bool recompute : {false, true}) {
      const auto loss = [&](Pass pass) {
        pass.carried = &second;
        pass.recompute_layers = recompute && pass.record_gradients;
        return scale(texts.loss(model, kTokens, kTokens, pass), 0.1);
      };
      CHECK(worst_parameter_error(model.parameters(), loss) < 1e-6);
    }
  }
}

TEST_CASE("rows that pass by themselves, and layers that are computed again, leave the same bits") {
  for (const auto& [name, given] : cases()) {
    ModelConfig config = given;
    config.dropout = 0.2;
    if (config.attention.kind.starts_with("softmax")) config.attention.dropout = 0.3;
    const Model model(config, 1);
    const Texts texts(config);
    const auto run = [&](bool apart, bool recompute) {
      CarriedStates states(model.decoder(), kRows, kTokens, DType::float32);
      for (std::int64_t window = 0; window < kWindows; ++window) {
        for (std::int64_t row = 0; row < kRows; row += apart ? 1 : kRows) {
          const CarriedTexts carried = states.rows(row, apart ? 1 : kRows);
          Texts own = texts;
          if (apart) {
            own.ids = texts.ids.narrow(0, row, 1).contiguous();
            own.targets = texts.targets.narrow(0, row, 1).contiguous();
          }
          const Pass pass{
              .training = !apart, .record_gradients = true, .seed = 3, .recompute_layers = recompute, .carried = &carried};
          backward(own.loss(model, window * kTokens, kTokens, pass));
        }
        states.advance();
      }
      std::vector<Values> all;
      for (const Tensor& state : states.states()) all.push_back(values_of(state));
      return all;
    };
    CAPTURE(name);
    CHECK(run(false, false) == run(false, true));
    CHECK(run(true, false) == run(true, true));
  }
}

TEST_CASE("a config that windows cannot go on with is refused by its key") {
  ModelConfig config = small_model(ModelKind::decoder, {.kind = "cosformer"}, kTokens);
  const auto key_of = [&] {
    const auto problem = find_carry_problem(config, kTokens, kLength);
    if (!problem) return std::string();
    CHECK(problem->message.find('\n') == std::string::npos);
    CHECK(problem->message.find(problem->key) != std::string::npos);
    return std::string(problem->key);
  };
  CHECK(key_of() == "attention.reweighting_length");
  config.attention.reweighting_length = ReweightingLength::fixed;
  config.attention.reweighting_length_value = kLength - 1;
  CHECK(key_of() == "attention.reweighting_length");
  config.attention.reweighting_length_value = kLength;
  CHECK(key_of().empty());
  config.attention.reweighting_length = ReweightingLength::padded;
  CHECK(key_of() == "attention.reweighting_length");
  config.attention.kind = "linear";
  CHECK(key_of().empty());
  config.attention.normalization = "l1";
  CHECK(key_of() == "attention.kind");
  config.attention.normalization = "sum";
  config.attention.redraw_every = 2;
  CHECK(key_of().empty());
  config.attention.feature_map = "favor";
  CHECK(key_of() == "attention.kind");
  config.attention = {.kind = "rfa"};
  CHECK(key_of().empty());
  config.attention.redraw_every = 2;
  CHECK(key_of() == "attention.kind");
  config.attention = {.kind = "cosformer2"};
  CHECK(key_of().empty());
  config.attention.form = "quadratic";
  CHECK(key_of() == "attention.kind");
  config.attention = {.kind = "bigbird"};
  CHECK(key_of() == "attention.kind");
  config.num_layers = 2;
  config.attention.layers = {"softmax", "reformer"};
  CHECK(key_of() == "attention.layers");
  config.attention.layers = {"softmax", "local"};
  CHECK(key_of().empty());
  config.attention.self = "sparse";
  CHECK(key_of() == "attention.self");
}

TEST_CASE("the bytes of states are those of both sides of a window") {
  const Model model(small_model(ModelKind::decoder, {.kind = "local", .window = 3}, kLength), 1);
  CHECK(carried_bytes(model.decoder(), 6, kTokens) == 2 * 6 * 3 * 8 * 2 * 4);
}

}  // namespace cosformer::test

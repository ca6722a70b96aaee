#include "layers/sequence/model_in_parts.h"

#include <mutex>

#include "autograd/backward.h"
#include "layers/sequence/part_graphs.h"
#include "layers/sequence/sequence_group.h"
#include "tests/catch.h"
#include "tests/layers/parameter_gradients.h"
#include "tests/support/layer_cases.h"
#include "tests/support/require_close.h"
#include "tests/support/thread_ranks.h"

namespace cosformer::test {

namespace {

constexpr std::int64_t kLength = 13;  // in parts of 2, the last one shorter

/// A loss and the gradients of all parameters.
struct Outcome {
  double loss = 0;
  std::vector<Values> gradients;
  friend bool operator==(const Outcome&, const Outcome&) = default;
};

Outcome outcome_of(const Model& model, const Variable& loss) {
  Outcome outcome{loss.value().item(), {}};
  const Gradients gradients = backward(loss);
  for (const Parameter& parameter : model.parameters()) {
    const Tensor gradient = gradients.of(parameter.variable);
    outcome.gradients.push_back(gradient.defined() ? values_of(gradient) : Values());
  }
  return outcome;
}

/// What a model is trained on: two texts, one of which an encoder sees with padding at its end.
struct Texts {
  explicit Texts(const ModelConfig& config)
      : ids(random_ids({2, kLength}, 3, config.vocab_size)), targets(random_ids({2, kLength}, 4, config.vocab_size)) {
    const std::vector<std::int64_t> lengths = {kLength, 7};
    if (config.kind == ModelKind::encoder) mask = padding_mask_from_lengths(lengths, kLength);
  }

  Variable loss(const Model& model, const Pass& pass) const {
    if (model.config().kind == ModelKind::decoder) return decoder_loss(model, ids, targets, 0.1, pass);
    return cross_entropy(class_scores(model, ids, mask, pass), random_ids({2}, 5, model.config().num_classes), 0.5);
  }

  /// That of the first of `ranks` ranks, each of which has a model of its own; in a pass without a graph the loss alone.
  Outcome in_parts(const ModelConfig& config, DType dtype, int ranks, const Pass& pass) const {
    Outcome first;
    std::mutex mutex;
    run_ranks(ranks, [&](Communicator& own) {
      Model model(config, 1, dtype);
      spread_parameters(model.parameters());
      SequenceGroup group(own, ranks);
      Pass cut = pass;
      cut.sequence = &group;
      const Variable own_loss = loss(model, cut);
      const Outcome outcome = pass.record_gradients ? outcome_of(model, own_loss) : Outcome{own_loss.value().item(), {}};
      if (own_loss.requires_grad() != pass.record_gradients) throw Error("a graph where none is asked for, or none");
      const std::lock_guard lock(mutex);
      if (own.is_first()) first = outcome;
    });
    return first;
  }

  Tensor ids, targets;
  SharedPaddingMask mask;
};

struct Case {
  std::string name;
  ModelConfig config;
};

/// Every attention that can be cut, and what may stand around it.
std::vector<Case> cases() {
  std::vector<Case> all;
  for (const ModelKind kind : {ModelKind::decoder, ModelKind::encoder}) {
    for (const Variant& variant : attention_variants(kind)) {
      ModelConfig config = small_model(kind, variant.config, kLength);
      config.attention.chunk_size = 2;
      config.num_layers = 2;
      if (!find_cut_problem(config)) all.push_back({variant.name, config});
    }
    ModelConfig config = small_model(kind, {}, kLength);
    config.attention.chunk_size = 2;
    config.num_layers = 2;
    const auto add = [&](const char* name, const std::function<void(ModelConfig&)>& change) {
      all.push_back({name, config});
      change(all.back().config);
    };
    add("a window and sums by layers", [](ModelConfig& own) {
      own.attention.layers = {"local", "cosformer"};
      own.attention.window = 3;
    });
    add("a window within parts", [](ModelConfig& own) {
      own.attention.kind = "local";
      own.attention.window = 2;
      own.attention.chunk_size = 4;
    });
    add("post-norm", [](ModelConfig& own) { own.norm = NormPlacement::post; });
    add("rotary positions", [](ModelConfig& own) { own.positions = Positions::rope; });
    add("sinusoidal positions", [](ModelConfig& own) { own.positions = Positions::sinusoidal; });
    add("shared keys, gated units, RMS norms", [](ModelConfig& own) {
      own.num_kv_heads = 1;
      own.norm_kind = NormKind::rms;
      own.ffn_kind = FeedForwardKind::swiglu;
      own.attention.output_gate = OutputGate::silu;
    });
    if (kind == ModelKind::decoder) {
      add("an output of its own", [](ModelConfig& own) { own.tie_embeddings = false; });
      continue;
    }
    add("the first token", [](ModelConfig& own) { own.pooling = Pooling::first; });
    add("divided by the padded length", [](ModelConfig& own) { own.pooling_divisor = PoolingDivisor::padded; });
  }
  return all;
}

}  // namespace

TEST_CASE("a text in parts has the loss and the gradients of the whole text") {
  const std::vector<Case> all = cases();
  CHECK(all.size() > 40);
  for (const auto& [name, config] : all) {
    const Texts texts(config);
    Model model(config, 1, DType::float64);
    spread_parameters(model.parameters());
    const Pass pass{.training = true, .record_gradients = true};
    const Outcome whole = outcome_of(model, texts.loss(model, pass));
    CAPTURE(name, static_cast<int>(config.kind));
    // One rank has the same bits: see below.
    const Outcome parts = texts.in_parts(config, DType::float64, 3, pass);
    CHECK(std::abs(parts.loss - whole.loss) <= 1e-10 * std::abs(whole.loss));
    for (std::size_t p = 0; p < whole.gradients.size(); ++p) {
      require_close(model.parameters()[p].name, whole.gradients[p], parts.gradients[p], {.rel = 1e-10, .abs = 1e-12});
    }
  }
}

TEST_CASE("a text in parts has the same bits on any number of ranks, kept or computed again, with dropout") {
  for (auto& [name, given] : cases()) {
    // How numbers travel does not depend on the feature map.
    if (given.attention.kind == "linear" && given.attention.feature_map != "relu" && given.attention.feature_map != "favor")
      continue;
    ModelConfig config = given;
    config.dropout = config.activation_dropout = 0.2;
    if (config.attention.kind == "local") config.attention.dropout = 0.3;
    const Texts texts(config);
    Pass pass{.training = true, .record_gradients = true, .seed = 2, .noise_index = 7};
    const Outcome alone = texts.in_parts(config, DType::float32, 1, pass);
    CAPTURE(name, static_cast<int>(config.kind));
    pass.noise_index = 8;
    CHECK(texts.in_parts(config, DType::float32, 1, pass).loss != alone.loss);
    pass.noise_index = 7;
    for (const int ranks : {2, 3, 4}) {
      CAPTURE(ranks);
      pass.recompute_layers = ranks != 3;
      CHECK(texts.in_parts(config, DType::float32, ranks, pass) == alone);
    }
  }
}

TEST_CASE("a text in parts is scored without a graph as it is whole, with the same bits on any number of ranks") {
  for (const ModelKind kind : {ModelKind::decoder, ModelKind::encoder}) {
    for (const char* attention : {"cosformer", "local"}) {
      ModelConfig config = small_model(kind, {.kind = attention, .window = 5}, kLength);
      config.attention.chunk_size = 2;
      config.num_layers = 2;
      const Texts texts(config);
      const Model model(config, 1);
      CAPTURE(static_cast<int>(kind), attention);
      for (const bool recompute : {false, true}) {
        const Outcome alone = texts.in_parts(config, DType::float32, 1, {.recompute_layers = recompute});
        const Outcome recorded = texts.in_parts(config, DType::float32, 1, {.record_gradients = true});
        CHECK(alone.loss == recorded.loss);
        for (const int ranks : {2, 4}) CHECK(texts.in_parts(config, DType::float32, ranks, {}) == alone);
      }
    }
  }
}

TEST_CASE("figures of hidden states add up over parts to those of the whole text, to the bit on any number of ranks") {
  ModelConfig config = small_model(ModelKind::decoder, {}, kLength);
  config.attention.chunk_size = 2;
  const Tensor ids = random_ids({2, kLength}, 3, config.vocab_size);
  // Tokens, and a sum that weighs each place by itself.
  const auto figures = [](const Tensor& hidden, std::int64_t first) {
    double sum = 0;
    for (std::int64_t t = 0; t < hidden.dim(1); ++t) {
      for (const double x : values_of(hidden.narrow(1, t, 1))) sum += x * x * static_cast<double>(first + t + 1);
    }
    return std::vector<double>{static_cast<double>(hidden.dim(0) * hidden.dim(1)), sum};
  };
  const std::vector<double> whole = sum_over_hidden(Model(config, 1), ids, {}, figures);
  CHECK(whole[0] == 2 * kLength);
  std::vector<double> alone;
  for (const int ranks : {1, 3}) {
    run_ranks(ranks, [&](Communicator& own) {
      SequenceGroup group(own, ranks);
      const std::vector<double> sums = sum_over_hidden(Model(config, 1), ids, {.sequence = &group}, figures);
      if (ranks == 1) alone = sums;
      if (sums != alone) throw Error("the sums differ");
    });
  }
  require_close("sums", whole, alone, {.rel = 1e-5});
}

TEST_CASE("a text of fewer parts than ranks is computed by each of them") {
  for (const ModelKind kind : {ModelKind::decoder, ModelKind::encoder}) {
    ModelConfig config = small_model(kind, {}, kLength);
    config.attention.chunk_size = 8;
    const Texts texts(config);
    const Pass pass{.training = true, .record_gradients = true};
    CHECK(texts.in_parts(config, DType::float32, 3, pass) == texts.in_parts(config, DType::float32, 1, pass));
  }
}

TEST_CASE("no two parts share a dropout mask") {
  ModelConfig config = small_model(ModelKind::decoder, {}, kLength);
  const auto own = make_single_rank();
  SequenceGroup group(*own, 1);
  const CutPass cut({.training = true, .seed = 3, .noise_index = 1, .sequence = &group}, SequenceGrid(kLength, 2));
  ParameterStore store(1, DType::float32);
  const Dropout dropped(Scope(store, "x"), 0.5);
  const Variable ones(Tensor::full({1, 64}, 1.0));
  std::vector<Values> masks;
  for (std::int64_t part = 0; part < cut.grid.count(); ++part)
    masks.push_back(values_of(dropped.forward(ones, cut.of(part, false)).value()));
  masks.push_back(values_of(dropped.forward(ones, cut.pass).value()));
  for (std::size_t a = 0; a < masks.size(); ++a) {
    for (std::size_t b = 0; b < a; ++b) CHECK(masks[a] != masks[b]);
  }
}

TEST_CASE("what cannot be cut is refused by the key at fault") {
  const auto key_of = [](const std::function<void(ModelConfig&)>& change,
                         ModelKind kind = ModelKind::decoder) -> std::string {
    ModelConfig config = small_model(kind, {}, kLength);
    change(config);
    const auto problem = find_cut_problem(config);
    return problem ? problem->key : "";
  };
  CHECK(key_of([](ModelConfig&) {}).empty());
  CHECK(key_of([](ModelConfig& own) { own.adaptive_cutoffs = {3}; }) == "model.adaptive_cutoffs");
  CHECK(key_of([](ModelConfig& own) { own.attention.kind = "transnormer"; }).empty());
  CHECK(key_of([](ModelConfig& own) { own.attention.kind = "local"; }).empty());
  for (const char* kind : {"softmax", "longformer", "reformer", "sparse", "gated", "delta", "cosformer2", "rfa"})
    CHECK(key_of([&](ModelConfig& own) { own.attention.kind = kind; }) == "attention.kind");
  const auto linear = [](const char* map, const char* reweighting, const char* normalization, const char* form) {
    return [=](ModelConfig& own) {
      own.attention.kind = "linear";
      own.attention.feature_map = map;
      own.attention.reweighting = reweighting;
      own.attention.normalization = normalization;
      own.attention.form = form;
    };
  };
  CHECK(key_of(linear("elu", "decay", "sum", "auto")).empty());
  CHECK(key_of(linear("elu", "none", "l1", "auto")) == "attention.kind");
  CHECK(key_of(linear("elu", "none", "sum", "recurrent")) == "attention.kind");
  CHECK(key_of(linear("elu", "none", "sum", "chunked")).empty());
  CHECK(key_of([](ModelConfig& own) {
          own.attention.layers = {"cosformer", "softmax"};
          own.num_layers = 2;
        }) == "attention.layers");
  CHECK(key_of([](ModelConfig& own) { own.attention.short_convolution = 3; }) == "attention.short_convolution");
  CHECK(key_of([](ModelConfig&) {}, ModelKind::encoder_decoder) == "model.kind");
}

TEST_CASE("parts end where chunks end, and their number is a matter of the length") {
  for (const std::int64_t length : {1, 7, 64, 1000, 65'536, 1'048'576}) {
    for (const std::int64_t chunk : {1, 5, 48}) {
      const SequenceGrid grid(length, chunk);
      CAPTURE(length, chunk);
      CHECK(grid.part_tokens() % chunk == 0);
      CHECK(grid.part_tokens() <= 4096 + chunk);
      std::int64_t next = 0;
      for (std::int64_t part = 0; part < grid.count(); ++part) {
        CHECK(grid.first(part) == next);
        CHECK(grid.tokens(part) >= 1);
        next += grid.tokens(part);
      }
      CHECK(next == length);
    }
  }
  CHECK(SequenceGrid(1'048'576, 64).count() == 256);
  CHECK(SequenceGrid(64, 1).count() == 16);
}

}  // namespace cosformer::test

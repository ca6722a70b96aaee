#include "layers/cost.h"

#include "autograd/backward.h"
#include "core/memory.h"
#include "tests/catch.h"
#include "tests/support/layer_cases.h"
#include "tests/support/thread_counts.h"

namespace cosformer::test {

namespace {

AttentionConfig kind_of(const char* kind, const char* feature_map = "relu") {
  AttentionConfig config;
  config.kind = kind;
  config.feature_map = feature_map;
  return config;
}

/// The most memory that lives at once in a loss and its gradients, parameters included.
std::int64_t measured_bytes(const ModelConfig& config, std::int64_t rows, std::int64_t length, bool recompute_layers) {
  const std::int64_t before = memory_use().live_bytes;
  const Model model(config, 1);
  const Tensor ids = random_ids({rows, length}, 1, config.vocab_size);
  const Pass pass{.training = true, .record_gradients = true, .recompute_layers = recompute_layers};
  reset_peak_memory();
  Variable encoded, loss;
  if (config.kind != ModelKind::decoder) encoded = model.encode(ids, nullptr, pass);
  if (config.kind == ModelKind::encoder) {
    loss = cross_entropy(model.classify(encoded, nullptr, pass), random_ids({rows}, 2, config.num_classes), 1.0);
  } else {
    const Variable hidden = model.decode(ids, nullptr, {encoded, nullptr}, pass);
    loss = model.token_loss(reshape(hidden, {rows * length, config.embed_dim}), ids.reshape({rows * length}), 1.0, pass);
  }
  encoded = Variable();
  const Gradients gradients = backward(loss);
  REQUIRE(gradients.of(model.parameters().front().variable).defined());
  return memory_use().peak_live_bytes - before;
}

AttentionConfig l1_norm() {
  AttentionConfig config = kind_of("linear", "identity");
  config.normalization = "l1";
  return config;
}

AttentionConfig synthesizer(const char* form) {
  AttentionConfig config = kind_of("synthesizer");
  config.synthesizer = form;
  return config;
}

}  // namespace

TEST_CASE("operations of a forward pass are those counted by hand") {
  const std::int64_t length = 10;
  ModelConfig config = small_model(ModelKind::decoder, kind_of("softmax"), length);
  config.num_layers = 2;
  // A token of a layer: four 8×8 projections, 8×12 and 12×8; twice a multiplication and an addition each.
  const double layer = 2 * (4 * 8 * 8 + 2 * 8 * 12);
  const double head = 2 * 8 * 13;
  // Half of 10×10 scores of two heads of width 4, once for query·key and once for score·value.
  const double causal_softmax = 2 * 2 * 0.5 * 10 * 8;
  CHECK(forward_flops_per_token(config, length) == 2 * (layer + causal_softmax) + head);
  config.attention.kind = "softmax_materialized";
  CHECK(forward_flops_per_token(config, length) == 2 * (layer + causal_softmax) + head);
  config.attention = kind_of("local");
  config.attention.window = 2;
  CHECK(forward_flops_per_token(config, length) == 2 * (layer + 2 * 2 * 3 * 8) + head);
  config.attention.window = 100;
  CHECK(forward_flops_per_token(config, length) == 2 * (layer + causal_softmax) + head);

  // Two 4×4 sums per head: each key goes in, each query reads.
  const double cosformer = 2 * 2 * 2 * 2 * 4 * 4;
  config.attention = kind_of("cosformer");
  CHECK(forward_flops_per_token(config, length) == 2 * (layer + cosformer) + head);
  config.attention = kind_of("linear", "elu");
  CHECK(forward_flops_per_token(config, length) == 2 * (layer + cosformer / 2) + head);
  config.attention = kind_of("linear", "favor");
  config.attention.num_features = 12;
  CHECK(forward_flops_per_token(config, length) == 2 * (layer + 3 * cosformer / 2) + head);

  // Each of ten queries sees three keys before it and itself, and the first token.
  config.attention = kind_of("longformer");
  config.attention.longformer_window = 3;
  CHECK(forward_flops_per_token(config, length) == 2 * (layer + 2 * 2 * 5 * 8) + head);
  // Queries serve as keys: a projection less, and hashes of two rounds in four buckets, of keys in even ones.
  config.attention = kind_of("reformer");
  config.attention.reformer_rounds = 2;
  config.attention.reformer_buckets = 4;
  CHECK(forward_flops_per_token(config, length) == 2 * (layer - 2 * 8 * 8 + 2 * 2 * 2 * 1.25 * 8 + 2 * 2 * 2 * 8) + head);

  // The L1 norm is quadratic: as many products as softmax attention.
  config.attention = l1_norm();
  CHECK(forward_flops_per_token(config, length) == 2 * (layer + causal_softmax) + head);

  config = small_model(ModelKind::encoder, kind_of("softmax"), length);
  CHECK(forward_flops_per_token(config, length) == layer + 2 * causal_softmax);
  config = small_model(ModelKind::encoder_decoder, kind_of("softmax"), length);
  const double cross = 2 * 4 * 8 * 8 + 2 * causal_softmax;
  CHECK(forward_flops_per_token(config, length) == (layer + 2 * causal_softmax) + (layer + causal_softmax) + cross + head);
  // Another attention in one place costs what it does there.
  const double all_softmax = forward_flops_per_token(config, length);
  config.attention.encoder = "cosformer";
  const double encoder_alone =
      forward_flops_per_token(small_model(ModelKind::encoder, kind_of("cosformer"), length), length);
  CHECK(forward_flops_per_token(config, length) - all_softmax == encoder_alone - (layer + 2 * causal_softmax));
}

TEST_CASE("operations around an attention are counted") {
  const std::int64_t length = 10;
  ModelConfig config = small_model(ModelKind::decoder, kind_of("softmax"), length);
  const double plain = forward_flops_per_token(config, length);
  config.attention.output_gate = OutputGate::silu;
  CHECK(forward_flops_per_token(config, length) == plain + 2 * 8 * 8);
  config.attention.short_convolution = 4;
  CHECK(forward_flops_per_token(config, length) == plain + 2 * 8 * 8 + 2 * 4 * 3 * 8);
  config.ffn_kind = FeedForwardKind::swiglu;
  CHECK(forward_flops_per_token(config, length) == plain + 2 * 8 * 8 + 2 * 4 * 3 * 8 + 2 * 8 * 12);
  // One head of keys and values for two of queries.
  config = small_model(ModelKind::decoder, kind_of("softmax"), length);
  config.num_kv_heads = 1;
  CHECK(forward_flops_per_token(config, length) == plain - 2 * 2 * 8 * 4);
}

TEST_CASE("operations of a vocabulary in bands count a tail as often as Zipf's law says") {
  ModelConfig config = small_model(ModelKind::decoder, kind_of("softmax"), 10);
  const double layers = forward_flops_per_token(config, 10) - 2 * 8 * 13;
  config.vocab_size = 15;
  config.adaptive_cutoffs = {3, 7};
  config.adaptive_factor = 2;
  // A token's number is below 3 of 15 in log(4) / log(16) of the cases, and so on; the bands are 8, 4 and 2 wide.
  const double input = 2 * 8 * (0.5 * 8 + 0.25 * 4 + 0.25 * 2);
  const double output = 2 * 8 * (3 + 2) + 0.25 * 2 * 4 * (8 + 4) + 0.25 * 2 * 2 * (8 + 8);
  CHECK(forward_flops_per_token(config, 10) - layers == Approx(input + output));
}

TEST_CASE("parameters are summed by part of the model") {
  ModelConfig config = small_model(ModelKind::decoder, {}, 10);
  config.num_layers = 11;
  config.tie_embeddings = false;
  const Model model(config, 1);
  const std::vector<ParameterGroup> groups = parameter_groups(model.parameters());
  std::vector<std::string> names;
  std::int64_t sum = 0;
  for (const ParameterGroup& group : groups) {
    names.push_back(group.name);
    sum += group.elements;
    CAPTURE(group.name);
    if (group.name.find("layers.") != std::string::npos) {
      CHECK(group.elements == 4 * (8 * 8 + 8) + 2 * 2 * 8 + (12 * 8 + 12) + (8 * 12 + 8));
    }
  }
  std::vector<std::string> expected = {"decoder.embed_tokens", "decoder.embed_positions"};
  for (int i = 0; i < 11; ++i) expected.push_back("decoder.layers." + std::to_string(i));
  expected.insert(expected.end(), {"decoder.layer_norm", "decoder.output_projection"});
  CHECK(names == expected);
  CHECK(groups[0].elements == 13 * 8);
  CHECK(groups[1].elements == 10 * 8);
  CHECK(groups[13].elements == 2 * 8);
  CHECK(groups[14].elements == 13 * 8);
  CHECK(sum == count_elements(model.parameters()));
}

TEST_CASE("the parts of the deepest model are told apart") {
  ModelConfig config = small_model(ModelKind::decoder, {}, 10);
  config.num_layers = 4096;
  const Model model(config, 1, DType::float32, ParameterValues::shapes_only);
  const std::vector<ParameterGroup> groups = parameter_groups(model.parameters());
  CHECK(groups.size() == 4096 + 3);
  CHECK(groups[2 + 4095].name == "decoder.layers.4095");
  CHECK(groups[2 + 4095].elements == groups[2].elements);
}

TEST_CASE("the estimate of memory is near what a training step uses") {
  struct Row {
    const char* name;
    ModelKind kind;
    AttentionConfig attention;
    std::int64_t layers, dim, rows, length, vocab;
    std::vector<std::int64_t> cutoffs = {};
    FeedForwardKind ffn = FeedForwardKind::mlp;
    bool recompute_layers = false;
  };
  AttentionConfig gated_heads = kind_of("linear", "silu");
  gated_heads.normalization = "rms";
  gated_heads.output_gate = OutputGate::silu;
  gated_heads.short_convolution = 4;
  AttentionConfig long_chunks = kind_of("cosformer"), linear_form = kind_of("linear", "elu");
  long_chunks.chunk_size = 1024;
  AttentionConfig quadratic_form = linear_form;
  linear_form.form = "linear";
  quadratic_form.form = "quadratic";
  std::vector<Row> rows = {
      {"chunks of 1024", ModelKind::decoder, long_chunks, 1, 64, 1, 1024, 64},
      {"linear form", ModelKind::encoder, linear_form, 1, 256, 64, 16, 64},
      {"quadratic form", ModelKind::decoder, quadratic_form, 1, 64, 1, 1024, 64},
      {"cosformer", ModelKind::decoder, kind_of("cosformer"), 4, 128, 4, 128, 512},
      {"long", ModelKind::decoder, kind_of("cosformer"), 2, 64, 1, 1024, 100},
      {"wide vocabulary", ModelKind::decoder, kind_of("cosformer"), 2, 64, 2, 128, 8192},
      {"bands of a vocabulary", ModelKind::decoder, kind_of("cosformer"), 2, 64, 2, 128, 16384, {4000, 9000}},
      {"deep", ModelKind::decoder, kind_of("cosformer"), 8, 64, 2, 128, 64},
      {"softmax", ModelKind::decoder, kind_of("softmax"), 4, 128, 4, 128, 512},
      {"stored softmax", ModelKind::decoder, kind_of("softmax_materialized"), 3, 64, 1, 512, 256},
      {"random features", ModelKind::decoder, kind_of("linear", "favor"), 4, 64, 4, 128, 256},
      {"directions", ModelKind::decoder, kind_of("rfa"), 4, 64, 4, 128, 256},
      {"L1 norm", ModelKind::decoder, l1_norm(), 4, 128, 4, 128, 512},
      {"gate, norm and convolution", ModelKind::decoder, gated_heads, 4, 128, 4, 128, 256},
      {"the same, and gated units", ModelKind::decoder, gated_heads, 4, 128, 4, 128, 256, {}, FeedForwardKind::swiglu},
      {"gated units", ModelKind::decoder, kind_of("softmax"), 4, 128, 4, 128, 256, {}, FeedForwardKind::geglu},
      {"longformer", ModelKind::encoder, kind_of("longformer"), 3, 64, 2, 1024, 256},
      {"bigbird", ModelKind::decoder, kind_of("bigbird"), 3, 64, 2, 1024, 256},
      {"sparse", ModelKind::decoder, kind_of("sparse"), 3, 64, 2, 1024, 256},
      {"reformer", ModelKind::encoder, kind_of("reformer"), 3, 64, 2, 1024, 256},
      {"sinkhorn", ModelKind::decoder, kind_of("sinkhorn"), 3, 64, 2, 1024, 256},
      {"synthesizer", ModelKind::encoder, kind_of("synthesizer"), 3, 64, 2, 512, 256},
      {"synthesizer, factorised", ModelKind::encoder, synthesizer("factorized_dense"), 3, 64, 2, 512, 256},
      {"synthesizer, random", ModelKind::decoder, synthesizer("random"), 2, 64, 8, 256, 256},
      {"synthesizer, random, factorised", ModelKind::decoder, synthesizer("factorized_random"), 3, 64, 2, 512, 256},
      {"landmarks", ModelKind::encoder, kind_of("nystrom"), 4, 64, 2, 512, 256},
      {"cosformer2", ModelKind::decoder, kind_of("cosformer2"), 4, 128, 4, 128, 256},
      {"delta rule", ModelKind::decoder, kind_of("delta"), 4, 128, 4, 128, 256},
      {"delta rule with decay", ModelKind::decoder, kind_of("gated_delta"), 4, 128, 4, 128, 256},
      {"encoder", ModelKind::encoder, kind_of("cosformer"), 4, 64, 4, 128, 256},
      {"encoder and decoder", ModelKind::encoder_decoder, kind_of("cosformer"), 3, 64, 4, 128, 256}};
  for (std::size_t listed = rows.size(), i = 0; i < listed; ++i) {
    // Of few layers one weighs much, and sinkhorn's backward pass needs less than as many numbers again.
    if (rows[i].layers < 3 || rows[i].attention.kind == "sinkhorn") continue;
    rows.push_back(rows[i]);
    rows.back().recompute_layers = true;
  }
  for (const Row& row : rows) {
    ModelConfig config = small_model(row.kind, row.attention, row.length);
    config.num_layers = row.layers;
    config.embed_dim = row.dim;
    config.num_heads = 4;
    config.ffn_dim = 4 * row.dim;
    config.vocab_size = row.vocab;
    config.adaptive_cutoffs = row.cutoffs;
    config.ffn_kind = row.ffn;
    config.dropout = 0.1;
    const ThreadCountScope one_thread(1);
    const std::int64_t elements = count_elements(Model(config, 1).parameters());
    const MemoryEstimate estimate = estimate_memory(
        config, elements, 2, {.rows = row.rows, .seq_len = row.length, .recompute_layers = row.recompute_layers});
    CHECK(estimate.parameters == 4 * elements);
    CHECK(estimate.gradients == 4 * elements);
    CHECK(estimate.optimizer == 8 * elements);
    const auto expected = static_cast<double>(estimate.total() - estimate.optimizer);
    const auto actual = static_cast<double>(measured_bytes(config, row.rows, row.length, row.recompute_layers));
    CAPTURE(row.name, row.recompute_layers, expected, actual, expected / actual);
    CHECK(expected > 0.95 * actual);
    CHECK(expected < 1.25 * actual);
  }
}

TEST_CASE("a model beyond all machines has an estimate beyond all machines") {
  ModelConfig config = small_model(ModelKind::decoder, {}, 16);
  config.num_layers = 4096;
  config.embed_dim = config.ffn_dim = 1 << 20;
  const std::int64_t elements = std::int64_t{1} << 56;
  const MemoryEstimate estimate = estimate_memory(
      config, elements, 2, {.rows = 1 << 20, .seq_len = 1 << 24, .at_once = 16, .threads = 1, .gradient_sets = 4});
  CHECK(estimate.activations == std::int64_t{1'000'000'000'000'000'000});
  CHECK(estimate.total() > estimate.activations);
}

TEST_CASE("graphs that run side by side need memory of their own") {
  const ModelConfig config = small_model(ModelKind::decoder, {}, 16);
  const auto estimate = [&](std::int64_t at_once, std::int64_t gradient_sets) {
    return estimate_memory(config, 1000, 2, {.rows = 2, .seq_len = 16, .at_once = at_once, .gradient_sets = gradient_sets});
  };
  CHECK(estimate(2, 4).gradients == 4 * 4000);
  CHECK(estimate(2, 4).activations == estimate(1, 4).activations * 2);
}

}  // namespace cosformer::test

#include "autograd/backward.h"
#include "core/memory.h"
#include "layers/cost.h"
#include "layers/sequence/model_in_parts.h"
#include "layers/sequence/sequence_group.h"
#include "tests/catch.h"
#include "tests/support/layer_cases.h"
#include "tests/support/thread_counts.h"

namespace cosformer::test {

namespace {

/// The most memory that lives at once in a loss of a text in parts and its gradients, parameters included.
std::int64_t measured_bytes(const ModelConfig& config, std::int64_t length, bool recompute_layers) {
  const std::int64_t before = memory_use().live_bytes;
  const Model model(config, 1);
  const Tensor ids = random_ids({1, length}, 1, config.vocab_size);
  const auto alone = make_single_rank();
  SequenceGroup group(*alone, 1);
  const Pass pass{.training = true, .record_gradients = true, .recompute_layers = recompute_layers, .sequence = &group};
  reset_peak_memory();
  const Variable loss = config.kind == ModelKind::decoder
                            ? decoder_loss(model, ids, ids, 1.0, pass)
                            : cross_entropy(class_scores(model, ids, nullptr, pass), random_ids({1}, 2, 3), 1.0);
  const Gradients gradients = backward(loss);
  REQUIRE(gradients.of(model.parameters().front().variable).defined());
  return memory_use().peak_live_bytes - before;
}

}  // namespace

TEST_CASE("the estimate of memory is near what a training step of a text in parts uses") {
  struct Row {
    const char* name;
    ModelKind kind;
    std::int64_t layers, dim, length;
    bool recompute_layers;
  };
  const Row rows[] = {
      {"kept", ModelKind::decoder, 4, 64, 2048, false},   {"computed again", ModelKind::decoder, 4, 64, 2048, true},
      {"wide", ModelKind::decoder, 3, 256, 4096, true},   {"wide, kept", ModelKind::decoder, 3, 256, 4096, false},
      {"encoder", ModelKind::encoder, 4, 64, 2048, true}, {"encoder, kept", ModelKind::encoder, 4, 64, 2048, false}};
  for (const Row& row : rows) {
    ModelConfig config = small_model(row.kind, {}, row.length);
    config.num_layers = row.layers;
    config.embed_dim = row.dim;
    config.num_heads = 4;
    config.ffn_dim = 4 * row.dim;
    config.positions = Positions::sinusoidal;
    config.dropout = 0.1;
    config.attention.chunk_size = 16;
    const ThreadCountScope one_thread(1);
    const std::int64_t elements = count_elements(Model(config, 1).parameters());
    const MemoryEstimate estimate =
        estimate_memory(config, elements, 2,
                        {.seq_len = row.length,
                         .recompute_layers = row.recompute_layers,
                         .part_tokens = SequenceGrid(row.length, config.attention.chunk_size).part_tokens()});
    const auto expected = static_cast<double>(estimate.total() - estimate.optimizer);
    const auto actual = static_cast<double>(measured_bytes(config, row.length, row.recompute_layers));
    CAPTURE(row.name, expected, actual, expected / actual);
    CHECK(expected > 0.95 * actual);
    CHECK(expected < 1.25 * actual);
  }
}

}  // namespace cosformer::test

// Language models whose windows hold several documents.
#include <numbers>
#include <numeric>

#include "data/text_corpus.h"
#include "data/tokenizers/registry.h"
#include "layers/packed_texts.h"
#include "tests/catch.h"
#include "tests/support/input_error.h"
#include "tests/support/layer_cases.h"
#include "tests/support/require_close.h"
#include "tests/train/run_support.h"
#include "train/tasks/language_modeling.h"
#include "train/tasks/masked_language_modeling.h"

namespace cosformer::test {

namespace {

const std::vector<std::string> kDocuments = {"In the beginning", "was", "the word, and the word", "", "was with the reader"};

Config documents_config(const TemporaryFolder& folder, std::int64_t seq_len) {
  std::string lines;
  for (const std::string& document : kDocuments) lines += concat("{\"text\": \"", document, "\"}\n");
  write_bytes(folder / "lines", lines);
  Config config;
  config.task.train = config.task.valid = (folder / "lines").string();
  config.task.text_key = "text";
  config.task.seq_len = seq_len;
  config.task.document_boundaries = true;
  config.train.batch_size = 2;
  config.model = small_model(ModelKind::decoder, {}, seq_len);
  config.model.vocab_size = 256;
  return config;
}

/// Σ -log p of the tokens of a document behind its first.
double loss_alone(const Model& model, const std::string& document) {
  const std::vector<std::int32_t> tokens = load_tokenizer("byte", {})->encode(document + "\n");
  const std::int64_t count = std::ssize(tokens) - 1;
  if (count == 0) return 0;
  const auto part = [&](std::size_t first) {
    return Tensor::from<std::int32_t>({1, count}, std::span(tokens).subspan(first, static_cast<std::size_t>(count)));
  };
  const Variable hidden = model.decode(part(0), nullptr, {}, {});
  return model.token_loss(reshape(hidden, {count, model.config().embed_dim}), part(1).reshape({count}), 1.0, {})
      .value()
      .item();
}

}  // namespace

TEST_CASE("documents that share a window have the loss that they have alone") {
  const TemporaryFolder folder;
  for (const char* kind : {"softmax", "cosformer", "local", "gated_delta"}) {
    CAPTURE(kind);
    Config config = documents_config(folder, 200);
    config.model.attention.kind = kind;
    const auto task = make_language_modeling(config);
    const Model model(task->complete(config.model), 3, DType::float64);
    double sum = 0, targets = 0;
    for (const std::string& document : kDocuments) {
      sum += loss_alone(model, document);
      targets += static_cast<double>(document.size());
    }
    const Evaluation found = task->evaluate(model, Split::valid, 0);
    CHECK(found.value("tokens") == targets);
    require_close("loss", sum / targets, found.value("loss"), {.rel = 1e-9});
    // Of the text, "\n" behind each document included, all but the first token counts.
    const double bytes = targets + static_cast<double>(kDocuments.size());
    require_close("bits per byte", sum / targets * (bytes - 1) / bytes / std::numbers::ln2, found.value("bits_per_byte"),
                  {.rel = 1e-9});
    for (const Shuffle shuffle : {Shuffle::window, Shuffle::document}) {
      config.task.shuffle = shuffle;
      const auto training = make_language_modeling(config);
      const auto batch = training->training_batch(0, 1);
      CHECK(static_cast<double>(batch->targets) == targets);
      require_close("training loss", sum, batch->loss(model, {0, 1}, 1.0, {}).value().item(), {.rel = 1e-9});
    }
  }
}

TEST_CASE("a window that holds several documents trains, whatever their order") {
  const TemporaryFolder folder;
  for (const Shuffle shuffle : {Shuffle::window, Shuffle::document}) {
    Config config = documents_config(folder, 8);
    config.task.shuffle = shuffle;
    const auto task = make_language_modeling(config);
    const Model model(task->complete(config.model), 3, DType::float64);
    // An epoch predicts each token but those that begin a document.
    std::int64_t targets = 0, sequence = 0;
    for (; task->position_of(sequence).epoch == 0; ++sequence) targets += task->training_batch(sequence, 1)->targets;
    CHECK(targets == std::accumulate(kDocuments.begin(), kDocuments.end(), std::int64_t{0},
                                     [](std::int64_t sum, const std::string& text) { return sum + std::ssize(text); }));
    CHECK(std::isfinite(task->training_batch(0, 2)->loss(model, {0, 2}, 1.0, {}).value().item()));
  }
}

TEST_CASE("what cannot keep documents apart is refused with its key") {
  const TemporaryFolder folder;
  Config config = documents_config(folder, 8);
  config.task.carry_state = true;
  config.model.positions = Positions::none;
  CHECK(input_error_of([&] { make_language_modeling(config); }).starts_with("task.carry_state:"));
  config = documents_config(folder, 8);
  config.model.kind = ModelKind::encoder;
  config.task.name = "masked_language_modeling";
  CHECK(input_error_of([&] { make_masked_language_modeling(config); }).starts_with("task.document_boundaries:"));
  config = documents_config(folder, 8);
  config.train.sequence_ranks = 1;
  CHECK(input_error_of([&] { make_language_modeling(config); }).starts_with("task.document_boundaries: the parts"));
}

}  // namespace cosformer::test

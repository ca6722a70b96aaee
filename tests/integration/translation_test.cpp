#include <nlohmann/json.hpp>

#include "tests/catch.h"
#include "tests/integration/tiny_project.h"
#include "tests/train/run_support.h"

namespace cosformer {
namespace {

using nlohmann::json;
using test::contains;

constexpr const char* kConfig = R"([task]
name = "translation"
tokenizer = "bpe"
tokenizer_vocab_size = 270
train = "pairs/train"
valid = "pairs/valid"
test = "pairs/test"
seq_len = 24
label_smoothing = 0.1
[model]
kind = "encoder_decoder"
num_layers = 1
embed_dim = 16
num_heads = 2
ffn_dim = 32
dropout = 0.1
share_embeddings = true
[attention]
kind = "cosformer"
encoder = "softmax"
[optimizer]
learning_rate = 0.01
[schedule]
warmup_steps = 5
decay_steps = 60
[train]
max_steps = 20
batch_size = 6
accumulation = 2
eval_every = 5
log_every = 1
[checkpoint]
every = 3
[logging]
progress = false
)";

struct TranslationProject : test::TinyProject {
  TranslationProject() {
    test::write_bytes(*this / "tiny.toml", kConfig);
    REQUIRE(call({"data", "make", "reverse", "pairs", "--train", "40", "--valid", "9", "--test", "5", "--max-length", "6"})
                .code == 0);
  }
};

TEST_CASE(
    "A translation run is the same on any number of threads and across a resume, and is scored and used by what it saved") {
  const TranslationProject project;
  require_same_run_on_any_threads_and_across_a_resume(project);

  const json valid = json::parse(project.call({"eval", "one/checkpoints/step-00000020", "--json"}).output);
  CHECK(valid["sentences"] == 9);
  CHECK(contains(test::read_bytes(project / "one/metrics.jsonl"), "\"loss\":" + valid["loss"].dump()));
  // Another run may begin with what this one learnt.
  REQUIRE(project.train("more", {"train.init_from=one", "train.max_steps=1", "task.label_smoothing=0"}).code == 0);
  CHECK(test::read_bytes(project / "more/tokenizer/merges.txt") == test::read_bytes(project / "one/tokenizer/merges.txt"));
  // Without the training text: the run's own tokenizer is what counts.
  std::filesystem::remove(project / "pairs/train.src");
  const json test_split = json::parse(project
                                          .call({"eval", "one", "--split", "test", "--set", "decoding.beam=4", "--set",
                                                 "decoding.length_penalty=0.6", "--json"})
                                          .output);
  CHECK(test_split["sentences"] == 5);
  for (const char* name : {"loss", "perplexity", "bleu", "length_ratio", "exact", "tokens"})
    CHECK(test_split.contains(name));

  const json translated =
      json::parse(project.call({"generate", "one", "--prompt", "1 2\n3 4 5", "--json"}).output)["translations"];
  REQUIRE(translated.size() == 2);
  CHECK(translated[1]["source"] == "3 4 5");
  const test::Outcome plain = project.call({"generate", "one", "--prompt", "1 2\n3 4 5"});
  CHECK(plain.output ==
        translated[0]["translation"].get<std::string>() + "\n" + translated[1]["translation"].get<std::string>() + "\n");
}

TEST_CASE("What does not go with a translation is refused in one line") {
  const TranslationProject project;
  const auto error_of = [&](const test::Outcome& outcome) {
    CHECK(outcome.code == 2);
    CHECK(test::is_one_line(outcome.errors));
    return outcome.errors;
  };
  CHECK(contains(error_of(project.train("run", {"model.kind=decoder"})), "needs model.kind = \"encoder_decoder\""));
  CHECK(contains(error_of(project.train("run", {"task.target_language=de"})),
                 "pairs/train.de: no such file, and no pairs/train.de.gz"));
  CHECK(contains(error_of(project.train("run", {"attention.cross=softmx"})), "did you mean \"softmax\"?"));
  test::write_bytes(project / "pairs/valid.src", "1 2\n");
  CHECK(
      contains(error_of(project.train("run")), "pairs/valid.src has 1 lines, but pairs/valid.tgt has 9; expected as many"));
  CHECK_FALSE(std::filesystem::exists(project / "run"));
  REQUIRE(project.train("run", {"task.valid=", "train.max_steps=1"}).code == 0);
  CHECK(contains(error_of(project.call({"generate", "run", "--prompt", "1", "--top-k", "3"})),
                 "--top-k: a translation is searched for"));
}

}  // namespace
}  // namespace cosformer

// What is the user's fault: exit code 2, one line, and nothing left behind.
#include "tests/catch.h"
#include "tests/integration/tiny_project.h"

namespace cosformer {
namespace {

using test::contains;
using test::TinyProject;

struct BadInput {
  std::vector<std::string> arguments;
  std::string said;  ///< part of the one line
};

TEST_CASE("A bad config or bad data ends train with one line, before there is a folder") {
  const TinyProject project;
  test::write_bytes(project / "empty.txt", "");
  test::write_bytes(project / "letter.txt", "a");
  test::write_bytes(project / "text.gz", "\x1F\x8B\x08 and so on");
  test::write_bytes(project / "not_utf8.txt", "ab\xFF");
  std::filesystem::create_directory(project / "nothing");
  test::write_bytes(project / "broken.toml", "[task\n");
  const auto with = [&](const std::string& key) { return project.train_arguments("run", {key}); };
  const BadInput cases[] = {
      {with("model.num_layer=3"), "unknown key 'model.num_layer'; did you mean \"model.num_layers\"?"},
      {with("model.num_layers=three"), "model.num_layers must be an integer"},
      {with("model.num_heads=3"), "model.num_heads (3) must divide model.embed_dim (16)"},
      {with("model.dropout=1.5"), "model.dropout must be a number"},
      {with("model.kind=encoder"), "model.kind"},
      {with("model.vocab_size=10"), "model.vocab_size: 10 is less than the tokenizer's 256"},
      {with("attention.kind=cosfomer"), "did you mean \"cosformer\"?"},
      {with("optimizer.name=adamx"), "optimizer.name must be"},
      {with("optimizer.learning_rate=inf"), "optimizer.learning_rate must be a number"},
      {with("schedule.name=cosin"), "schedule.name must be"},
      {with("train.accumulation=4"), "train.accumulation (4) must divide train.batch_size (6)"},
      {with("task.name=language_modelling"), "task.name: unknown name \"language_modelling\""},
      {with("task.train=none.txt"), "task.train: none.txt: no such file or folder"},
      {with("task.train=nothing"), "task.train: nothing: the folder has no files"},
      {with("task.train=*.csv"), "task.train: *.csv: no file matches the pattern"},
      {{"train", "tiny.toml", "--run-dir", "run", "--set", "task.text_key=text"},
       "train.txt:1: expected a JSON object with \"text\" per line"},
      {with("task.train="), "task.train: the config names no text"},
      {with("task.train=empty.txt"), "empty.txt: the file is empty"},
      {with("task.train=letter.txt"), "letter.txt: language modelling needs two tokens or more"},
      {with("task.valid=none.txt"), "task.valid: none.txt: no such file or folder"},
      {with("task.train=text.gz"), "text.gz: cannot unpack the file: "},
      {{"train", "tiny.toml", "--run-dir", "run", "--set", "task.tokenizer=word", "--set", "task.train=text.gz"},
       "text.gz: cannot unpack the file: "},
      {{"train", "tiny.toml", "--run-dir", "run", "--set", "task.tokenizer=word", "--set", "task.train=not_utf8.txt"},
       "not_utf8.txt:1:3: the text is not UTF-8"},
      {{"train", "none.toml", "--run-dir", "run"}, "none.toml: error: no such file"},
      {{"train", "tyni.toml", "--run-dir", "run"}, "did you mean \"tiny.toml\"?"},
      {{"train", "train.txt", "--run-dir", "run"},
       "(expected a TOML file; a text to train on is named with --set task.train=PATH)"},
      {{"train", "broken.toml", "--run-dir", "run"}, "broken.toml:1:"},
      {{"train", "tiny.toml", "--run-dir", "run", "--set", "task.tokenizer=bpe", "--set", "task.tokenizer_folder=none"},
       "task.tokenizer_folder: none: no such folder"},
      {{"train", "--run-dir", "run"}, "expected CONFIG.toml"},
      {{"train", "tiny.toml", "--rundir", "run"}, "did you mean \"--run-dir\"?"},
  };
  for (const BadInput& bad : cases) {
    const test::Outcome outcome = project.call(bad.arguments);
    INFO("expected " << bad.said << ", found " << outcome.errors);
    CHECK(outcome.code == 2);
    CHECK(test::is_one_line(outcome.errors));
    CHECK(contains(outcome.errors, bad.said));
    CHECK(outcome.output.empty());
    CHECK_FALSE(std::filesystem::exists(project / "run"));
  }
}

TEST_CASE("A dry run says what is wrong, and makes no folder") {
  const TinyProject project;
  const test::Outcome bad = project.train("run", {"task.train="}, {"--dry-run"});
  CHECK(bad.code == 2);
  CHECK(test::is_one_line(bad.errors));
  CHECK(contains(bad.errors, "task.train"));
  const test::Outcome good = project.train("run", {}, {"--dry-run"});
  CHECK(good.code == 0);
  CHECK(contains(good.output, "parameters"));
  CHECK_FALSE(std::filesystem::exists(project / "run"));
}

TEST_CASE("A folder that is no run is neither resumed nor touched") {
  const TinyProject project;
  std::filesystem::create_directory(project / "photos");
  test::write_bytes(project / "photos/sea.jpg", "…");
  for (const std::vector<std::string>& further : {std::vector<std::string>{"--resume"}, {}}) {
    const test::Outcome outcome = project.train("photos", {}, further);
    CHECK(outcome.code == 2);
    CHECK(test::is_one_line(outcome.errors));
    CHECK(contains(outcome.errors, "photos: "));
    CHECK(test::names_in(project / "photos") == std::vector<std::string>{"sea.jpg"});
  }
}

TEST_CASE("eval and generate name what they cannot use") {
  const TinyProject project;
  REQUIRE(project.train("run", {"train.max_steps=3"}).code == 0);
  const BadInput cases[] = {
      {{"eval", "none"}, "none: does not exist"},
      {{"eval", "tiny.toml"}, "tiny.toml: "},
      {{"eval", "run", "--split", "dev"}, "--split: unknown name \"dev\""},
      {{"eval", "run", "--split", "test"}, "task.test: the config names no text"},
      {{"eval", "run", "--set", "model.embed_dim=32"}, "tensor \"decoder.embed_tokens.weight\" has shape [256, 16]"},
      {{"eval", "run", "--set", "model.num_layers=2"}, "is missing"},
      {{"eval", "run", "--set", "task.valid=none.txt"}, "task.valid: none.txt: no such file or folder"},
      {{"eval", "run", "--set", "model.num_layer=2"}, "unknown key 'model.num_layer'"},
      {{"generate", "none"}, "none: does not exist"},
      {{"generate", "run", "--window", "17"},
       "--window: expected at most 16, the positions that the model has parameters for"},
      {{"generate", "run", "--window", "0"}, "--window: expected at least 1"},
      {{"generate", "run", "--top-p", "0"}, "--top-p: expected above 0 and at most 1"},
      {{"generate", "run", "--top-p", "1.5"}, "--top-p: expected above 0 and at most 1"},
      {{"generate", "run", "--top-p", "nan"}, "'nan'"},
      {{"generate", "run", "--samples", "0"}, "--samples: expected 1 to 10000"},
      {{"generate", "run", "--stop", ""}, "--stop: expected a text"},
      {{"generate", "run", "--tokens=-1"}, "--tokens: expected at least 0"},
      {{"generate", "run", "--tokens", "many"}, "many"},
      {{"generate", "run", "--temperature=-1"}, "--temperature: expected at least 0"},
  };
  for (const BadInput& bad : cases) {
    const test::Outcome outcome = project.call(bad.arguments);
    INFO("expected " << bad.said << ", found " << outcome.errors);
    CHECK(outcome.code == 2);
    CHECK(test::is_one_line(outcome.errors));
    CHECK(contains(outcome.errors, bad.said));
    CHECK(outcome.output.empty());
  }
}

}  // namespace
}  // namespace cosformer

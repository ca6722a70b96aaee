// Models of other programs, through the command line.
#include <nlohmann/json.hpp>

#include "tests/catch.h"
#include "tests/integration/tiny_project.h"
#include "train/store/checkpoint.h"
#include "train/store/safetensors.h"

namespace cosformer {
namespace {

using test::contains;
using test::TinyProject;

const std::string kModels = COSFORMER_SOURCE_DIR "/tests/golden/huggingface/";

TEST_CASE("an imported model is evaluated, and a run begins with its weights") {
  const TinyProject project;
  const test::Outcome imported = project.call({"import", kModels + "gpt2", "-o", "gpt2", "--json"});
  REQUIRE(imported.code == 0);
  const nlohmann::json said = nlohmann::json::parse(imported.output);
  CHECK(said["architecture"] == "gpt2");
  CHECK(said["parameters"] == 256 * 8 + 11 * 8 + 2 * (4 * 8 * 8 + 4 * 8 + 2 * 8 * 32 + 8 + 32 + 4 * 8) + 16);
  CHECK(said["left_out"].empty());
  const test::Outcome scored = project.call({"eval", "gpt2", "--set", "task.valid=valid.txt", "--json"});
  CAPTURE(scored.errors);
  REQUIRE(scored.code == 0);
  const double loss = nlohmann::json::parse(scored.output)["loss"];

  // Without a step, what the run saves is what it began with.
  const test::Outcome trained =
      project.call({"train", "gpt2/config.toml", "--run-dir", "more", "--set", "train.init_from=gpt2", "--set",
                    "task.train=train.txt", "--set", "train.max_steps=0"});
  CAPTURE(trained.errors);
  REQUIRE(trained.code == 0);
  const test::Outcome again = project.call({"eval", "more", "--set", "task.valid=valid.txt", "--json"});
  REQUIRE(again.code == 0);
  CHECK(nlohmann::json::parse(again.output)["loss"] == loss);

  const test::Outcome twice = project.call({"import", kModels + "gpt2", "-o", "gpt2"});
  CHECK(twice.code == 2);
  CHECK(contains(twice.errors, "gpt2: exists"));
  const test::Outcome none = project.call({"import", kModels + "gpt3", "-o", "gpt3"});
  CHECK(none.code == 2);
  CHECK(contains(none.errors, "does not exist"));
  CHECK(!std::filesystem::exists(project / "gpt3"));
}

TEST_CASE("an imported encoder reads texts with the special tokens of its own tokenizer") {
  const TinyProject project;
  std::filesystem::copy(kModels + "bert", project / "source");
  // A tokenizer of as many tokens as the model has rows: all letters of the tiny texts are there.
  nlohmann::json tokenizer =
      nlohmann::json::parse(test::read_bytes(COSFORMER_SOURCE_DIR "/tests/golden/tokenizers/bert_uncased/tokenizer.json"));
  nlohmann::json vocabulary = {{"[PAD]", 0}, {"[UNK]", 1}, {"[CLS]", 2}, {"[SEP]", 3}, {"[MASK]", 4}};
  for (const char letter : std::string("theascrylmngio")) {
    const std::string piece = (vocabulary.size() % 2 == 0 ? "" : "##") + std::string(1, letter);
    vocabulary[piece] = vocabulary.size();
  }
  REQUIRE(vocabulary.size() == 19);
  tokenizer["model"]["vocab"] = vocabulary;
  test::write_bytes(project / "source/tokenizer.json", tokenizer.dump());
  const test::Outcome imported = project.call({"import", "source", "-o", "bert"});
  CAPTURE(imported.errors);
  REQUIRE(imported.code == 0);
  CHECK(contains(test::read_bytes(project / "bert/config.toml"), "special_tokens = \"tokenizer\""));
  const test::Outcome scored = project.call({"eval", "bert", "--set", "task.valid=valid.txt"});
  CAPTURE(scored.errors);
  CHECK(scored.code == 0);
  CHECK(project
            .call({"train", "bert/config.toml", "--run-dir", "more", "--set", "train.init_from=bert", "--set",
                   "task.train=train.txt", "--set", "train.max_steps=2"})
            .code == 0);
  test::write_bytes(project / "train.tsv", "sentence\tlabel\nthe sea\t1\na cry\t0\nsang\t1\n");
  std::vector<std::string> arguments = {"train", "bert/config.toml", "--run-dir", "fine", "--set", "train.init_from=bert"};
  for (const char* key : {"task.name=sst2", "task.train=train.tsv", "train.max_steps=2", "train.batch_size=2",
                          "model.lm_head=false", "model.pooling=first"})
    arguments.insert(arguments.end(), {"--set", key});
  const test::Outcome tuned = project.call(arguments);
  CAPTURE(tuned.errors);
  CHECK(tuned.code == 0);
}

TEST_CASE("a run begins with weights that hold no config if they fit its own") {
  const TinyProject project;
  REQUIRE(project.train("one", {"train.max_steps=2"}).code == 0);
  FileSystem files;
  const std::filesystem::path best = project / "one" / "checkpoints" / "latest";
  const TensorFile weights = read_safetensors(best / kModelFile);
  write_safetensors(files, project / "bare.safetensors", weights.tensors, {});
  const test::Outcome fits = project.train("two", {"train.init_from=bare.safetensors", "train.max_steps=0"});
  CAPTURE(fits.errors);
  REQUIRE(fits.code == 0);
  const TensorFile taken = read_safetensors(project / "two" / "checkpoints" / "latest" / kModelFile);
  for (const auto& [name, tensor] : weights.tensors) {
    CAPTURE(name);
    CHECK(std::ranges::equal(taken.tensors.at(name).span<float>(), tensor.span<float>()));
  }
  const test::Outcome wider = project.train("three", {"train.init_from=bare.safetensors", "model.ffn_dim=17"});
  CHECK(wider.code == 2);
  CHECK(contains(wider.errors, "train.init_from"));
  CHECK(contains(wider.errors, "the config asks for"));
}

TEST_CASE("a decoder is exported for another program, and comes back with the same loss") {
  const TinyProject project;
  REQUIRE(project.train("run", {"attention.kind=softmax", "train.max_steps=3", "model.dropout=0"}).code == 0);
  const test::Outcome exported = project.call({"export", "run", "-o", "out", "--json"});
  CAPTURE(exported.errors);
  REQUIRE(exported.code == 0);
  CHECK(nlohmann::json::parse(exported.output)["architecture"] == "gpt2");
  REQUIRE(project.call({"import", "out", "-o", "back"}).code == 0);
  const auto loss_of = [&](const std::string& model) {
    const test::Outcome scored =
        project.call({"eval", model, "--set", "task.valid=valid.txt", "--set", "task.seq_len=16", "--json"});
    CAPTURE(scored.errors);
    REQUIRE(scored.code == 0);
    return nlohmann::json::parse(scored.output)["loss"].get<double>();
  };
  // Batches of another size add up in another order.
  CHECK(loss_of("back") == Approx(loss_of("run")).epsilon(1e-7));

  REQUIRE(project.train("linear", {"train.max_steps=1"}).code == 0);
  const test::Outcome linear = project.call({"export", "linear", "-o", "linear_out", "--json"});
  REQUIRE(linear.code == 0);
  CHECK(nlohmann::json::parse(linear.output)["architecture"] == "cosformer");
  for (const std::string name : {"modeling_cosformer.py", "attention_cosformer.py"}) {
    CHECK(test::read_bytes(project / ("linear_out/" + name)) ==
          test::read_bytes(COSFORMER_SOURCE_DIR "/train/exchange/" + name));
  }
  REQUIRE(project.train("other", {"attention.kind=gated", "train.max_steps=1"}).code == 0);
  const test::Outcome refused = project.call({"export", "other", "-o", "other_out"});
  CHECK(refused.code == 2);
  CHECK(contains(refused.errors, "attention.kind: expected in every layer one of cosformer, linear, softmax, "));
  CHECK(!std::filesystem::exists(project / "other_out"));
}

TEST_CASE("a run on a token cache is the run on the texts") {
  const TinyProject project;
  const std::string text = test::read_bytes(project / "train.txt");
  std::filesystem::create_directory(project / "texts");
  test::write_bytes(project / "texts/1.txt", text.substr(0, text.size() / 2));
  test::write_bytes(project / "texts/2.txt", text.substr(text.size() / 2));
  REQUIRE(project.train("memory", {"task.train=texts"}).code == 0);
  const std::vector<std::string> cached = {"task.train=texts/*.txt", "task.token_cache=cache"};
  const test::Outcome made =
      project.call({"data", "tokenize", "tiny.toml", "--set", cached[0], "--set", cached[1], "--json"});
  CAPTURE(made.errors);
  REQUIRE(made.code == 0);
  const nlohmann::json said = nlohmann::json::parse(made.output);
  CHECK(said["train"]["files"] == 2);
  CHECK(said["train"]["tokens"] == text.size());
  const auto names = test::names_in(project / "cache");
  CHECK(names.size() == 2);  // train and valid
  REQUIRE(project.train("mapped", cached).code == 0);
  CHECK(test::names_in(project / "cache") == names);
  CHECK(project.result("mapped").tensors == project.result("memory").tensors);
  CHECK(project.call({"data", "tokenize", "tiny.toml"}).code == 2);
}

}  // namespace
}  // namespace cosformer

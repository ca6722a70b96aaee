// Pre-training on masked tokens and fine-tuning from its checkpoint, by the program alone.
#include <nlohmann/json.hpp>

#include "core/random.h"
#include "tests/catch.h"
#include "tests/integration/tiny_project.h"
#include "train/store/checkpoint.h"

namespace cosformer {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using test::contains;
using test::is_one_line;
using test::TinyProject;

constexpr const char* kModel = R"([model]
kind = "encoder"
num_layers = 1
embed_dim = 16
num_heads = 2
ffn_dim = 32
dropout = 0.1
pooling = "first"
[optimizer]
learning_rate = 0.02
[schedule]
warmup_steps = 3
decay_steps = 40
[train]
max_steps = 20
batch_size = 8
eval_every = 10
log_every = 1
[checkpoint]
every = 5
[logging]
tensorboard = false
progress = false
)";
constexpr const char* kPreTraining = R"([task]
name = "masked_language_modeling"
train = "train.txt"
valid = "valid.txt"
tokenizer = "bpe"
tokenizer_vocab_size = 280
seq_len = 24
)";
constexpr const char* kFineTuning = R"([task]
name = "qqp"
train = "train.tsv"
valid = "dev.tsv"
seq_len = 20
)";

/// Pairs that are duplicates if their first words are equal.
std::string pairs(std::size_t count, const char* purpose) {
  static constexpr const char* kWords[] = {"sea", "sky", "grey", "calm"};
  const Random random(3, purpose);
  std::string text = "id\tquestion1\tquestion2\tis_duplicate\n";
  for (std::size_t i = 0; i < count; ++i) {
    const std::uint64_t a = random.below(4, i), b = random.below(2, i, 1) ? a : random.below(4, i, 2);
    text += std::to_string(i) + "\t" + kWords[a] + " was\t" + kWords[b] + " long\t" + (a == b ? "1" : "0") + "\n";
  }
  return text;
}

struct FineTuningProject : TinyProject {
  FineTuningProject() {
    test::write_bytes(*this / "tiny.toml", std::string(kPreTraining) + kModel);
    test::write_bytes(*this / "tune.toml", std::string(kFineTuning) + kModel);
    test::write_bytes(*this / "train.tsv", pairs(200, "train"));
    test::write_bytes(*this / "dev.tsv", pairs(50, "dev"));
    REQUIRE(train("base", {"train.max_steps=10"}).code == 0);
  }

  test::Outcome tune(const std::string& run, const std::vector<std::string>& keys = {},
                     const std::vector<std::string>& further = {}, int threads = 1) const {
    std::vector<std::string> arguments = {"train", "tune.toml", "--run-dir", run, "--set", "train.init_from=base"};
    for (const std::string& key : keys) {
      arguments.push_back("--set");
      arguments.push_back(key);
    }
    arguments.insert(arguments.end(), further.begin(), further.end());
    return call(arguments, threads);
  }
};

TEST_CASE("A masked-token run is the same on any number of threads and across a resume, and is scored the same by eval") {
  const FineTuningProject project;
  require_same_run_on_any_threads_and_across_a_resume(project);
  const json result = json::parse(project.call({"eval", "one", "--json"}).output);
  CHECK(result["tokens"].get<int>() > 10);
  CHECK(contains(test::read_bytes(project / "one/metrics.jsonl"), "\"loss\":" + result["loss"].dump()));
}

TEST_CASE("Fine-tuning begins with the encoder of the checkpoint and its tokenizer, and a new head") {
  const FineTuningProject project;
  REQUIRE(project.tune("tuned", {"train.max_steps=5", "checkpoint.keep_last=9"}).code == 0);
  const TensorMap base = read_checkpoint(project / "base/checkpoints/step-00000010").parameters;
  const TensorMap start = read_checkpoint(project.checkpoint("tuned", 0)).parameters;
  for (const auto& [name, tensor] : start) {
    CAPTURE(name);
    if (name.starts_with("classification_head")) {
      CHECK(base.count(name) == 0);
      continue;
    }
    const auto expected = base.at(name).span<float>(), found = tensor.span<float>();
    CHECK(std::equal(expected.begin(), expected.end(), found.begin(), found.end()));
  }
  CHECK(base.count("lm_head.dense.weight") == 1);
  CHECK(start.count("lm_head.dense.weight") == 0);
  CHECK(test::read_bytes(project / "tuned/tokenizer/merges.txt") == test::read_bytes(project / "base/tokenizer/merges.txt"));
  // The position table of the checkpoint stays whole although the sequences are shorter.
  CHECK(start.at("encoder.embed_positions.weight").shape() == Shape({24, 16}));
}

TEST_CASE("A fine-tuning run is the same across threads and a resume, with the checkpoint and its own folder elsewhere") {
  const FineTuningProject project;
  REQUIRE(project.tune("one", {}, {}, 1).code == 0);
  REQUIRE(project.tune("parts", {"train.max_steps=10"}, {}, 3).code == 0);
  REQUIRE(project.tune("early", {"train.max_steps=3", "checkpoint.every=50"}).code == 0);
  fs::rename(project / "base", project / "gone");
  fs::rename(project / "parts", project / "moved");
  REQUIRE(project.tune("moved", {}, {"--resume"}, 2).code == 0);
  CHECK(project.result("moved") == project.result("one"));
  const json result = json::parse(project.call({"eval", "moved", "--json"}).output);
  CHECK(result["examples"] == 50);
  const auto& positive = result["classes"][1];
  const double both = positive["examples"].get<double>() + positive["predicted"].get<double>();
  CHECK(result["f1"].get<double>() == Approx(2 * positive["correct"].get<double>() / both));
  // A run without a usable checkpoint does not begin anew by itself, and where it is asked to, what it began with is
  // missing.
  for (const std::int64_t step : project.checkpoints("early")) {
    fs::resize_file(project.checkpoint("early", step) / "model.safetensors", 100);
  }
  const test::Outcome refused = project.tune("early", {}, {"--resume"});
  CHECK(refused.code == 2);
  CHECK(contains(refused.errors, "checkpoints can be used"));
  const test::Outcome anew = project.tune("early", {}, {"--restart"});
  CHECK(anew.code == 2);
  CHECK(contains(anew.errors, "train.init_from"));
}

TEST_CASE("Weights that do not fit are refused in one line with their key, before there is a run") {
  const FineTuningProject project;
  REQUIRE(project.train("decoder", {"task.name=language_modeling", "model.kind=decoder", "train.max_steps=2"}).code == 0);
  const std::pair<std::string, std::string> cases[] = {{"train.init_from=nowhere", "nowhere"},
                                                       {"train.init_from=train.txt", "train.txt"},
                                                       {"train.init_from=decoder", "model.kind"},
                                                       {"model.embed_dim=32", "model.embed_dim is 16 there and 32"},
                                                       {"model.num_layers=2", "model.num_layers"},
                                                       {"attention.kind=softmax", "attention.kind"},
                                                       {"model.norm=post", "model.norm"},
                                                       {"model.max_length=30", "encoder.embed_positions.weight"},
                                                       {"task.seq_len=40", "model.max_length"},
                                                       {"model.vocab_size=300", "model.vocab_size"},
                                                       {"task.class_token=true", "task.class_token"},
                                                       {"task.seq_len=4", "task.seq_len"}};
  for (const auto& [key, part] : cases) {
    CAPTURE(key);
    for (const std::vector<std::string>& further : {std::vector<std::string>{}, {"--dry-run"}}) {
      const test::Outcome outcome = project.tune("run", {key}, further);
      CAPTURE(outcome.errors);
      CHECK(outcome.code == 2);
      CHECK(is_one_line(outcome.errors));
      CHECK(contains(outcome.errors, part));
      CHECK_FALSE(fs::exists(project / "run"));
    }
  }
}

TEST_CASE("Pre-training goes on with other data from the parameters of a run, head and all") {
  const FineTuningProject project;
  REQUIRE(project.train("more", {"train.init_from=base", "task.train=valid.txt", "train.max_steps=1"}).code == 0);
  const TensorMap base = read_checkpoint(project / "base/checkpoints/step-00000010").parameters;
  const Checkpoint start = read_checkpoint(project.checkpoint("more", 0));
  REQUIRE(start.parameters.size() == base.size());
  for (const auto& [name, tensor] : base) {
    const auto expected = tensor.span<float>(), found = start.parameters.at(name).span<float>();
    CHECK(std::equal(expected.begin(), expected.end(), found.begin(), found.end()));
  }
}

TEST_CASE("A run begins with weights of another M only if nothing reads it") {
  const TinyProject project;
  for (const auto& [kind, code] : {std::pair("softmax", 0), std::pair("cosformer", 2)}) {
    CAPTURE(kind);
    const std::string name = kind;
    const std::vector<std::string> keys = {"attention.kind=" + name, "train.max_steps=1"};
    const auto with = [&](const std::string& key) {
      std::vector<std::string> own = keys;
      own.push_back(key);
      return own;
    };
    REQUIRE(project.train(name, with("attention.reweighting_length=8")).code == 0);
    std::vector<std::string> other = with("attention.reweighting_length=9");
    other.push_back("train.init_from=" + name);
    const test::Outcome outcome = project.train(name + "-other", other);
    CHECK(outcome.code == code);
    CHECK(contains(outcome.errors, "attention.reweighting_length is 8 there and 9 in this config") == (code == 2));
  }
}

TEST_CASE("A run with train.new_attention begins with all other weights of a model of another attention") {
  const TinyProject project;
  REQUIRE(project.train("softmax", {"attention.kind=softmax", "train.max_steps=4"}).code == 0);
  const std::vector<std::string> keys = {"train.init_from=softmax", "attention.kind=cosformer", "attention.output_gate=silu",
                                         "train.max_steps=0"};
  const test::Outcome refused = project.train("swapped", keys);
  CHECK(refused.code == 2);
  CHECK(contains(refused.errors, "train.new_attention = true allows another attention"));

  std::vector<std::string> asked = keys;
  asked.push_back("train.new_attention=true");
  const test::Outcome swapped = project.train("swapped", asked);
  CAPTURE(swapped.errors);
  REQUIRE(swapped.code == 0);
  CHECK(contains(swapped.errors,
                 "has no decoder.layers.0.self_attn.gate_proj.weight and 1 other parameter of attentions: "
                 "begun anew"));
  const TensorMap softmax = read_checkpoint(project.checkpoint("softmax", 4)).parameters;
  const TensorMap start = read_checkpoint(project.checkpoint("swapped", 0)).parameters;
  CHECK(start.size() == softmax.size() + 2);
  for (const auto& [name, tensor] : softmax) {
    CAPTURE(name);
    const auto expected = tensor.span<float>(), found = start.at(name).span<float>();
    CHECK(std::equal(expected.begin(), expected.end(), found.begin(), found.end()));
  }

  // And back: what softmax has no use for is left out.
  const test::Outcome back = project.train(
      "back", {"train.init_from=swapped", "attention.kind=softmax", "train.new_attention=true", "train.max_steps=0"});
  CAPTURE(back.errors);
  REQUIRE(back.code == 0);
  CHECK(contains(back.errors, "decoder.layers.0.self_attn.gate_proj.bias and 1 other parameter of attentions left out"));
  CHECK(read_checkpoint(project.checkpoint("back", 0)).parameters.size() == softmax.size());
  // Another width is no matter of attention.
  CHECK(project.train("wide", {"train.init_from=softmax", "model.ffn_dim=33", "train.new_attention=true"}).code == 2);
}

TEST_CASE("Both tasks are planned, checked and timed") {
  const FineTuningProject project;
  CHECK(project.tune("none", {}, {"--dry-run"}).code == 0);
  CHECK(project.train("none", {}, {"--dry-run"}).code == 0);
  CHECK_FALSE(fs::exists(project / "none"));
  CHECK(contains(project.call({"inspect", "tiny.toml"}).output, "lm_head.dense"));
  CHECK(contains(project.call({"inspect", "tiny.toml", "--set", "model.vocab_size=300"}).output, "lm_head.dense"));
  const json step =
      json::parse(project.call({"bench", "step", "tiny.toml", "--steps", "1", "--peak", "1", "--json"}).output);
  CHECK(contains(step["operators"].dump(), "linear_cross_entropy"));
  CHECK(project.call({"bench", "step", "tune.toml", "--set", "model.num_classes=2", "--steps", "1", "--peak", "1"}).code ==
        0);
  CHECK(contains(project.call({"data", "check", "train.tsv"}).output, "format      qqp"));
  CHECK(contains(project.call({"data", "check", "train.txt", "--part", "train"}).errors,
                 "--part: a plain text is read whole"));
  CHECK(project.call({"generate", "base", "--prompt", "a"}).code == 2);
}

}  // namespace
}  // namespace cosformer

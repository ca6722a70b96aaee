// Softmax made linear, by the program alone: transfer of attentions, adapters, and what is frozen.
#include <nlohmann/json.hpp>

#include "tests/catch.h"
#include "tests/integration/tiny_project.h"
#include "train/store/checkpoint.h"

namespace cosformer {
namespace {

using nlohmann::json;
using test::contains;
using test::is_one_line;
using test::TinyProject;
using Keys = std::vector<std::string>;

const Keys kTransfer = {"task.name=attention_transfer",
                        "train.init_from=base",
                        "train.new_attention=true",
                        "attention.kind=hedgehog",
                        "train.trainable=[\"*.feature_map_*\"]",
                        "optimizer.learning_rate=0.03",
                        "optimizer.weight_decay=0",
                        "checkpoint.keep_last=20"};
const Keys kAdapters = {"train.init_from=base", "attention.kind=softmax", "lora.rank=3", "checkpoint.keep_last=20"};

Keys operator+(Keys keys, const Keys& further) {
  keys.insert(keys.end(), further.begin(), further.end());
  return keys;
}

struct LinearizeProject : TinyProject {
  LinearizeProject() {
    REQUIRE(train("base", {"attention.kind=softmax", "train.max_steps=20", "model.dropout=0"}).code == 0);
  }

  Checkpoint read(const std::string& run, std::int64_t step) const { return read_checkpoint(checkpoint(run, step)); }
  /// The evaluations' values of this name, in order.
  std::vector<double> evaluated(const std::string& run, const std::string& name) const {
    std::vector<double> values;
    std::istringstream lines(test::read_bytes(*this / (run + "/metrics.jsonl")));
    for (std::string line; std::getline(lines, line);) {
      const json record = json::parse(line);
      if (record["split"] == "valid") values.push_back(record.at(name));
    }
    return values;
  }
  json scored(const std::string& model, const Keys& sets = {}) const {
    std::vector<std::string> arguments = {"eval", model, "--json"};
    for (const std::string& key : sets) {
      arguments.push_back("--set");
      arguments.push_back(key);
    }
    const test::Outcome outcome = call(arguments);
    CAPTURE(outcome.errors);
    REQUIRE(outcome.code == 0);
    return json::parse(outcome.output);
  }
};

/// The runs "one", "three" and "parts" of these keys: on one thread, on three, and in two sessions on two and one.
void check_runs_alike(const LinearizeProject& project, const Keys& keys) {
  REQUIRE(project.train("one", keys, {}, 1).code == 0);
  REQUIRE(project.train("three", keys, {}, 3).code == 0);
  REQUIRE(project.train("parts", keys + Keys{"train.max_steps=14"}, {}, 2).code == 0);
  REQUIRE(project.train("parts", keys, {"--resume"}, 1).code == 0);
  CHECK(project.result("three") == project.result("one"));
  CHECK(project.result("parts") == project.result("one"));
}

bool same_numbers(const Tensor& a, const Tensor& b) {
  const auto first = a.span<float>(), second = b.span<float>();
  return std::ranges::equal(first, second);
}

TEST_CASE("A transfer lowers the error of every layer, trains what it is told to, and leaves all else as it was") {
  const LinearizeProject project;
  REQUIRE(project.train("transfer", kTransfer + Keys{"model.dropout=0"}).code == 0);
  const std::vector<double> loss = project.evaluated("transfer", "loss"), layer = project.evaluated("transfer", "layer_0");
  REQUIRE(loss.size() >= 3);
  CHECK(loss.back() < 0.9 * loss.front());
  CHECK(loss.back() == layer.back());
  CHECK(project.evaluated("transfer", "teacher_token_loss").back() == Approx(project.scored("base")["loss"].get<double>()));

  const Checkpoint start = project.read("transfer", 0), end = project.read("transfer", 30);
  std::size_t trained = 0;
  for (const auto& [name, tensor] : end.parameters) {
    CAPTURE(name);
    const bool is_map = contains(name, ".feature_map_");
    trained += is_map ? 1 : 0;
    CHECK(same_numbers(tensor, start.parameters.at(name)) != is_map);
    for (const char* slot : {".m", ".v"}) CHECK(end.optimizer.contains(name + slot) == is_map);
  }
  CHECK(trained == 2);
  CHECK(end.optimizer.size() == 4);

  // The model is one of language modelling, which is scored, goes on with texts, and is trained on.
  const Keys as_language = {"task.name=language_modeling"};
  CHECK(project.scored("transfer", as_language)["loss"].get<double>() ==
        Approx(project.evaluated("transfer", "token_loss").back()));
  CHECK(project.call({"generate", "transfer", "--prompt", "the", "--tokens", "5"}).code == 0);
  const Keys tuned = {"train.init_from=transfer", "attention.kind=hedgehog", "lora.rank=2", "train.max_steps=3"};
  const test::Outcome outcome = project.train("tuned", tuned);
  CHECK(outcome.code == 0);
  CHECK(contains(outcome.errors, "lora_A.weight and 7 other parameters of adapters: begun anew"));
}

TEST_CASE("A transfer is the same on any number of threads and across a resume, and knows its teacher") {
  const LinearizeProject project;
  check_runs_alike(project, kTransfer);

  REQUIRE(project.train("halted", kTransfer + Keys{"train.max_steps=10"}).code == 0);
  std::filesystem::remove_all(project / "base");
  const test::Outcome gone = project.train("halted", kTransfer, {"--resume"});
  CHECK(gone.code == 2);
  CHECK(is_one_line(gone.errors));
  CHECK(contains(gone.errors, "train.init_from"));
  REQUIRE(project.train("base", {"attention.kind=softmax", "train.max_steps=21"}).code == 0);
  const test::Outcome other = project.train("halted", kTransfer, {"--resume"});
  CHECK(other.code == 2);
  CHECK(contains(other.errors, "is not the data of the run (task.teacher)"));
}

TEST_CASE("A run with adapters is the same across threads and a resume, and its base stays as it was") {
  const LinearizeProject project;
  check_runs_alike(project, kAdapters);

  const TensorMap base = project.read("base", 20).parameters;
  const Checkpoint end = project.read("one", 30);
  CHECK(end.parameters.size() == base.size() + 8);
  for (const auto& [name, tensor] : end.parameters) {
    CAPTURE(name);
    if (contains(name, ".lora_")) {
      CHECK(end.optimizer.contains(name + ".m"));
    } else {
      CHECK(same_numbers(tensor, base.at(name)));
      CHECK_FALSE(end.optimizer.contains(name + ".m"));
    }
  }
  // Other adapters are no continuation.
  const test::Outcome changed = project.train("one", kAdapters + Keys{"lora.alpha=4", "train.max_steps=40"}, {"--resume"});
  CHECK(changed.code == 2);
  CHECK(contains(changed.errors, "lora.alpha"));
}

TEST_CASE("Adapters are merged where a model is scored, exported and begun with, to the bit") {
  const LinearizeProject project;
  REQUIRE(project.train("tuned", kAdapters).code == 0);
  const json scores = project.scored("tuned");
  CHECK(contains(test::read_bytes(project / "tuned/metrics.jsonl"), "\"loss\":" + scores["loss"].dump()));
  REQUIRE(project.call({"export", "tuned", "--format", "checkpoint", "-o", "merged"}).code == 0);
  CHECK(project.scored("merged")["loss"] == scores["loss"]);
  const Weights merged = read_weights(project / "merged");
  for (const auto& [name, tensor] : merged.parameters) CHECK_FALSE(contains(name, ".lora_"));
  CHECK(project.call({"export", "tuned", "-o", "gpt2"}).code == 0);

  // Begun with: merged without adapters of its own or with others, taken with the same.
  const auto start = [&](const std::string& run, const Keys& keys) {
    const test::Outcome outcome = project.train(run, Keys{"attention.kind=softmax", "train.max_steps=1"} + keys);
    CAPTURE(outcome.errors);
    REQUIRE(outcome.code == 0);
    return outcome.errors;
  };
  CHECK(contains(start("plain", {"train.init_from=tuned"}), "its adapters, of lora.rank = 3, are merged into its weights"));
  CHECK(contains(start("others", {"train.init_from=tuned", "lora.rank=2"}), "are merged into its weights"));
  CHECK_FALSE(contains(start("same", {"train.init_from=tuned", "lora.rank=3"}), "merged"));
  const TensorMap plain = project.read("plain", 0).parameters;
  for (const auto& [name, tensor] : merged.parameters) {
    CAPTURE(name);
    CHECK(same_numbers(tensor, plain.at(name)));
    CHECK(same_numbers(tensor, project.read("others", 0).parameters.at(name)));
  }
}

TEST_CASE("What cannot be adapted or transferred is refused in one line, before there is a run") {
  const LinearizeProject project;
  const std::pair<Keys, const char*> cases[] = {
      {{"lora.rank=2", "lora.targets=[\"*.query\"]"}, "lora.targets: no linear layer of the model is called \"*.query\""},
      {{"train.trainable=[\"*.attention.*\"]"}, "train.trainable: no parameter of the model is called \"*.attention.*\""},
      {{"lora.rank=2", "lora.alpha=0"}, "lora.alpha"},
      {{"lora.r=2"}, "lora.rank"},
      {{"task.name=attention_transfer"}, "train.init_from: attention_transfer begins with the weights"},
      {{"task.name=attention_transfer", "train.init_from=base", "attention.kind=hedgehog"}, "train.new_attention = true"},
      {{"task.name=attention_transfer", "train.init_from=base", "task.teacher=nowhere"}, "task.teacher: nowhere"},
      {kTransfer + Keys{"model.num_layers=2"}, "model.num_layers is 1 there and 2 in this config"},
      {kTransfer + Keys{"train.sequence_ranks=1"}, "train.sequence_ranks"},
      {{"attention.kind=cosformer", "lora.rank=2", "train.sequence_ranks=1"}, "train.sequence_ranks"}};
  for (const auto& [keys, message] : cases) {
    CAPTURE(message);
    const test::Outcome outcome = project.train("refused", keys);
    CAPTURE(outcome.errors);
    CHECK(outcome.code == 2);
    CHECK(is_one_line(outcome.errors));
    CHECK(contains(outcome.errors, message));
    CHECK_FALSE(std::filesystem::exists(project / "refused"));
  }
}

TEST_CASE("inspect counts what is trained") {
  const LinearizeProject project;
  const test::Outcome outcome = project.call({"inspect", "tiny.toml", "--json", "--set", "lora.rank=2"});
  REQUIRE(outcome.code == 0);
  const json plan = json::parse(outcome.output);
  // Four projections of 16 × 16 in the one layer.
  CHECK(plan["trained_parameters"] == 4 * 2 * (16 + 16));
  CHECK(plan["memory_bytes"]["optimizer"] == 2 * 4 * 4 * 2 * (16 + 16));
  CHECK(plan["parameters"].get<int>() > 4 * plan["trained_parameters"].get<int>());
}

}  // namespace
}  // namespace cosformer

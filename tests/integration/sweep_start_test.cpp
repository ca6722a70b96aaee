// What a sweep makes of its file before the first run starts, and its stages.
#include <nlohmann/json.hpp>

#include "tests/catch.h"
#include "tests/integration/sweep_project.h"

namespace cosformer {

namespace fs = std::filesystem;

using test::json_of;
using test::kSweep;
using test::Outcome;
using test::SweepProject;

TEST_CASE("Stages run one after the other, and the second begins with the first's parameters") {
  const SweepProject project(R"(question = "?"
[[stages]]
name = "first"
base = "tiny.toml"
[[stages]]
name = "second"
base = "tiny.toml"
init_from = "first"
metric = "perplexity"
set = { "train.max_steps" = 5, "optimizer.learning_rate" = 0.0 }
)");
  const Outcome outcome = project.sweep();
  INFO(outcome.errors);
  REQUIRE(outcome.code == 0);
  CHECK(test::contains(outcome.output, "second: perplexity (valid)"));
  // Without a learning rate the second stage scores what the first has found.
  const nlohmann::json first = json_of(project.run("base-seed1", "first") / "result.json");
  CHECK(json_of(project.run("base-seed1", "second") / "result.json")["valid"]["loss"] == first["valid"]["loss"]);
  CHECK(project.sweep({"--resume"}).code == 0);
}

TEST_CASE("A stage that could not begin with the weights of the one before is refused before the first starts") {
  const auto stages = [](const std::string& kind, const std::string& second) {
    return "question = \"?\"\n[set]\n\"attention.kind\" = \"" + kind +
           "\"\n[[stages]]\nname = \"first\"\nbase = \"tiny.toml\"\nset = { \"attention.reweighting_length\" = 9 }\n"
           "[[stages]]\nname = \"second\"\nbase = \"tiny.toml\"\ninit_from = \"first\"\nset = { " +
           second + " }\n";
  };
  struct Case {
    std::string kind, second, error;
  };
  const Case cases[] = {
      {"cosformer", "\"attention.reweighting_length\" = 10",
       "attention.reweighting_length is 9 there and 10 in this config"},
      {"softmax", "\"attention.reweighting_length\" = 10", ""},
      {"cosformer", "\"task.seq_len\" = 12", ""},
      {"cosformer", "\"attention.kind\" = \"softmax\"",
       "attention.kind is \"cosformer\" there and \"softmax\" in this config"},
      {"cosformer", "\"model.ffn_dim\" = 17", "model.ffn_dim is "},
  };
  for (const auto& [kind, second, error] : cases) {
    CAPTURE(kind, second);
    const SweepProject project(stages(kind, second));
    const Outcome outcome = project.sweep({"--dry-run"});
    INFO(outcome.errors);
    CHECK(outcome.code == (error.empty() ? 0 : 2));
    if (error.empty()) continue;
    CHECK(test::is_one_line(outcome.errors));
    CHECK(test::contains(outcome.errors, "second: train.init_from: the stage \"first\": " + error));
  }
}

TEST_CASE("A sweep whose task completes the configs is resumed as it is") {
  const SweepProject project(R"(question = "?"
base = "tiny.toml"
[set]
"task.name" = "masked_language_modeling"
"model.kind" = "encoder"
"train.max_steps" = 3
"train.eval_every" = 0
)");
  REQUIRE(project.sweep().code == 0);
  const Outcome again = project.sweep({"--resume"});
  INFO(again.errors);
  CHECK(again.code == 0);
}

TEST_CASE("A dry run lists the runs with what they need, and writes nothing") {
  const SweepProject project;
  const Outcome outcome = project.sweep({"--dry-run"});
  CHECK(outcome.code == 0);
  CHECK(test::contains(outcome.output, "cosformer-seed2 train"));
  CHECK(test::contains(outcome.output, "4 runs, 4 to do"));
  CHECK_FALSE(fs::exists(project / "s"));
  const auto json = nlohmann::json::parse(project.sweep({"--dry-run", "--json"}).output);
  CHECK(json["runs"].size() == 4);
  CHECK(json["runs"][0]["steps"] == 30);
  CHECK(json["runs"][0]["parameters"].get<int>() > 1000);
  CHECK(json["flops"].get<double>() ==
        Approx(2 * json["runs"][0]["flops"].get<double>() + 2 * json["runs"][2]["flops"].get<double>()));
}

TEST_CASE("What is wrong with any run shows in one line before the first starts") {
  const auto error_of = [](const std::string& text, const std::vector<std::string>& further = {}) {
    const SweepProject project(text);
    const Outcome outcome = project.sweep(further);
    CHECK(outcome.code == 2);
    CHECK(test::is_one_line(outcome.errors));
    CHECK_FALSE(fs::exists(project / "s"));
    return outcome.errors;
  };
  const std::string text = kSweep;
  CHECK(test::contains(error_of(text + "[grid]\n\"model.num_heads\" = [2, 3]\n"),
                       "softmax,num_heads=3-seed1, train: --set model.num_heads"));
  CHECK(test::contains(error_of(text + "[grid]\n\"task.train\" = [\"train.txt\", \"none.txt\"]\n"),
                       "softmax,train=none.txt-seed1, train: task.train: none.txt"));
  CHECK(test::contains(error_of(text + "[set]\n\"task.valid\" = \"\"\n"), "but the config has no task.valid"));
  // What only one point of those that share their data cannot do.
  CHECK(test::contains(error_of(text + "[set]\n\"train.sequence_ranks\" = 1\n"), "softmax-seed1, train: attention.kind: "));
  CHECK(test::contains(error_of(text + "[grid]\n\"train.sequence_ranks\" = [0, 2]\n[set]\n\"train.shards\" = 1\n"),
                       "softmax,sequence_ranks=2-seed1, train: "));
  CHECK(test::contains(error_of(text + "[set]\n\"task.carry_state\" = true\n\"attention.reweighting_length\" = 9999\n"
                                       "[grid]\n\"model.positions\" = [\"none\", \"learned\"]\n"),
                       "softmax,positions=learned-seed1, train: task.carry_state: "));
  CHECK(test::contains(error_of(text, {"--jobs", "0"}), "--jobs: expected 1 to "));
  CHECK(test::contains(error_of(text, {"--launcher", "slrm"}), "did you mean \"slurm\"?"));
  CHECK(test::contains(error_of(text, {"--point", "0"}), "is no sweep folder"));
}

}  // namespace cosformer

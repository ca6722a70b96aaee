// The built program, as a shell calls it.
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "tests/catch.h"
#include "tests/train/cli/shell.h"
#include "tests/train/run_support.h"
#include "train/cli/verbs.h"

namespace cosformer {
namespace {

using test::Outcome;

Outcome run(const std::string& arguments) { return test::run_in_shell(".", arguments); }

TEST_CASE("The program says its version and its verbs") {
  const Outcome version = run("--version");
  CHECK(version.code == 0);
  CHECK(version.output.starts_with("cosformer 0."));
  const Outcome help = run("--help");
  CHECK(help.code == 0);
  CHECK(help.output.find("\n  doctor ") != std::string::npos);
  const Outcome nothing = run("");
  CHECK(nothing.code == 2);
  CHECK(nothing.output.empty());
  CHECK(nothing.errors == help.output);
}

TEST_CASE("Every verb takes --help") {
  std::vector<std::string> verbs = {"config list", "config explain",    "config show",          "config diff",
                                    "bench peak",  "bench attention",   "bench step",           "bench operators",
                                    "data make",   "data make listops", "data make pathfinder", "data check"};
  for (const Verb& verb : program_verbs()) verbs.emplace_back(verb.name);
  for (const std::string& verb : verbs) {
    INFO(verb);
    const Outcome help = run(verb + " --help");
    CHECK(help.code == 0);
    CHECK(help.output.find("Usage:") != std::string::npos);
    CHECK(help.errors.empty());
  }
}

TEST_CASE("What the user mistypes gives one line with the nearest name and exit code 2") {
  const auto error_of = [](const std::string& arguments) {
    const Outcome outcome = run(arguments);
    CHECK(outcome.code == 2);
    CHECK(outcome.output.empty());
    return outcome.errors;
  };
  CHECK(error_of("docter") == "cosformer: error: unknown verb 'docter'; did you mean \"doctor\"?\n");
  CHECK(error_of("config lst") == "cosformer config: error: unknown verb 'lst'; did you mean \"list\"?\n");
  CHECK(error_of("doctor --jsn") ==
        "cosformer doctor: error: unknown flag '--jsn'; did you mean \"--json\"?; see cosformer doctor --help\n");
  CHECK(error_of("doctor -x") == "cosformer doctor: error: unknown flag '-x'; see cosformer doctor --help\n");
  CHECK(error_of("doctor now") == "cosformer doctor: error: unexpected argument 'now'; see cosformer doctor --help\n");
  CHECK(error_of("config show") ==
        "cosformer config show: error: expected CONFIG.toml|RUN; see cosformer config show --help\n");
  CHECK(error_of("config show none.toml").starts_with("none.toml: error: no such file (looked for in "));
  CHECK(error_of("train none.toml --set train.max_steps 50") ==
        "cosformer train: error: --set train.max_steps: expected key=value; see cosformer train --help\n");
  CHECK(error_of("config explain model.num_layer") ==
        "error: unknown key 'model.num_layer'; did you mean \"model.num_layers\"?\n");
}

TEST_CASE("config list and explain give the schema, also as JSON") {
  CHECK(run("config list").output.find("model.num_layers = 4  # ") != std::string::npos);
  CHECK(run("config list --markdown").output.starts_with("# Config keys\n"));
  const auto all = nlohmann::json::parse(run("config list --json").output);
  CHECK(all.size() > 50);
  const auto one = nlohmann::json::parse(run("config explain optimizer.betas --json").output);
  REQUIRE(one.size() == 1);
  CHECK(one[0]["default"] == nlohmann::json({0.9, 0.95}));
  CHECK(run("config explain schedule").output.find("schedule.warmup_steps\n") != std::string::npos);
}

TEST_CASE("config show gives values and origins, and commas do not split an override") {
  const test::TemporaryFolder folder;
  const std::string file = (folder / "run.toml").string();
  test::write_bytes(file, "[model]\nnum_layers = 2\n");
  const Outcome shown = run("config show " + file + " --set 'optimizer.betas=[0.8, 0.9]' --set train.seed=5");
  CHECK(shown.code == 0);
  CHECK(shown.output.find("num_layers = 2  # " + file + ":2:1\n") != std::string::npos);
  CHECK(shown.output.find("betas = [0.8, 0.9]  # --set\n") != std::string::npos);
  CHECK(shown.output.find("ffn_dim = 1024  # default\n") != std::string::npos);
  test::write_bytes(folder / "shown.toml", shown.output);
  const Outcome same = run("config diff " + file + " " + (folder / "shown.toml").string());
  CHECK(same.output == "optimizer.betas: [0.9, 0.95] -> [0.8, 0.9]\ntrain.seed: 1 -> 5\n");
  const auto json = nlohmann::json::parse(run("config show " + file + " --json").output);
  CHECK(json["model"]["num_layers"] == 2);
}

TEST_CASE("doctor gives its facts as JSON and as text") {
  const Outcome json = run("doctor --json");
  CHECK(json.code == 0);
  const auto facts = nlohmann::json::parse(json.output);
  CHECK(facts["threads"].get<int>() >= 1);
  CHECK(facts["blas"]["openmp"] == true);
  CHECK(facts["usable_processors"].get<int>() >= 1);
  CHECK(facts["findings"].is_array());
  CHECK(run("doctor").output.find("\nBLAS          OpenBLAS") != std::string::npos);
}

TEST_CASE("Output that cannot be written is an error") { CHECK(run("config list >/dev/full").code == 1); }

}  // namespace
}  // namespace cosformer

// What a sweep believes of its finished runs when data has moved or changed.
#include "core/error.h"
#include "tests/catch.h"
#include "tests/integration/sweep_project.h"

namespace cosformer {
namespace {

namespace fs = std::filesystem;

using test::kSweep;
using test::Outcome;
using test::SweepProject;

/// What a sweep that must be refused says, in one line.
std::string refusal(const SweepProject& project, const char* flag) {
  const Outcome outcome = project.sweep({flag});
  CHECK(outcome.code == 2);
  CHECK(test::is_one_line(outcome.errors));
  return outcome.errors;
}

TEST_CASE("A finished run of a sweep is believed if its data lies elsewhere now, and not if it is other data") {
  const SweepProject project;
  REQUIRE(project.sweep().code == 0);
  const std::string text = test::read_bytes(project / "train.txt"), elsewhere = "\"task.train\" = \"other.txt\"\n";
  fs::rename(project / "train.txt", project / "other.txt");
  project.write(concat(kSweep, "[set]\n", elsewhere));
  const Outcome moved = project.sweep({"--resume"});
  INFO(moved.errors);
  CHECK(moved.code == 0);
  CHECK(test::contains(moved.errors, "4 points, 0 to run"));

  test::write_bytes(project / "other.txt", text.substr(0, text.size() / 2));
  CHECK(test::contains(refusal(project, "--resume"),
                       "softmax-seed1/train: other.txt: is not the data of the run (task.train): "));
  project.write(kSweep);
  test::write_bytes(project / "train.txt", text + text);
  CHECK(test::contains(refusal(project, "--resume"),
                       "softmax-seed1/train: train.txt: is not the data of the run (task.train): "));
}

TEST_CASE("A finished run of a sweep is believed with the weights that it began with, and not with others") {
  const SweepProject project;
  REQUIRE(project.train("first", {"train.max_steps=2"}).code == 0);
  REQUIRE(project.train("second", {"train.max_steps=3"}).code == 0);
  const auto write = [&](const char* weights, const char* seeds) {
    test::write_bytes(project / "base.toml",
                      concat("extends = \"tiny.toml\"\n[train]\nmax_steps = 4\ninit_from = \"", weights, "\"\n"));
    project.write(concat("question = \"?\"\nbase = \"base.toml\"\nseeds = ", seeds, "\n"));
  };
  write("nothing", "[1]");
  CHECK(test::contains(refusal(project, "--dry-run"), "train.init_from: "));
  write("first", "[1]");
  REQUIRE(project.sweep().code == 0);
  write("second", "[1, 2]");
  CHECK(test::contains(refusal(project, "--resume"),
                       "train.init_from is \"first\" in this finished run and \"second\" in the sweep now"));
  write("first", "[1, 2]");
  CHECK(project.sweep({"--resume"}).code == 0);
}

TEST_CASE("A split that a sweep did not have when its runs were scored is scored by --resume") {
  const SweepProject project;
  REQUIRE(project.sweep().code == 0);
  fs::copy(project / "valid.txt", project / "test.txt");
  project.write(concat("split = \"test\"\n", kSweep, "[set]\n\"task.test\" = \"test.txt\"\n"));
  const Outcome scored = project.sweep({"--resume", "--json"});
  INFO(scored.errors);
  REQUIRE(scored.code == 0);
  CHECK(nlohmann::json::parse(scored.output)["finished"] == 4);
  const nlohmann::json result = test::json_of(project.run("softmax-seed1") / "result.json");
  CHECK(result["test"]["loss"] == result["valid"]["loss"]);
  CHECK(test::contains(project.sweep({"--resume"}).errors, "4 points, 0 to run"));
}

}  // namespace
}  // namespace cosformer

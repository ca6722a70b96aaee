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

  const auto refusal = [&] {
    const Outcome outcome = project.sweep({"--resume"});
    CHECK(outcome.code == 2);
    CHECK(test::is_one_line(outcome.errors));
    return outcome.errors;
  };
  test::write_bytes(project / "other.txt", text.substr(0, text.size() / 2));
  CHECK(test::contains(refusal(), "softmax-seed1/train: other.txt: is not the data of the run (task.train): "));
  project.write(kSweep);
  test::write_bytes(project / "train.txt", text + text);
  CHECK(test::contains(refusal(), "softmax-seed1/train: train.txt: is not the data of the run (task.train): "));
}

}  // namespace
}  // namespace cosformer

// The report of runs that the program has trained.
#include <chrono>
#include <csignal>
#include <nlohmann/json.hpp>

#include "tests/catch.h"
#include "tests/integration/tiny_project.h"

namespace cosformer {
namespace {

using test::TinyProject;

TEST_CASE("report writes one page of two runs, with curves, attention matrices and environment") {
  const TinyProject project;
  REQUIRE(project.train("runs/a", {"attention.kind=softmax"}).code == 0);
  REQUIRE(project.train("runs/b", {"attention.kind=cosformer"}).code == 0);
  const test::Outcome outcome =
      project.call({"report", "runs/a", "runs/b", "--heads", "0.0,0.1", "--attention-length", "12"});
  REQUIRE(outcome.code == 0);
  CHECK(outcome.output.empty());
  const std::string page = test::read_bytes(project / "report.html");
  for (const char* text :
       {"layer 0, head 1", "… without re-weighting", "cos distance matrix", "M = 16", "12 queries by 12 keys",
        "Loss by step", "Loss by time", "The two runs side by side", "attention.kind", "Environment", "1 thread, "}) {
    INFO(text);
    CHECK(test::contains(page, text));
  }
  CHECK_FALSE(test::contains(page, "cannot be shown"));
  CHECK_FALSE(test::contains(page, "<script"));

  const auto json = nlohmann::json::parse(project.call({"report", "runs/a", "runs/b", "--format", "json"}).output);
  const auto& runs = json["experiments"][0]["runs"];
  REQUIRE(runs.size() == 2);
  const auto scored = nlohmann::json::parse(project.call({"eval", "runs/a", "--json"}).output);
  CHECK(runs[0]["status"] == "finished");
  CHECK(runs[0]["scores"]["valid"]["loss"].get<double>() == Approx(scored["loss"].get<double>()).epsilon(1e-9));
  CHECK(runs[0]["values"]["best_step"] == scored["step"]);
  CHECK(test::contains(project.call({"report", "runs/a", "--format", "csv"}).output, "valid,loss,"));
  CHECK(test::contains(project.call({"report", "runs/a", "runs/b", "--format", "md"}).output, "| group |"));
}

TEST_CASE("report shows a run without its data and says what it cannot show") {
  const TinyProject project;
  REQUIRE(project.train("run").code == 0);
  std::filesystem::remove(project / "valid.txt");
  REQUIRE(project.call({"report", "run"}).code == 0);
  CHECK(test::contains(test::read_bytes(project / "report.html"), "cannot be shown: task.valid: valid.txt"));
}

TEST_CASE("report shows what a language model wrote, and compares with the group that is asked for") {
  const TinyProject project;
  REQUIRE(project.train("a", {"logging.sample_prompt=the <b>sea", "train.max_steps=4", "train.eval_every=2"}).code == 0);
  REQUIRE(project.train("b", {"train.max_steps=4", "attention.kind=softmax"}).code == 0);
  CHECK(test::contains(test::read_bytes(project / "a/samples.jsonl"), "{\"step\":2,\"prompt\":\"the <b>sea\",\"text\":\""));
  CHECK(test::contains(test::read_bytes(project / "a/run.log"), " step 4 sample \"the <b>sea"));
  CHECK_FALSE(std::filesystem::exists(project / "b/samples.jsonl"));
  const test::Outcome outcome = project.call({"report", "a", "b", "--attention-length", "0", "--baseline", "b"});
  REQUIRE(outcome.code == 0);
  const std::string page = test::read_bytes(project / "report.html");
  CHECK(test::contains(page, "Sample text"));
  CHECK(test::contains(page, "Step 2</p>\n<div class=\"sample\"><b>the &lt;b&gt;sea</b>"));
  CHECK(test::contains(page, "a − b"));
  CHECK_FALSE(test::contains(page, "b − a"));
  const test::Outcome wrong = project.call({"report", "a", "b", "--baseline", "c"});
  CHECK(wrong.code == 2);
  CHECK(test::contains(wrong.errors, "--baseline: there is no group \"c\""));
}

TEST_CASE("report --watch writes the page while a run goes on, and once more at its end") {
  const TinyProject project;
  test::Program training(project.train_arguments("run", {"train.max_steps=100000", "logging.progress=false"}),
                         project.surroundings());
  REQUIRE(
      test::wait_until([&] { return std::filesystem::exists(project / "run/metrics.jsonl"); }, std::chrono::seconds(60)));
  test::Program watching({"report", "run", "--watch=1", "--attention-length", "4"}, project.surroundings());
  const auto page = [&] { return test::read_bytes(project / "report.html"); };
  REQUIRE(test::wait_until([&] { return std::filesystem::exists(project / "report.html"); }, std::chrono::seconds(60)));
  CHECK(test::contains(page(), "<meta http-equiv=\"refresh\" content=\"1\">"));
  CHECK(test::contains(page(), "running"));
  training.send(SIGTERM);
  CHECK(training.wait().code == 143);
  const test::Outcome outcome = watching.wait();
  INFO(outcome.errors);
  CHECK(outcome.code == 0);
  CHECK(test::contains(outcome.errors, "report.html: written, nothing is running\n"));
  CHECK_FALSE(test::contains(page(), "http-equiv"));
  CHECK(test::contains(page(), "stopped"));
}

TEST_CASE("report refuses bad arguments in one line and writes nothing") {
  const TinyProject project;
  REQUIRE(project.train("run", {"train.max_steps=2"}).code == 0);
  for (const std::vector<std::string>& arguments :
       std::vector<std::vector<std::string>>{{"report"},
                                             {"report", "nothing"},
                                             {"report", "run", "--format", "pdf"},
                                             {"report", "run", "--heads", "3.0"},
                                             {"report", "run", "--heads", "x"},
                                             {"report", "run", "--attention-length", "-1"},
                                             {"report", "run", "-o", "no/such/folder.html"},
                                             {"report", "run", "-o", "run"},
                                             {"report", "run", "--watch=0"},
                                             {"report", "run", "--baseline", "nobody"},
                                             {"report", "run", "--watch", "--format", "csv"}}) {
    const test::Outcome outcome = project.call(arguments);
    CAPTURE(arguments.back(), outcome.errors);
    CHECK(outcome.code == 2);
    CHECK(test::is_one_line(outcome.errors));
    CHECK_FALSE(std::filesystem::exists(project / "report.html"));
  }
}

}  // namespace
}  // namespace cosformer

#include "train/experiments/sweep/sweep_table.h"

#include <nlohmann/json.hpp>

#include "tests/catch.h"
#include "train/experiments/statistics.h"

namespace cosformer {
namespace {

ReportedRun run(const std::string& group, std::int64_t seed, RunStatus status, double loss, const std::string& reason = {}) {
  ReportedRun run;
  run.name = group + "-seed" + std::to_string(seed);
  run.group = group;
  run.seed = seed;
  run.status = status;
  run.reason = reason;
  if (status == RunStatus::finished) run.scores["valid"] = {{"loss", loss}, {"perplexity", 2 * loss}};
  return run;
}

Experiment experiment() {
  Experiment experiment;
  experiment.name = "s";
  experiment.question = "Which?";
  experiment.is_sweep = true;
  experiment.stages = {{"train", "loss", "valid", false}};
  experiment.groups = {"φ", "softmax"};
  experiment.runs = {run("φ", 1, RunStatus::finished, 2), run("φ", 2, RunStatus::finished, 4),
                     run("softmax", 1, RunStatus::failed, 0, "error: no memory"),
                     run("softmax", 2, RunStatus::not_started, 0)};
  experiment.published = {{"softmax", "train", 1.5, "somebody"}};
  return experiment;
}

TEST_CASE("A sweep's table has a row a group, and names what failed with its line") {
  CHECK(format_sweep(experiment()) ==
        "Which?\n"
        "group    loss (valid)  n    published\n"
        "φ        3.0 ± 1.4     2/2\n"
        "softmax  -             0/2  1.5 (somebody)\n"
        "failed: softmax-seed1 train: error: no memory\n");
}

TEST_CASE("Floors stand below the groups of a sweep's table, with a line that names who is not past them") {
  Experiment with_floors = experiment();
  with_floors.runs.push_back(run("relu", 1, RunStatus::finished, 2.25));
  with_floors.groups = {"φ", "relu", "softmax"};
  with_floors.floors = {
      {"bigram", "train", 2.5, "counted"}, {"trigram", "train", 3.5, "counted"}, {"unigram", "train", 3, ""}};
  CHECK(format_sweep(with_floors) ==
        "Which?\n"
        "group           loss (valid)  n    published\n"
        "φ               3.0 ± 1.4     2/2\n"
        "relu            2.2500        1/1\n"
        "softmax         -             0/2  1.5 (somebody)\n"
        "floor: bigram   2.5000\n"
        "floor: trigram  3.5000\n"
        "floor: unigram  3.0000\n"
        "not past the floor of 2.5000 (bigram): φ\n"
        "not past the floor of 3.0000 (unigram): φ\n"
        "failed: softmax-seed1 train: error: no memory\n");
  const nlohmann::json floor = sweep_to_json(with_floors)["floors"][0];
  CHECK(floor == nlohmann::json{{"name", "bigram"}, {"stage", "train"}, {"value", 2.5}, {"source", "counted"}});

  // Of an accuracy a floor is below.
  with_floors.stages[0].higher_is_better = true;
  CHECK(unpassed_floors(with_floors, 0) == std::vector<std::string>{"not past the floor of 2.5000 (bigram): relu",
                                                                    "not past the floor of 3.5000 (trigram): all",
                                                                    "not past the floor of 3.0000 (unigram): all"});
}

TEST_CASE("Groups of a grid stand in a sweep's table by the values that differ, below their keys") {
  Experiment grid = experiment();
  grid.groups = {"kind=linear,feature_map=relu,chunk_size=16", "kind=linear,feature_map=squared_relu,chunk_size=16"};
  grid.published.clear();
  grid.runs = {run(grid.groups[0], 1, RunStatus::finished, 2), run(grid.groups[1], 1, RunStatus::finished, 3)};
  CHECK(format_sweep(grid) ==
        "Which?\n"
        "feature_map:\n"
        "group         loss (valid)  n\n"
        "relu          2.0000        1/1\n"
        "squared_relu  3.0000        1/1\n");
}

TEST_CASE("A sweep as JSON has means, deviations, counts and failures") {
  const nlohmann::json json = sweep_to_json(experiment());
  CHECK(json["runs"] == 4);
  CHECK(json["finished"] == 2);
  const auto& first = json["groups"][0]["stages"][0];
  CHECK(first["mean"] == 3.0);
  CHECK(first["std"].get<double>() == Approx(std::sqrt(2.0)));
  CHECK(first["n"] == 2);
  CHECK_FALSE(json["groups"][1]["stages"][0].contains("mean"));
  CHECK(json["groups"][1]["stages"][0]["published"] == 1.5);
  CHECK(json["failed"] ==
        nlohmann::json::parse(R"([{"point":"softmax-seed1","stage":"train","reason":"error: no memory"}])"));
}

TEST_CASE("A metric that no run has is said to be missing, with those that there are") {
  Experiment wrong = experiment();
  wrong.stages[0].metric = "accuraccy";
  CHECK(format_sweep(wrong).find("train: no run has accuraccy (valid); they have loss, perplexity\n") != std::string::npos);
}

}  // namespace
}  // namespace cosformer

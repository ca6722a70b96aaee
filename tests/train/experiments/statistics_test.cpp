// Means, deviations and paired differences, against values worked out by hand and t quantiles from printed tables.
#include "train/experiments/statistics.h"

#include "tests/catch.h"
#include "tests/train/experiments/report/report_support.h"
#include "train/experiments/report/tables.h"

namespace cosformer {
namespace {

using test::experiment_of;

TEST_CASE("a summary has the mean and the sample standard deviation") {
  const auto summary = summarize(std::vector<double>{2, 4, 4, 4, 5, 5, 7, 9});
  REQUIRE(summary);
  CHECK(summary->count == 8);
  CHECK(summary->mean == Approx(5));
  CHECK(*summary->deviation == Approx(std::sqrt(32.0 / 7)));
  CHECK(summary->minimum == 2);
  CHECK(summary->maximum == 9);
  CHECK_FALSE(summarize(std::vector<double>{1.5})->deviation);
  CHECK_FALSE(summarize(std::vector<double>{}));
}

TEST_CASE("a paired difference has the interval of Student's t distribution") {
  // Differences 1, 2, 3: mean 2, deviation 1; t(0.975, 2) = 4.30265.
  const auto difference = paired_difference({10, 20, 30}, {11, 22, 33});
  REQUIRE(difference);
  CHECK(difference->count == 3);
  CHECK(difference->mean == Approx(2));
  CHECK(*difference->low == Approx(2 - 4.30265 / std::sqrt(3.0)).epsilon(1e-5));
  CHECK(*difference->high == Approx(2 + 4.30265 / std::sqrt(3.0)).epsilon(1e-5));
  CHECK_FALSE(difference->is_clear());
  // t(0.975, 1) = 12.7062.
  CHECK(*paired_difference({0, 0}, {1, 1.2})->low == Approx(1.1 - 12.7062 * 0.141421356 / std::sqrt(2.0)).epsilon(1e-5));
  CHECK(paired_difference({0, 0, 0, 0}, {1, 1.01, 0.99, 1})->is_clear());
  CHECK_FALSE(paired_difference({1}, {2})->low);
  CHECK_THROWS_AS(paired_difference({1}, {}), ShapeError);
}

TEST_CASE("groups are compared over the seeds that both have finished") {
  Experiment experiment = experiment_of({{"a", {1.0, 2.0, 3.0}}, {"b", {1.5, 2.5, 9.0}}});
  experiment.runs[5].status = RunStatus::failed;
  auto difference = compare_groups(experiment, "a", "b", 0);
  REQUIRE(difference);
  CHECK(difference->count == 2);
  CHECK(difference->mean == Approx(0.5));
  // Seeds are matched by number, not by place.
  experiment.runs[3].seed = 2;
  experiment.runs[4].seed = 1;
  difference = compare_groups(experiment, "a", "b", 0);
  CHECK(difference->mean == Approx(0.5));
  CHECK(*difference->deviation == Approx(std::sqrt(2.0)));  // 1.5 - 2 and 2.5 - 1
  CHECK(summarize(experiment, "b", 0)->count == 2);
}

TEST_CASE("the best group is the one with the best mean by the stage's direction") {
  Experiment experiment = experiment_of({{"a", {1, 3}}, {"b", {1.5, 1.7}}, {"c", {5, 5}}});
  CHECK(best_groups(experiment, 0) == std::vector<std::size_t>{1});
  experiment.stages[0].higher_is_better = true;
  CHECK(best_groups(experiment, 0) == std::vector<std::size_t>{2});
  CHECK(best_groups(experiment_of({{"alone", {1}}}), 0).empty());
  const ReportTable table = results_table(experiment);
  CHECK(table.rows[2][1].is_best);
  CHECK_FALSE(table.rows[1][1].is_best);
}

TEST_CASE("warnings name few seeds, missing runs and ranges that overlap") {
  const auto text = [](const Experiment& experiment) {
    std::string all;
    for (const std::string& warning : warnings(experiment, 0)) all += warning + '\n';
    return all;
  };
  CHECK(text(experiment_of({{"a", {1, 1.1, 1.2}}, {"b", {2, 2.1, 2.2}}})).empty());
  CHECK(text(experiment_of({{"a", {1, 1.1}}, {"b", {2, 2.1}}})).find("only 2 finished runs") != std::string::npos);
  CHECK(text(experiment_of({{"a", {1, 1.1, 2.1}}, {"b", {2, 2.1, 2.2}}})).find("overlap") != std::string::npos);
  Experiment failed = experiment_of({{"a", {1, 1.1, 1.2, 1.3}}, {"b", {2, 2.1, 2.2}}});
  failed.runs[0].status = RunStatus::failed;
  CHECK(text(failed).find("1 run is not finished") != std::string::npos);
  failed.stages.insert(failed.stages.begin(), {.name = "pretrain"});
  CHECK(text(failed).starts_with("pretrain: "));
}

TEST_CASE("a published figure stands beside ours with the difference") {
  Experiment experiment = experiment_of({{"a", {2.0, 2.2}}, {"b", {3.0, 3.0}}});
  experiment.published.push_back({"a", "train", 1.98, "Qin et al., 2022, Table 1"});
  const ReportTable table = results_table(experiment);
  std::vector<std::string> names;
  for (const TableColumn& column : table.columns) names.push_back(column.name);
  CHECK(names == std::vector<std::string>{"group", "loss (valid)", "n", "published", "ours − published"});
  CHECK(table.rows[0][3].text == "1.9800");
  CHECK(table.rows[0][3].note == "Qin et al., 2022, Table 1");
  CHECK(table.rows[0][4].text == "0.1200");
  CHECK(table.rows[1][3].text == "–");
}

}  // namespace
}  // namespace cosformer

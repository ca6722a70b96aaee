#include <algorithm>

#include "tests/catch.h"
#include "tests/train/experiments/report/report_support.h"
#include "train/experiments/group_labels.h"
#include "train/experiments/report/tables.h"

namespace cosformer::test {

using Names = std::vector<std::string>;

TEST_CASE("groups of a grid are called by the values that differ, behind the keys") {
  const GroupLabels labels =
      label_groups({"feature_map=relu,reweighting=cos,chunk_size=16", "feature_map=relu,reweighting=none,chunk_size=16",
                    "feature_map=elu,reweighting=cos,chunk_size=16"});
  CHECK(labels.keys == "feature_map, reweighting");
  CHECK(labels.labels == Names{"relu, cos", "relu, none", "elu, cos"});
}

TEST_CASE("names of entries stay beside the values of a grid") {
  const GroupLabels labels = label_groups({"softmax,seq_len=64", "cosFormer,seq_len=64", "softmax,seq_len=128"});
  CHECK(labels.keys == "seq_len");
  CHECK(labels.labels == Names{"softmax, 64", "cosFormer, 64", "softmax, 128"});
  CHECK(label_groups({"relu,seed set", "elu,seed set"}).labels == Names{"relu", "elu"});
}

TEST_CASE("arrays are one value, and a key that is not the same in all groups stays") {
  CHECK(label_groups({"betas=[0.9,0.98],k=1", "betas=[0.9,0.99],k=1"}).labels == Names{"[0.9,0.98]", "[0.9,0.99]"});
  const GroupLabels mixed = label_groups({"a=1", "b=1"});
  CHECK(mixed.keys.empty());
  CHECK(mixed.labels == Names{"a=1", "b=1"});
}

TEST_CASE("names that have nothing in common, one group and equal groups stay as they are") {
  for (const Names& names : {Names{"softmax", "cosFormer"}, Names{"base"}, Names{"a,b", "a"}, Names{"x", "x"}, Names{}}) {
    CHECK(label_groups(names).keys.empty());
    CHECK(label_groups(names).labels == names);
  }
}

TEST_CASE("tables call the groups of a grid by the values that differ, below the keys") {
  Experiment grid = experiment_of({{"kind=linear,feature_map=relu,chunk_size=16", {1, 2}},
                                   {"kind=linear,feature_map=elu,chunk_size=16", {2, 3}},
                                   {"kind=linear,feature_map=elu,chunk_size=32", {3, 4}}});
  grid.is_sweep = true;
  const ReportTable results = results_table(grid), runs = runs_table(grid);
  CHECK(results.columns[0].name == "feature_map, chunk_size");
  CHECK(results.rows[2][0].text == "elu, 32");
  CHECK(runs.columns[1].name == "feature_map, chunk_size");
  CHECK(runs.rows[0][1].text == "relu, 16");
  CHECK(differences_table(grid).rows[1][0].text == "elu, 32 − relu, 16");
  CHECK(run_label(grid, grid.runs[3]) == "elu, 16 (seed 2)");
  grid.is_sweep = false;
  CHECK(run_label(grid, grid.runs[3]) == "elu, 16 (kind=linear,feature_map=elu,chunk_size=16-seed2)");
  CHECK(results_table(experiment_of({{"softmax", {1}}, {"cosFormer", {2}}})).columns[0].name == "group");
}

TEST_CASE("labels of different groups are different") {
  Names names;
  for (const char* map : {"relu", "elu", "identity"})
    for (const char* reweighting : {"cos", "none"})
      for (const char* size : {"16", "32"})
        names.push_back(std::string("attention.feature_map=") + map + ",attention.reweighting=" + reweighting +
                        ",chunk_size=" + size);
  Names labels = label_groups(names).labels;
  REQUIRE(labels.size() == 12);
  CHECK(labels[0] == "relu, cos, 16");
  std::sort(labels.begin(), labels.end());
  CHECK(std::adjacent_find(labels.begin(), labels.end()) == labels.end());
}

}  // namespace cosformer::test

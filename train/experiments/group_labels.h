#pragma once
/// \file
/// Short names of groups, by what differs between them.

#include <string>
#include <vector>

#include "train/experiments/experiment.h"

namespace cosformer {

/// Labels of groups in their order.
struct GroupLabels {
  std::string keys;  ///< what the labels are values of, as "feature_map, chunk_size"; empty: names as they are
  std::vector<std::string> labels;  ///< "relu, 16"; no two are equal unless the groups' names are

  /// What stands above a column of labels: the keys, or "group".
  std::string heading() const { return keys.empty() ? "group" : keys; }
};

/// Where all groups are named by values of the same keys ("kind=softmax,seq_len=64"), the values that differ are labels
/// enough. Of other names the parts at both ends that all share are left out, cut at commas. One group keeps its name.
GroupLabels label_groups(const std::vector<std::string>& groups);

/// The label of one of the experiment's groups.
std::string group_label(const Experiment& experiment, const std::string& group);
/// The label of a run's group and which of its runs it is: "relu, 16 (seed 1)"; outside of sweeps with the run's name.
std::string run_label(const Experiment& experiment, const ReportedRun& run);

}  // namespace cosformer

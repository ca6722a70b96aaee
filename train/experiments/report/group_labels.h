#pragma once
/// \file
/// Short names of groups, by what differs between them.

#include <string>
#include <vector>

namespace cosformer {

/// Labels of groups in their order.
struct GroupLabels {
  std::string keys;  ///< what the labels are values of, as "feature_map, chunk_size"; empty: names as they are
  std::vector<std::string> labels;  ///< "relu, 16"; no two are equal unless the groups' names are
};

/// Where all groups are named by values of the same keys ("kind=softmax,seq_len=64"), the values that differ are labels
/// enough. Of other names the parts at both ends that all share are left out, cut at commas. One group keeps its name.
GroupLabels label_groups(const std::vector<std::string>& groups);

}  // namespace cosformer

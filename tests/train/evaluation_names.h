#pragma once
/// \file
/// The names of an evaluation's values.

#include <string_view>
#include <vector>

#include "train/tasks/task.h"

namespace cosformer::test {

inline std::vector<std::string_view> names_of(const Evaluation& evaluation) {
  std::vector<std::string_view> names;
  for (const auto& [name, value] : evaluation.values) names.emplace_back(name);
  return names;
}

}  // namespace cosformer::test

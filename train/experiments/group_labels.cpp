#include "train/experiments/group_labels.h"

#include <algorithm>
#include <string_view>

#include "core/error.h"

namespace cosformer {

namespace {

/// The parts of a name between its commas. Values of arrays, as in "betas=[0.9,0.98]", stay whole.
std::vector<std::string> parts_of(std::string_view name) {
  std::vector<std::string> parts(1);
  int depth = 0;
  for (const char c : name) {
    if (c == '[') ++depth;
    if (c == ']') --depth;
    if (c == ',' && depth <= 0) {
      parts.emplace_back();
    } else {
      parts.back() += c;
    }
  }
  return parts;
}

/// The part before '='; the whole name of a part without one.
std::string key_of(const std::string& part) { return part.substr(0, part.find('=')); }

std::string joined(const std::vector<std::string>& parts) {
  std::string text;
  for (const std::string& part : parts) text += (text.empty() ? "" : ", ") + part;
  return text;
}

}  // namespace

GroupLabels label_groups(const std::vector<std::string>& groups) {
  const GroupLabels as_they_are{"", groups};
  if (groups.size() < 2) return as_they_are;
  std::vector<std::vector<std::string>> names;
  for (const std::string& group : groups) names.push_back(parts_of(group));
  const std::size_t count = names.front().size();
  if (std::ranges::any_of(names, [&](const auto& parts) { return parts.size() != count; })) return as_they_are;
  std::vector<std::string> keys;
  std::vector<std::vector<std::string>> values(groups.size());
  for (std::size_t i = 0; i < count; ++i) {
    const std::string& first = names.front()[i];
    const auto is_equal = [&](const auto& parts) { return parts[i] == first; };
    if (std::ranges::all_of(names, is_equal)) continue;
    const std::string key = key_of(first);
    const bool one_key =
        key != first && std::ranges::all_of(names, [&](const auto& parts) { return parts[i].starts_with(key + "="); });
    if (one_key) keys.push_back(key);
    for (std::size_t g = 0; g < groups.size(); ++g) {
      const std::string& part = names[g][i];
      values[g].push_back(one_key ? part.substr(key.size() + 1) : part);
    }
  }
  if (values.front().empty()) return as_they_are;
  GroupLabels result{joined(keys), {}};
  for (const auto& own : values) result.labels.push_back(joined(own));
  return result;
}

std::string group_label(const Experiment& experiment, const std::string& group) {
  const auto at = static_cast<std::size_t>(std::ranges::find(experiment.groups, group) - experiment.groups.begin());
  return at < experiment.groups.size() ? label_groups(experiment.groups).labels[at] : group;
}

std::string run_label(const Experiment& experiment, const ReportedRun& run) {
  return concat(group_label(experiment, run.group), " (", experiment.is_sweep ? concat("seed ", run.seed) : run.name, ')');
}

}  // namespace cosformer

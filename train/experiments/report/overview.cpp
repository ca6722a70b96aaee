#include "train/experiments/report/overview.h"

#include <map>
#include <set>

#include "core/error.h"

namespace cosformer {

ReportTable environment_table(const Experiment& experiment) {
  ReportTable table{"Environment",
                    "As run.log recorded it when the sessions began.",
                    {{"program and machine", false}, {"sessions"}, {"first", false}, {"runs", false}},
                    {}};
  struct Sessions {
    std::size_t count = 0;
    std::string first;
    std::vector<std::string> runs;
  };
  std::map<std::string, Sessions> sessions;
  for (const ReportedRun& run : experiment.runs) {
    for (const std::string& line : run.environment) {
      const std::size_t gap = line.find("  ");
      Sessions& own = sessions[line.substr(gap + 2)];
      ++own.count;
      const std::string time = line.substr(0, gap);
      if (own.first.empty() || time < own.first) own.first = time;
      if (own.runs.empty() || own.runs.back() != run.name) own.runs.push_back(run.name);
    }
  }
  for (const auto& [machine, own] : sessions) {
    const std::size_t others = own.runs.size() - 1;
    table.rows.push_back({{machine},
                          {concat(own.count)},
                          {own.first},
                          {own.runs.front(), false, others > 0 ? concat("and ", others, " more") : ""}});
  }
  return table;
}

std::string describe(const Experiment& experiment) {
  std::map<RunStatus, std::size_t> statuses;
  std::set<std::int64_t> seeds;
  for (const ReportedRun& run : experiment.runs) {
    ++statuses[run.status];
    seeds.insert(run.seed);
  }
  std::string text = concat(experiment.runs.size(), experiment.runs.size() == 1 ? " run" : " runs", ":");
  const char* separator = " ";
  for (const auto& [status, count] : statuses) {
    text += concat(separator, count, ' ', status_name(status));
    separator = ", ";
  }
  if (experiment.groups.size() > 1) text += concat(" · ", experiment.groups.size(), " groups");
  if (seeds.size() > 1) text += concat(" · ", seeds.size(), " seeds");
  return text;
}

}  // namespace cosformer

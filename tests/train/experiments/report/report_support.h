#pragma once
/// \file
/// Sweep folders and experiments made by hand.

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "tests/train/run_support.h"
#include "train/experiments/experiment.h"
#include "train/store/sealed_json.h"

namespace cosformer::test {

/// An experiment of one stage whose finished runs have the given losses; seeds count from 1.
inline Experiment experiment_of(const std::vector<std::pair<std::string, std::vector<double>>>& groups) {
  Experiment experiment;
  experiment.name = "by hand";
  experiment.stages.push_back({"train", "loss", "valid", false});
  for (const auto& [group, losses] : groups) {
    experiment.groups.push_back(group);
    for (std::size_t i = 0; i < losses.size(); ++i) {
      ReportedRun run;
      run.name = group + "-seed" + std::to_string(i + 1);
      run.group = group;
      run.seed = static_cast<std::int64_t>(i + 1);
      run.status = RunStatus::finished;
      run.scores["valid"] = {{"loss", losses[i]}};
      experiment.runs.push_back(run);
    }
  }
  return experiment;
}

inline nlohmann::json sweep_description(const std::vector<std::string>& groups, int seeds) {
  nlohmann::json json = {
      {"format", "cosformer sweep"},
      {"name", "tiny"},
      {"question", "Which one?"},
      {"stages", {{{"name", "train"}, {"metric", "loss"}, {"split", "valid"}, {"higher_is_better", false}}}},
      {"points", nlohmann::json::array()},
      {"published", nlohmann::json::array()}};
  for (const std::string& group : groups) {
    for (int seed = 1; seed <= seeds; ++seed) {
      json["points"].push_back({{"name", group + "-seed" + std::to_string(seed)},
                                {"group", group},
                                {"seed", seed},
                                {"set", nlohmann::json::object()}});
    }
  }
  return json;
}

/// SWEEP/runs/POINT/train with a config, two lines of metrics and a result.
inline void write_finished_run(const std::filesystem::path& sweep, const std::string& point, double loss) {
  const std::filesystem::path run = sweep / "runs" / point / "train";
  std::filesystem::create_directories(run);
  write_bytes(run / "config.toml", "[train]\nmax_steps = 20\n");
  write_bytes(run / "metrics.jsonl",
              "{\"step\":10,\"split\":\"valid\",\"loss\":3.5,\"wall_seconds\":1}\n"
              "{\"step\":20,\"split\":\"valid\",\"loss\":3.0,\"wall_seconds\":2}\n");
  const nlohmann::json result = {{"steps", 20}, {"seconds", 2.5}, {"valid", {{"loss", loss}}}};
  write_bytes(run / "result.json", seal(result, -1));
}

}  // namespace cosformer::test

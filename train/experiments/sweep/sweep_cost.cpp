#include "train/experiments/sweep/sweep_cost.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <nlohmann/json.hpp>
#include <numeric>

#include "train/experiments/sweep/sweep_folder.h"
#include "train/experiments/text.h"

namespace cosformer {

namespace {

struct RunCost {
  std::string point, stage;
  bool is_finished = false;
  std::int64_t parameters = 0, steps = 0, memory_bytes = 0;
  double flops = 0;
};

std::vector<RunCost> costs_of(const SweepPlan& plan) {
  std::vector<RunCost> costs;
  for (std::size_t p = 0; p < plan.points.size(); ++p) {
    for (std::size_t s = 0; s < plan.stages.size(); ++s) {
      const SweepRun& run = plan.runs[p][s];
      const RunPlan& needs = *run.plan;
      const std::int64_t steps = run.config.train.max_steps;
      costs.push_back(
          {plan.points[p].name, plan.stages[s].name, is_finished(run), needs.parameters, steps, needs.memory.total(),
           static_cast<double>(steps) * static_cast<double>(needs.tokens_per_step) * needs.training_flops_per_token});
    }
  }
  return costs;
}

struct Totals {
  std::size_t runs = 0, to_run = 0;
  double flops = 0;
  std::int64_t memory_bytes = 0;  ///< of the `jobs` largest points at once
};

Totals totals_of(const SweepPlan& plan, const std::vector<RunCost>& costs, int jobs) {
  Totals totals{.runs = costs.size()};
  std::vector<std::int64_t> memory(plan.points.size(), 0);
  for (std::size_t i = 0; i < costs.size(); ++i) {
    if (costs[i].is_finished) continue;
    ++totals.to_run;
    totals.flops += costs[i].flops;
    std::int64_t& point = memory[i / plan.stages.size()];
    point = std::max(point, costs[i].memory_bytes);
  }
  std::ranges::sort(memory, std::greater());
  memory.resize(std::min(memory.size(), static_cast<std::size_t>(jobs)));
  totals.memory_bytes = std::accumulate(memory.begin(), memory.end(), std::int64_t{0});
  return totals;
}

}  // namespace

std::string format_cost(const SweepPlan& plan, double peak, int jobs) {
  const std::vector<RunCost> costs = costs_of(plan);
  const auto seconds = [&](double flops) { return format_value_of("seconds", flops / peak); };
  std::size_t width = 5;
  for (const RunCost& cost : costs) width = std::max(width, cost.point.size() + cost.stage.size() + 1);
  std::string text = plan.file.question + '\n' +
                     fmt::format("{:<{}} {:>12} {:>8} {:>10} {:>11} {:>14}\n", "run", width, "parameters", "steps", "FLOPs",
                                 "memory", "time at peak");
  for (const RunCost& cost : costs) {
    text +=
        fmt::format("{:<{}} {:>12} {:>8} {:>10.3g} {:>11} {:>14}\n", cost.point + " " + cost.stage, width, cost.parameters,
                    cost.steps, cost.flops, format_value_of("peak_memory_bytes", static_cast<double>(cost.memory_bytes)),
                    cost.is_finished ? "finished" : seconds(cost.flops));
  }
  const Totals totals = totals_of(plan, costs, jobs);
  text +=
      fmt::format("{} runs, {} to do: {:.3g} FLOPs, {} at this machine's peak of {:.1f} GFLOP/s; {} at once need about {}\n",
                  totals.runs, totals.to_run, totals.flops, seconds(totals.flops), 1e-9 * peak, jobs,
                  format_value_of("peak_memory_bytes", static_cast<double>(totals.memory_bytes)));
  return text;
}

nlohmann::ordered_json cost_to_json(const SweepPlan& plan, double peak, int jobs) {
  const std::vector<RunCost> costs = costs_of(plan);
  nlohmann::ordered_json runs = nlohmann::ordered_json::array();
  for (const RunCost& cost : costs) {
    runs.push_back({{"point", cost.point},
                    {"stage", cost.stage},
                    {"finished", cost.is_finished},
                    {"parameters", cost.parameters},
                    {"steps", cost.steps},
                    {"flops", cost.flops},
                    {"memory_bytes", cost.memory_bytes},
                    {"seconds_at_peak", cost.flops / peak}});
  }
  const Totals totals = totals_of(plan, costs, jobs);
  return {{"name", plan.file.name},
          {"question", plan.file.question},
          {"runs", runs},
          {"to_run", totals.to_run},
          {"flops", totals.flops},
          {"peak_gflops", 1e-9 * peak},
          {"seconds_at_peak", totals.flops / peak},
          {"jobs", jobs},
          {"memory_bytes", totals.memory_bytes}};
}

}  // namespace cosformer

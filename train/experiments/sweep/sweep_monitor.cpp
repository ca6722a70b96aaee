#include "train/experiments/sweep/sweep_monitor.h"

#include <fmt/format.h>

#include <algorithm>

#include "train/experiments/group_labels.h"
#include "train/experiments/sweep/sweep_folder.h"
#include "train/experiments/sweep_results.h"
#include "train/experiments/text.h"
#include "train/loop/progress.h"
#include "train/store/metrics.h"

namespace cosformer {

namespace {

constexpr double kRedrawSeconds = 0.5;
constexpr std::size_t kMostLines = 8;
/// Before so much of the arithmetic is done, its time says little about the rest.
constexpr double kLeastDone = 0.002;

double cost_of(const SweepRun& run) {
  if (!run.plan) return 0;
  return static_cast<double>(run.config.train.max_steps) * static_cast<double>(run.plan->tokens_per_step) *
         run.plan->training_flops_per_token;
}

/// As its folder is called: what went wrong is looked up there.
std::string name_of(const SweepRun& run) {
  return fmt::format("{} {}", run.folder.parent_path().filename().string(), run.folder.filename().string());
}

double share_of_steps(const SweepRun& run, std::int64_t step) {
  const auto steps = static_cast<double>(std::max<std::int64_t>(run.config.train.max_steps, 1));
  return std::clamp(static_cast<double>(step) / steps, 0.0, 1.0);
}

/// What the run is judged by, as far as its result.json has it.
std::string figure_of(const SweepRun& run, const ReportedStage& stage) {
  ReportedRun reported;
  reported.folder = run.folder;
  if (!read_result(reported)) return {};
  std::string text;
  if (const auto value = reported.value(stage.split, stage.metric))
    text = fmt::format(", {} {}", stage.title(), format_value_of(stage.metric, *value));
  if (const auto seconds = reported.value("", "seconds")) text += ", " + format_value_of("seconds", *seconds);
  return text;
}

}  // namespace

double done_share(const SweepRun& run) {
  const auto record = read_last_metric(run.folder / "metrics.jsonl", "train");
  return record ? share_of_steps(run, record->step) : 0;
}

std::vector<std::string> groups_of(const SweepPlan& plan) {
  std::vector<std::string> groups;
  for (const SweepPoint& point : plan.points) {
    // The seeds of a group stand side by side.
    if (groups.empty() || groups.back() != point.group) groups.push_back(point.group);
  }
  return groups;
}

SweepMonitor::SweepMonitor(Console& console, const SweepPlan& plan, const std::vector<std::size_t>& points,
                           std::function<double()> now_seconds)
    : console_(console), plan_(plan), now_(std::move(now_seconds)), began_(now_()), shown_(began_ - kRedrawSeconds) {
  const std::vector<std::string> groups = groups_of(plan);
  const GroupLabels names = label_groups(groups);
  for (std::size_t p = 0; p < plan.points.size(); ++p) {
    const SweepPoint& point = plan.points[p];
    const auto group = std::ranges::find(groups, point.group) - groups.begin();
    const std::string title = fmt::format("{} seed {}", names.labels[static_cast<std::size_t>(group)], point.seed);
    for (std::size_t s = 0; s < plan.runs[p].size(); ++s)
      titles_[&plan.runs[p][s]] = plan.stages.size() > 1 ? title + ' ' + plan.stages[s].name : title;
  }
  for (const std::size_t point : points) {
    for (const SweepRun& run : plan.runs[point]) {
      if (is_finished(run)) continue;
      runs_.push_back(&run);
      shares_.push_back({cost_of(run), done_share(run), false});
    }
  }
}

SweepMonitor::Share* SweepMonitor::share_of(const SweepRun& run) {
  const auto found = std::ranges::find(runs_, &run);
  return found == runs_.end() ? nullptr : &shares_[static_cast<std::size_t>(found - runs_.begin())];
}

std::pair<std::string, double> SweepMonitor::describe(const PointJob& job) {
  const SweepRun& run = job.run();
  const std::string& title = titles_.at(&run);
  // The title last: it is what a narrow terminal cuts.
  if (!job.scored_split().empty()) return {fmt::format("  scoring {}  {}", job.scored_split(), title), 1.0};
  const auto record = read_last_metric(run.folder / "metrics.jsonl", "train");
  if (!record) return {fmt::format("  beginning  {}", title), 0.0};
  return {fmt::format("  step {}/{}  loss {}  {}", record->step, run.config.train.max_steps,
                      format_figure(record->value("loss")), title),
          share_of_steps(run, record->step)};
}

void SweepMonitor::show(std::span<const std::unique_ptr<PointJob>> running) {
  const double now = now_();
  if (now - shown_ < kRedrawSeconds) return;
  shown_ = now;
  if (!console_.features().rewrites) {
    for (const auto& job : running) {
      if (announced_.insert(&job->run()).second)
        console_.print(fmt::format("{}: training, {} steps", titles_.at(&job->run()), job->run().config.train.max_steps));
    }
    return;
  }
  std::string lines;
  double done = 0, left = 0;
  for (const Share& share : shares_) {
    if (share.is_done) done += share.cost * (1 - share.begun);
    if (!share.is_done) left += share.cost * (1 - share.begun);
  }
  std::size_t count = 0;
  for (const auto& job : running) {
    const auto [line, part] = describe(*job);
    if (const Share* share = share_of(job->run())) {
      const double own = share->cost * std::max(0.0, part - share->begun);
      done += own;
      left -= own;
    }
    if (++count <= kMostLines) lines += '\n' + line;
  }
  if (count > kMostLines) lines += fmt::format("\n  and {} more", count - kMostLines);
  std::string head = fmt::format("{}/{} runs", ended_, runs_.size());
  if (done > kLeastDone * (done + left))
    head +=
        fmt::format("  {:.0f} %  about {} left", 100 * done / (done + left), format_duration((now - began_) * left / done));
  console_.set_status(head + lines);
}

void SweepMonitor::ended(const SweepRun& run, std::size_t stage, const std::string& failure) {
  if (Share* share = share_of(run)) share->is_done = true;
  for (std::size_t i = 0; i < runs_.size() && !failure.empty(); ++i) {
    // The later stages of a point that failed do not run.
    if (runs_[i]->folder.parent_path() == run.folder.parent_path()) shares_[i] = {.cost = 0, .begun = 1, .is_done = true};
  }
  console_.print(fmt::format("[{}/{}] {}: {}", ++ended_, runs_.size(), failure.empty() ? titles_.at(&run) : name_of(run),
                             failure.empty() ? "finished" + figure_of(run, plan_.stages[stage]) : "FAILED, " + failure));
}

}  // namespace cosformer

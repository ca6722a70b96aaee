#pragma once
/// \file
/// How far a sweep is, for people.

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "train/experiments/sweep/point_job.h"
#include "train/experiments/sweep/sweep_plan.h"
#include "train/store/console.h"

namespace cosformer {

/// On a terminal: below the lines of runs that have ended, how many of the runs are done, the time left, and a line for
/// each run at work with its step, its loss and by which values of the sweep it differs. Elsewhere: a line when a run begins
/// and when it ends.
class SweepMonitor {
 public:
  /// `points` are those to run; `now_seconds` is a clock that does not run backwards. The arguments must outlive it.
  SweepMonitor(Console& console, const SweepPlan& plan, const std::vector<std::size_t>& points,
               std::function<double()> now_seconds);

  /// Shows the runs at work; twice a second at most.
  void show(std::span<const std::unique_ptr<PointJob>> running);
  /// The line of a run that has ended, with what it is judged by.
  void ended(const SweepRun& run, std::size_t stage, const std::string& failure);

 private:
  struct Share {
    double cost = 0;   ///< arithmetic of the whole run
    double begun = 0;  ///< the part of it that was done before
    bool is_done = false;
  };
  /// Null for a run that was finished before.
  Share* share_of(const SweepRun& run);
  /// The line of a run at work, and the part of its arithmetic that is done.
  std::pair<std::string, double> describe(const PointJob& job);

  Console& console_;
  const SweepPlan& plan_;
  std::function<double()> now_;
  std::vector<const SweepRun*> runs_;              ///< to be done
  std::vector<Share> shares_;                      ///< of the same
  std::map<const SweepRun*, std::string> titles_;  ///< of all runs: the label of the group, the seed, the stage
  std::set<const SweepRun*> announced_;
  double began_ = 0, shown_ = 0;
  std::size_t ended_ = 0;
};

/// The part, 0 to 1, of a run's steps that its metrics have.
double done_share(const SweepRun& run);
/// The groups of a plan's points, each once, in their order.
std::vector<std::string> groups_of(const SweepPlan& plan);

}  // namespace cosformer

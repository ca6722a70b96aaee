#include "train/experiments/sweep/sweep_runner.h"

#include <poll.h>

#include <memory>

#include "core/error.h"
#include "train/store/signals.h"

namespace cosformer {

namespace {

/// A signal between the question whether one came and the wait is seen after so long.
constexpr int kLongestWaitMilliseconds = 200;

}  // namespace

int run_points(FileSystem& files, const SweepPlan& plan, const std::vector<std::size_t>& points, int jobs, int threads,
               const PointJob::StageEnd& stage_ended, const PointsAtWork& show) {
  const SignalScope signals;
  std::vector<std::unique_ptr<PointJob>> running;
  std::size_t next = 0;
  bool passed_on = false;
  const auto start = [&](std::size_t point) {
    try {
      auto job = std::make_unique<PointJob>(files, plan, point, threads, stage_ended);
      if (job->start()) running.push_back(std::move(job));
    } catch (const std::exception& error) {
      stage_ended(plan.runs[point].front(), 0, error.what());
    }
  };
  for (;;) {
    const int signal = signals.received();
    if (signal != 0 && !passed_on) {
      passed_on = true;
      // A lost connection or pipe was the sweep's; what counts for its runs is that they end.
      for (const auto& job : running) job->send(signal == SIGINT ? SIGINT : SIGTERM);
    }
    while (signal == 0 && std::cmp_less(running.size(), jobs) && next < points.size()) start(points[next++]);
    if (running.empty()) return signals.received();
    show(running);
    std::vector<pollfd> ends;
    for (const auto& job : running) ends.push_back({job->descriptor(), POLLIN, 0});
    if (::poll(ends.data(), ends.size(), kLongestWaitMilliseconds) <= 0) continue;
    std::erase_if(running, [&](const std::unique_ptr<PointJob>& job) {
      const auto i = static_cast<std::size_t>(&job - running.data());
      return ends[i].revents != 0 && !job->advance(passed_on || signals.received() != 0);
    });
  }
}

}  // namespace cosformer

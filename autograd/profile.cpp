#include "autograd/profile.h"

#include <algorithm>
#include <atomic>

#include "core/error.h"

namespace cosformer {

namespace {

/// Set by ProfileScope alone.
std::atomic<Profile*> active = nullptr;

}  // namespace

void Profile::start() {
  const std::lock_guard lock(mutex_);
  last_[std::this_thread::get_id()] = Clock::now();
}

void Profile::lap(const char* operation, ProfileHalf half) {
  const Clock::time_point now = Clock::now();
  const std::lock_guard lock(mutex_);
  const auto last = last_.find(std::this_thread::get_id());
  if (last == last_.end()) return;
  const double seconds = std::chrono::duration<double>(now - last->second).count();
  Operation& sums = operations_[operation];
  (half == ProfileHalf::forward ? sums.forward_seconds : sums.backward_seconds) += seconds;
  sums.calls += half == ProfileHalf::forward ? 1 : 0;
  // Waiting for the lock is no operation's time.
  last->second = Clock::now();
}

std::vector<Profile::Operation> Profile::operations() const {
  const std::lock_guard lock(mutex_);
  std::vector<Operation> result;
  for (const auto& [name, sums] : operations_) {
    result.push_back(sums);
    result.back().name = name;
  }
  std::ranges::sort(result, std::greater(),
                    [](const Operation& sums) { return sums.forward_seconds + sums.backward_seconds; });
  return result;
}

ProfileScope::ProfileScope(Profile& profile) {
  Profile* none = nullptr;
  check<Error>(active.compare_exchange_strong(none, &profile), "two profiles at once");
}

ProfileScope::~ProfileScope() { active = nullptr; }

Profile* active_profile() { return active.load(std::memory_order_relaxed); }

}  // namespace cosformer

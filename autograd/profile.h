#pragma once
/// \file
/// Time by operation, for benchmarks.
///
/// Every operation ends in Variable::from_operation or, in the backward pass, with the return of its closure. A thread's
/// time between two such ends belongs to the operation that ends it, so no time counts twice, and operations need no code
/// for it.

#include <chrono>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace cosformer {

enum class ProfileHalf : std::uint8_t { forward, backward };

/// Seconds by operation, summed over threads. Thread-safe.
class Profile {
 public:
  struct Operation {
    std::string name;
    double forward_seconds = 0;
    double backward_seconds = 0;
    std::int64_t calls = 0;  ///< of the forward half
  };

  /// The calling thread's clock begins here: what it did before belongs to nobody.
  void start();
  /// Gives the calling thread's time since its last `start` or `lap` to an operation. Nothing without a `start`.
  void lap(const char* operation, ProfileHalf half);
  /// Those that took longest first.
  std::vector<Operation> operations() const;

 private:
  using Clock = std::chrono::steady_clock;

  mutable std::mutex mutex_;
  std::map<std::thread::id, Clock::time_point> last_;
  std::map<std::string, Operation> operations_;
};

/// While it lives, the graphs of all threads report to `profile`. One at a time; begins and ends while no graph is at work.
class ProfileScope {
 public:
  explicit ProfileScope(Profile& profile);
  ~ProfileScope();
  ProfileScope(const ProfileScope&) = delete;
  ProfileScope& operator=(const ProfileScope&) = delete;
};

/// The profile of the scope that lives, or null: all that an operation pays if there is none.
Profile* active_profile();

}  // namespace cosformer

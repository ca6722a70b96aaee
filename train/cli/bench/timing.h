#pragma once
/// \file
/// How long a call takes.

#include <algorithm>
#include <chrono>
#include <cmath>
#include <vector>

#include "core/median.h"

namespace cosformer {

inline double seconds_since(std::chrono::steady_clock::time_point begin) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

/// Seconds of one call.
struct Timing {
  double median = 0;
  double best = 0;
};

/// Times `repetitions` calls after two that warm up. Where one call is shorter than `least_seconds`, a repetition is as many
/// calls as take about that long.
template <class Call>
Timing time_calls(int repetitions, double least_seconds, Call&& call) {
  call();
  const auto first = std::chrono::steady_clock::now();
  call();
  const auto calls = static_cast<int>(std::clamp(std::ceil(least_seconds / std::max(seconds_since(first), 1e-9)), 1.0, 1e6));
  std::vector<double> seconds;
  for (int i = 0; i < repetitions; ++i) {
    const auto begin = std::chrono::steady_clock::now();
    for (int j = 0; j < calls; ++j) call();
    seconds.push_back(seconds_since(begin) / calls);
  }
  return {median(seconds), *std::ranges::min_element(seconds)};
}

}  // namespace cosformer

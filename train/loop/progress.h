#pragma once
/// \file
/// How far a run is, for people.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "train/store/console.h"

namespace cosformer {

struct Progress {
  std::int64_t step = 0;
  std::int64_t max_steps = 0;
  double loss = 0.0;  ///< nats per token
  double learning_rate = 0.0;
  double tokens_per_second = 0.0;
  std::optional<double> share_of_peak;  ///< of the multiply-adds that the processor can do, 0 to 1
  std::optional<double> seconds_left;
};

/// "step 120/5000  loss 3.4125  lr 6.0e-04  12.3k tokens/s  41 % of peak  1 h 02 min left". If that is longer than
/// `columns`, the share of the peak goes first, then the learning rate, the speed and the loss.
std::string format_progress(const Progress& progress, std::size_t columns = SIZE_MAX);

/// "evaluating 12/40  3 min left"; without the time before the first batch is done.
std::string format_evaluation(std::int64_t done, std::int64_t batches, double seconds);

/// "45 s", "12 min", "1 h 02 min", "3 d 04 h".
std::string format_duration(double seconds);

/// Shows `Progress` on a console: on a terminal as a status line that changes at most ten times per second, elsewhere as
/// plain lines, one every `log_every` steps.
class ProgressDisplay {
 public:
  /// `enabled` = false shows nothing.
  ProgressDisplay(Console& console, std::int64_t log_every, bool enabled)
      : console_(console), log_every_(log_every), enabled_(enabled) {}

  /// `now_seconds` is any clock that does not run backwards.
  void update(const Progress& progress, double now_seconds);
  /// Of an evaluation: how many of its batches are done. Away from a terminal, a line every half minute.
  void update_evaluation(std::int64_t done, std::int64_t batches, double now_seconds);
  /// Takes the status line away and leaves the last progress as a plain line. Call at the end of the run.
  void finish();

 private:
  Console& console_;
  const std::int64_t log_every_;
  const bool enabled_;
  std::optional<double> shown_at_;
  double evaluation_began_ = 0, line_due_ = 0;
  std::string last_;
};

}  // namespace cosformer

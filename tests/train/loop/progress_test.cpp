#include "train/loop/progress.h"

#include <fcntl.h>
#include <unistd.h>

#include <cstdlib>
#include <limits>
#include <sstream>

#include "tests/catch.h"

namespace cosformer {
namespace {

const TerminalFeatures kTerminal = {.rewrites = true, .colors = true, .columns = 20};

TEST_CASE("Progress is one line with what is known") {
  Progress progress{.step = 120, .max_steps = 5000, .loss = 3.41249, .learning_rate = 6e-4, .tokens_per_second = 12'345};
  CHECK(format_progress(progress) == "step 120/5000  loss 3.4125  lr 6.0e-04  12.3k tokens/s");
  progress.share_of_peak = 0.412;
  progress.seconds_left = 3725;
  progress.tokens_per_second = 999'960;
  CHECK(format_progress(progress) == "step 120/5000  loss 3.4125  lr 6.0e-04  1.0M tokens/s  41 % of peak  1 h 02 min left");
  progress.loss = std::numeric_limits<double>::quiet_NaN();
  CHECK(format_progress(progress).find("loss not finite") != std::string::npos);
}

TEST_CASE("A narrow terminal loses the share of the peak first, and keeps the time left") {
  const Progress progress{.step = 120,
                          .max_steps = 5000,
                          .loss = 3.41249,
                          .learning_rate = 6e-4,
                          .tokens_per_second = 12'345,
                          .share_of_peak = 0.412,
                          .seconds_left = 3725};
  const std::string whole = format_progress(progress);
  CHECK(format_progress(progress, whole.size()) == whole);
  CHECK(format_progress(progress, whole.size() - 1) ==
        "step 120/5000  loss 3.4125  lr 6.0e-04  12.3k tokens/s  1 h 02 min left");
  CHECK(format_progress(progress, 59) == "step 120/5000  loss 3.4125  12.3k tokens/s  1 h 02 min left");
  CHECK(format_progress(progress, 50) == "step 120/5000  loss 3.4125  1 h 02 min left");
  CHECK(format_progress(progress, 5) == "step 120/5000  1 h 02 min left");
}

TEST_CASE("On a terminal of 60 columns the status line ends with the time left") {
  std::ostringstream stream;
  Console console(stream, {.rewrites = true, .colors = false, .columns = 60});
  ProgressDisplay display(console, 10, true);
  display.update({.step = 123'456,
                  .max_steps = 500'000,
                  .loss = 3.4,
                  .learning_rate = 6e-4,
                  .tokens_per_second = 12'345,
                  .share_of_peak = 0.4,
                  .seconds_left = 3725},
                 0.0);
  CHECK(stream.str().ends_with("1 h 02 min left"));
  CHECK(stream.str().size() < 60);
}

TEST_CASE("Durations have at most two units") {
  CHECK(format_duration(0) == "0 s");
  CHECK(format_duration(59.4) == "59 s");
  CHECK(format_duration(59.6) == "1 min");
  CHECK(format_duration(3599) == "59 min");
  CHECK(format_duration(3600) == "1 h 00 min");
  CHECK(format_duration(100 * 3600) == "4 d 04 h");
  CHECK(format_duration(-5) == "0 s");
  CHECK(format_duration(std::numeric_limits<double>::infinity()) == "unknown time");
}

TEST_CASE("On a terminal the status line is rewritten, cut to the width, and lines go above it") {
  std::ostringstream stream;
  {
    Console console(stream, kTerminal);
    console.set_status("ééééééééééééééééééééééééé");
    console.print("saved");
    console.set_status("two");
  }
  const std::string cut = "ééééééééééééééééééé";
  CHECK(stream.str() == cut + "\r\x1b[Ksaved\n" + cut + "\r\x1b[Ktwo\r\x1b[K");
}

TEST_CASE("A terminal is recognised, and NO_COLOR and TERM=dumb are honoured") {
  const int terminal = ::posix_openpt(O_RDWR | O_NOCTTY);
  REQUIRE(terminal >= 0);
  const auto with = [&](const char* term, const char* no_color) {
    ::setenv("TERM", term, 1);
    ::setenv("NO_COLOR", no_color, 1);
    const TerminalFeatures features = terminal_features(terminal);
    ::unsetenv("NO_COLOR");
    return features;
  };
  CHECK(with("xterm", "").rewrites);
  CHECK(with("xterm", "").colors);
  CHECK(with("xterm", "1").rewrites);
  CHECK_FALSE(with("xterm", "1").colors);
  CHECK_FALSE(with("dumb", "").rewrites);
  CHECK_FALSE(with("dumb", "").colors);
  ::close(terminal);
  CHECK_FALSE(terminal_features(terminal).rewrites);
}

TEST_CASE("Elsewhere there is no status line and no escape sequence") {
  std::ostringstream stream;
  {
    Console console(stream, {});
    console.set_status("step 1");
    console.print("saved");
  }
  CHECK(stream.str() == "saved\n");
}

TEST_CASE("Elsewhere progress is a plain line every log_every steps, and the last one") {
  std::ostringstream stream;
  Console console(stream, {});
  ProgressDisplay display(console, 10, true);
  for (std::int64_t step = 1; step <= 25; ++step) display.update({.step = step, .max_steps = 25}, static_cast<double>(step));
  display.finish();
  display.finish();
  std::istringstream lines(stream.str());
  std::string shown;
  for (std::string line; std::getline(lines, line);) shown += line.substr(0, line.find("  ")) + ";";
  CHECK(shown == "step 10/25;step 20/25;step 25/25;");
}

TEST_CASE("On a terminal progress is redrawn at most ten times a second") {
  std::ostringstream stream;
  Console console(stream, {.rewrites = true, .colors = false, .columns = 200});
  ProgressDisplay display(console, 10, true);
  for (std::int64_t step = 1; step <= 100; ++step)
    display.update({.step = step, .max_steps = 100}, static_cast<double>(step) * 0.01);
  const std::string text = stream.str();
  std::size_t drawn = 0;
  for (std::size_t at = text.find("step "); at != std::string::npos; at = text.find("step ", at + 1)) ++drawn;
  CHECK(drawn >= 9);
  CHECK(drawn <= 10);
  display.finish();
  CHECK(stream.str().ends_with("tokens/s\n"));
}

TEST_CASE("An evaluation shows its batches, and after the first of them the time left") {
  CHECK(format_evaluation(0, 40, 0) == "evaluating 0/40");
  CHECK(format_evaluation(10, 40, 20) == "evaluating 10/40  1 min left");
  CHECK(format_evaluation(40, 40, 90) == "evaluating 40/40  0 s left");
  std::ostringstream terminal;
  Console console(terminal, {.rewrites = true, .colors = false, .columns = 80});
  ProgressDisplay display(console, 1, true);
  for (std::int64_t done = 0; done < 100; ++done) display.update_evaluation(done, 100, 0.125 * static_cast<double>(done));
  CHECK(terminal.str().find("evaluating 52/100  6 s left") != std::string::npos);
  display.finish();
  CHECK(terminal.str().ends_with("\r\x1b[K"));
}

TEST_CASE("Away from a terminal a long evaluation writes a line every half minute, a short one none") {
  std::ostringstream stream;
  Console console(stream, {});
  ProgressDisplay display(console, 1, true);
  for (std::int64_t done = 0; done < 29; ++done) display.update_evaluation(done, 100, 1000 + static_cast<double>(done));
  CHECK(stream.str().empty());
  for (std::int64_t done = 29; done < 100; ++done) display.update_evaluation(done, 100, 1000 + static_cast<double>(done));
  CHECK(stream.str() == "evaluating 30/100  1 min left\nevaluating 60/100  40 s left\nevaluating 90/100  10 s left\n");
}

TEST_CASE("Progress that is switched off shows nothing") {
  std::ostringstream stream;
  Console console(stream, {});
  ProgressDisplay display(console, 1, false);
  display.update({.step = 1, .max_steps = 1}, 0.0);
  display.finish();
  CHECK(stream.str().empty());
}

}  // namespace
}  // namespace cosformer

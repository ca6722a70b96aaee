#pragma once
/// \file
/// The signals that ask a program to end, as a question that a loop asks between steps.

#include <array>
#include <csignal>
#include <cstddef>
#include <string>

namespace cosformer {

/// A person, the system, or a batch system shortly before a job's time is over; a connection or a pipe that is gone.
inline constexpr std::array kEndingSignals = {SIGINT, SIGTERM, SIGHUP, SIGUSR1, SIGUSR2, SIGXCPU, SIGPIPE};

/// While it lives, the signals above do not end the process but are remembered; a second SIGINT ends it at once with exit
/// code 130. SIGHUP and SIGPIPE stay ignored if they were (nohup). The destructor restores what was installed before. One at
/// a time in a process.
///
/// The handler only sets a lock-free atomic: the one variable of global state in this program, because a signal handler can
/// reach no other.
class SignalScope {
 public:
  SignalScope();
  ~SignalScope();
  SignalScope(const SignalScope&) = delete;
  SignalScope& operator=(const SignalScope&) = delete;

  /// The first signal that came; 0 for none.
  int received() const;

 private:
  std::array<struct sigaction, kEndingSignals.size()> old_{};
};

/// "interrupted", "terminated", otherwise "stopped by SIGHUP (Hangup)".
std::string describe_stop(int signal);

}  // namespace cosformer

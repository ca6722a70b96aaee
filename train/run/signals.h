#pragma once
/// \file
/// SIGINT and SIGTERM as a question the training loop asks between steps.

#include <csignal>

namespace cosformer {

/// While it lives, SIGINT and SIGTERM do not end the process but are remembered; a second SIGINT ends it at once with exit
/// code 130. The destructor restores what was installed before. One at a time in a process.
///
/// The handler only sets a lock-free atomic: the one variable of global state in this program, because a signal handler can
/// reach no other.
class SignalScope {
 public:
  SignalScope();
  ~SignalScope();
  SignalScope(const SignalScope&) = delete;
  SignalScope& operator=(const SignalScope&) = delete;

  /// The first signal that came, SIGINT or SIGTERM; 0 for none.
  int received() const;

 private:
  struct sigaction old_interrupt_ {};
  struct sigaction old_terminate_ {};
};

}  // namespace cosformer

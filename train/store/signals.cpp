#include "train/store/signals.h"

#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstring>
#include <system_error>

#include "core/error.h"

namespace cosformer {

namespace {

constexpr int kExitInterrupted = 130;

std::atomic<int> received_signal{0};
static_assert(std::atomic<int>::is_always_lock_free, "a signal handler may not wait for a lock");

extern "C" void remember_signal(int signal) {
  const int error = errno;
  int none = 0;
  const bool is_first = received_signal.compare_exchange_strong(none, signal);
  if (!is_first && signal == SIGINT) ::_exit(kExitInterrupted);
  errno = error;
}

/// Whoever ignores these wants the program to outlive its terminal or its reader.
bool stays_ignored(int signal) { return signal == SIGHUP || signal == SIGPIPE; }

void install(int signal, struct sigaction& old) {
  struct sigaction action {};
  action.sa_handler = remember_signal;
  action.sa_flags = SA_RESTART;
  ::sigemptyset(&action.sa_mask);
  if (::sigaction(signal, nullptr, &old) < 0) throw std::system_error(errno, std::generic_category(), "sigaction");
  if (stays_ignored(signal) && old.sa_handler == SIG_IGN) return;
  if (::sigaction(signal, &action, nullptr) < 0) throw std::system_error(errno, std::generic_category(), "sigaction");
}

}  // namespace

SignalScope::SignalScope() {
  received_signal = 0;
  for (std::size_t i = 0; i < kEndingSignals.size(); ++i) install(kEndingSignals[i], old_[i]);
}

SignalScope::~SignalScope() {
  for (std::size_t i = 0; i < kEndingSignals.size(); ++i) ::sigaction(kEndingSignals[i], &old_[i], nullptr);
}

int SignalScope::received() const { return received_signal; }

std::string describe_stop(int signal) {
  if (signal == SIGINT) return "interrupted";
  if (signal == SIGTERM) return "terminated";
  const char* const name = ::sigabbrev_np(signal);
  return concat("stopped by SIG", name == nullptr ? "?" : name, " (", ::strsignal(signal), ")");
}

}  // namespace cosformer

#include "train/run/signals.h"

#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <system_error>

namespace cosformer {

namespace {

constexpr int kExitInterrupted = 130;

std::atomic<int> received_signal{0};
static_assert(std::atomic<int>::is_always_lock_free, "a signal handler may not wait for a lock");

extern "C" void remember_signal(int signal) {
  int none = 0;
  const bool is_first = received_signal.compare_exchange_strong(none, signal);
  if (!is_first && signal == SIGINT) ::_exit(kExitInterrupted);
}

void install(int signal, struct sigaction& old) {
  struct sigaction action {};
  action.sa_handler = remember_signal;
  action.sa_flags = SA_RESTART;
  ::sigemptyset(&action.sa_mask);
  if (::sigaction(signal, &action, &old) < 0) throw std::system_error(errno, std::generic_category(), "sigaction");
}

}  // namespace

SignalScope::SignalScope() {
  received_signal = 0;
  install(SIGINT, old_interrupt_);
  install(SIGTERM, old_terminate_);
}

SignalScope::~SignalScope() {
  ::sigaction(SIGINT, &old_interrupt_, nullptr);
  ::sigaction(SIGTERM, &old_terminate_, nullptr);
}

int SignalScope::received() const { return received_signal; }

}  // namespace cosformer

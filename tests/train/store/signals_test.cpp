#include "train/store/signals.h"

#include <sys/wait.h>
#include <unistd.h>

#include "tests/catch.h"

namespace cosformer::test {

namespace {

/// Exit code of a child process that runs `function`, or minus the signal that ended it.
template <class Function>
int outcome_of(Function&& function) {
  const pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    // Catch's own handlers would report the signals that are meant to end this process.
    for (const int signal : kEndingSignals) ::signal(signal, SIG_DFL);
    function();
    ::_exit(0);
  }
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

}  // namespace

TEST_CASE("A signal is remembered and the first one counts") {
  for (const int signal : kEndingSignals) {
    if (signal == SIGHUP || signal == SIGPIPE) ::signal(signal, SIG_DFL);
    SignalScope scope;
    CHECK(scope.received() == 0);
    ::raise(signal);
    CHECK(scope.received() == signal);
    ::raise(SIGTERM);
    CHECK(scope.received() == signal);
  }
  SignalScope fresh;
  CHECK(fresh.received() == 0);
}

TEST_CASE("The second SIGINT ends the process at once") {
  CHECK(outcome_of([] {
          SignalScope scope;
          ::raise(SIGINT);
          ::raise(SIGINT);
        }) == 130);
}

TEST_CASE("When the scope ends signals do again what they did before") {
  CHECK(outcome_of([] { SignalScope scope; }) == 0);
  CHECK(outcome_of([] {
          { SignalScope scope; }
          ::raise(SIGTERM);
        }) == -SIGTERM);
  CHECK(outcome_of([] {
          { SignalScope scope; }
          ::raise(SIGINT);
        }) == -SIGINT);
}

TEST_CASE("A lost terminal or pipe that was ignored stays ignored") {
  CHECK(outcome_of([] {
          for (const int signal : {SIGHUP, SIGPIPE}) {
            ::signal(signal, SIG_IGN);
            SignalScope scope;
            ::raise(signal);
            if (scope.received() != 0) ::_exit(1);
          }
          // Not so with what somebody sends on purpose.
          ::signal(SIGINT, SIG_IGN);
          SignalScope scope;
          ::raise(SIGINT);
          if (scope.received() != SIGINT) ::_exit(2);
        }) == 0);
}

TEST_CASE("A signal is named as people know it") {
  CHECK(describe_stop(SIGINT) == "interrupted");
  CHECK(describe_stop(SIGTERM) == "terminated");
  CHECK(describe_stop(SIGHUP) == "stopped by SIGHUP (Hangup)");
  CHECK(describe_stop(SIGUSR1) == "stopped by SIGUSR1 (User defined signal 1)");
}

}  // namespace cosformer::test

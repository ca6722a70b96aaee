#pragma once
/// \file
/// Processes that want the same thing at once.

#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/error.h"
#include "tests/catch.h"

namespace cosformer::test {

/// Eight processes call `take` at once, which returns what they hold until all have called, or throws InputError: exactly
/// one may get it.
inline void check_one_of_eight_gets_it(const std::function<std::shared_ptr<const void>()>& take) {
  int go[2], leave[2], done[2];
  REQUIRE((::pipe(go) == 0 && ::pipe(leave) == 0 && ::pipe(done) == 0));
  std::vector<pid_t> children;
  for (int i = 0; i < 8; ++i) {
    const pid_t child = ::fork();
    REQUIRE(child >= 0);
    if (child == 0) {
      ::close(go[1]);
      ::close(leave[1]);
      char byte = 0;
      if (::read(go[0], &byte, 1) != 0) ::_exit(9);
      try {
        const auto held = take();
        if (::write(done[1], "w", 1) != 1 || ::read(leave[0], &byte, 1) != 0) ::_exit(9);
      } catch (const InputError&) {
        if (::write(done[1], "r", 1) != 1) ::_exit(9);
      }
      ::_exit(0);
    }
    children.push_back(child);
  }
  ::close(go[1]);  // all start
  std::string outcomes;
  char byte = 0;
  while (outcomes.size() < 8 && ::read(done[0], &byte, 1) == 1) outcomes += byte;
  ::close(leave[1]);  // the winner may go
  int failures = 0;
  for (const pid_t child : children) {
    int status = 0;
    ::waitpid(child, &status, 0);
    failures += !WIFEXITED(status) || WEXITSTATUS(status) != 0;
  }
  for (const int end : {go[0], leave[0], done[0], done[1]}) ::close(end);
  CHECK(failures == 0);
  CHECK(outcomes.size() == 8);
  CHECK(std::ranges::count(outcomes, 'w') == 1);
}

}  // namespace cosformer::test

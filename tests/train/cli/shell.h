#pragma once
/// \file
/// The built program, as a shell calls it.

#include <sys/wait.h>

#include <array>
#include <cstdio>
#include <filesystem>
#include <string>

#include "tests/catch.h"
#include "tests/train/run_support.h"

namespace cosformer::test {

struct Outcome {
  int code = -1;
  std::string output;  ///< standard output
  std::string errors;  ///< standard error
};

/// Runs `cosformer ARGUMENTS` in a folder.
inline Outcome run_in_shell(const std::filesystem::path& folder, const std::string& arguments) {
  const TemporaryFolder captured;
  const std::string command =
      concat("cd ", folder.string(), " && ", COSFORMER_PROGRAM, ' ', arguments, " 2>", captured / "errors");
  FILE* pipe = ::popen(command.c_str(), "r");
  REQUIRE(pipe);
  Outcome outcome;
  std::array<char, 4096> buffer;
  for (std::size_t count; (count = std::fread(buffer.data(), 1, buffer.size(), pipe)) > 0;)
    outcome.output.append(buffer.data(), count);
  const int status = ::pclose(pipe);
  outcome.code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  outcome.errors = read_bytes(captured / "errors");
  return outcome;
}

}  // namespace cosformer::test

#pragma once
/// \file
/// What the fuzz programs of readers share that take a path.

#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <string>
#include <string_view>

#include "core/error.h"

namespace cosformer::fuzz {

/// Ends the process, which libFuzzer takes for a finding.
[[noreturn]] inline void fail(std::string_view what) {
  std::cerr << what << '\n';
  std::abort();
}

/// A folder in memory that belongs to this process. It stays when the process ends.
inline const std::filesystem::path& folder() {
  static const std::filesystem::path path = [] {
    std::filesystem::path made = std::filesystem::path("/dev/shm") / concat("cosformer-fuzz-", ::getpid());
    std::filesystem::create_directories(made);
    return made;
  }();
  return path;
}

inline void write(const std::filesystem::path& path, std::string_view bytes) {
  std::ofstream stream(path, std::ios::binary | std::ios::trunc);
  stream.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
}

/// Calls a reader that may throw InputError, whose message must be one line of no great length.
template <class Reader>
void expect_input_error_or_none(Reader&& reader) {
  try {
    reader();
  } catch (const InputError& error) {
    const std::string_view message = error.what();
    if (message.find('\n') != std::string_view::npos) fail(concat("a message of several lines: ", message));
    if (message.empty() || message.size() > 4000) fail(concat("a message of ", message.size(), " bytes"));
  }
}

/// Takes off `rest` what stands before its first 0xFF.
inline std::string_view take_part(std::string_view& rest) {
  const std::size_t end = rest.find('\xFF');
  const std::string_view part = rest.substr(0, end);
  rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
  return part;
}

}  // namespace cosformer::fuzz

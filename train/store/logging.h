#pragma once
/// \file
/// The logger of a run.

#include <filesystem>
#include <memory>
#include <optional>
#include <string_view>

#include "train/store/console.h"

namespace spdlog {
class logger;
}

namespace cosformer {

/// How the line of run.log begins that says on what a session runs.
inline constexpr std::string_view kEnvironmentLabel = "environment: ";

/// A logger that writes messages from `info` up to the console ("warning: …", information without a label) and, if
/// `run_log` is given, those from `debug` up with time and level at the end of that file. Each message is flushed. Belongs
/// to the caller: spdlog's registry and default logger stay as they are. The console must outlive it. Throws Error if the
/// file cannot be opened.
std::shared_ptr<spdlog::logger> make_logger(Console& console, const std::optional<std::filesystem::path>& run_log = {});

}  // namespace cosformer

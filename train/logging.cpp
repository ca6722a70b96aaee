#include "train/logging.h"

#include <spdlog/logger.h>
#include <spdlog/sinks/base_sink.h>
#include <spdlog/sinks/basic_file_sink.h>

#include <mutex>
#include <string>
#include <vector>

#include "core/error.h"

namespace cosformer {

namespace {

class ConsoleSink final : public spdlog::sinks::base_sink<std::mutex> {
 public:
  explicit ConsoleSink(Console& console) : console_(console) {}

 private:
  void sink_it_(const spdlog::details::log_msg& message) override {
    const std::string_view text(message.payload.data(), message.payload.size());
    const auto line = [&](std::string_view color, std::string_view label) {
      return console_.features().colors ? concat(color, label, "\x1b[0m", text) : concat(label, text);
    };
    if (message.level >= spdlog::level::err) {
      console_.print(line("\x1b[31m", "error: "));
    } else if (message.level == spdlog::level::warn) {
      console_.print(line("\x1b[33m", "warning: "));
    } else {
      console_.print(text);
    }
  }
  void flush_() override {}

  Console& console_;
};

}  // namespace

std::shared_ptr<spdlog::logger> make_logger(Console& console, const std::optional<std::filesystem::path>& run_log) {
  std::vector<spdlog::sink_ptr> sinks = {std::make_shared<ConsoleSink>(console)};
  sinks.back()->set_level(spdlog::level::info);
  if (run_log) {
    try {
      sinks.push_back(std::make_shared<spdlog::sinks::basic_file_sink_mt>(run_log->string()));
    } catch (const spdlog::spdlog_ex& error) {
      throw Error(concat(run_log->string(), ": cannot be opened: ", error.what()));
    }
    sinks.back()->set_pattern("%Y-%m-%dT%H:%M:%S.%e%z %l %v");
  }
  auto logger = std::make_shared<spdlog::logger>("cosformer", sinks.begin(), sinks.end());
  logger->set_level(spdlog::level::debug);
  logger->flush_on(spdlog::level::debug);
  return logger;
}

}  // namespace cosformer

#include "train/store/logging.h"

#include <spdlog/logger.h>
#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/base_sink.h>
#include <spdlog/sinks/basic_file_sink.h>

#include <mutex>
#include <string>
#include <vector>

#include "core/error.h"
#include "core/printable.h"

namespace cosformer {

namespace {

class ConsoleSink final : public spdlog::sinks::base_sink<std::mutex> {
 public:
  explicit ConsoleSink(Console& console) : console_(console) {}

 private:
  void sink_it_(const spdlog::details::log_msg& message) override {
    const std::string text = visible({message.payload.data(), message.payload.size()});
    if (message.level >= spdlog::level::err) {
      console_.print("error: ", Color::red, text);
    } else if (message.level == spdlog::level::warn) {
      console_.print("warning: ", Color::yellow, text);
    } else {
      console_.print(text);
    }
  }
  void flush_() override {}

  Console& console_;
};

/// The message on one line: the file is read on terminals too, and a name from outside must not look like a line of its own.
class VisibleMessage final : public spdlog::custom_flag_formatter {
 public:
  void format(const spdlog::details::log_msg& message, const std::tm&, spdlog::memory_buf_t& line) override {
    const std::string text = visible({message.payload.data(), message.payload.size()});
    line.append(text.data(), text.data() + text.size());
  }
  std::unique_ptr<custom_flag_formatter> clone() const override { return std::make_unique<VisibleMessage>(); }
};

/// "2026-01-31T23:59:59.123+01:00 warning the message".
std::unique_ptr<spdlog::formatter> line_formatter() {
  auto formatter = std::make_unique<spdlog::pattern_formatter>();
  formatter->add_flag<VisibleMessage>('*').set_pattern("%Y-%m-%dT%H:%M:%S.%e%z %l %*");
  return formatter;
}

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
    sinks.back()->set_formatter(line_formatter());
  }
  auto logger = std::make_shared<spdlog::logger>("cosformer", sinks.begin(), sinks.end());
  logger->set_level(spdlog::level::debug);
  logger->flush_on(spdlog::level::debug);
  return logger;
}

}  // namespace cosformer

#include "train/store/tensorboard.h"

#include <unistd.h>

#include <array>
#include <bit>
#include <chrono>
#include <cstring>

#include "core/error.h"
#include "train/store/crc32c.h"

namespace cosformer {

static_assert(std::endian::native == std::endian::little, "event files are written without swapping bytes");

namespace {

// Wire types of protocol buffers.
constexpr std::uint32_t kVarint = 0, kFixed64 = 1, kLengthDelimited = 2, kFixed32 = 5;
// Fields of Event, Summary, Summary.Value and SessionLog.
constexpr std::uint32_t kEventWallTime = 1, kEventStep = 2, kEventFileVersion = 3, kEventSummary = 5, kEventSessionLog = 7;
constexpr std::uint32_t kSummaryValue = 1, kValueTag = 1, kValueSimpleValue = 2, kSessionLogStatus = 1;
constexpr std::uint64_t kSessionStart = 1;

template <class T>
std::string little_endian(T value) {
  std::string bytes(sizeof(T), '\0');
  std::memcpy(bytes.data(), &value, sizeof(T));
  return bytes;
}

std::string varint(std::uint64_t value) {
  std::string bytes;
  for (; value >= 0x80; value >>= 7) bytes += static_cast<char>(value | 0x80);
  return bytes + static_cast<char>(value);
}

std::string tag(std::uint32_t field, std::uint32_t wire_type) { return varint(field << 3 | wire_type); }

std::string message_field(std::uint32_t field, std::string_view bytes) {
  return tag(field, kLengthDelimited) + varint(bytes.size()) + std::string(bytes);
}

std::string event_head(double wall_time, std::int64_t step) {
  std::string event = tag(kEventWallTime, kFixed64) + little_endian(wall_time);
  if (step != 0) event += tag(kEventStep, kVarint) + varint(static_cast<std::uint64_t>(step));
  return event;
}

double now_seconds() { return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count(); }

std::string host_name() {
  std::array<char, 256> name{};
  if (::gethostname(name.data(), name.size() - 1) != 0 || name[0] == '\0') return "localhost";
  return name.data();
}

/// A name that does not exist yet. TensorBoard reads the files of a folder in the order of their names; sessions of one
/// second differ in the number after it.
std::filesystem::path new_event_file(const std::filesystem::path& folder) {
  const auto second = static_cast<std::int64_t>(now_seconds());
  for (int session = 0;; ++session) {
    auto path = folder / concat("events.out.tfevents.", second, '.', session, '.', host_name());
    if (!std::filesystem::exists(path)) return path;
  }
}

}  // namespace

std::string frame_record(std::string_view bytes) {
  const std::string length = little_endian(static_cast<std::uint64_t>(bytes.size()));
  return length + little_endian(masked_crc32c(length)) + std::string(bytes) + little_endian(masked_crc32c(bytes));
}

std::string encode_version_event(double wall_time) {
  return event_head(wall_time, 0) + message_field(kEventFileVersion, "brain.Event:2");
}

std::string encode_scalar_event(double wall_time, std::int64_t step,
                                const std::vector<std::pair<std::string, double>>& scalars) {
  std::string summary;
  for (const auto& [name, value] : scalars) {
    summary += message_field(kSummaryValue, message_field(kValueTag, name) + tag(kValueSimpleValue, kFixed32) +
                                                little_endian(static_cast<float>(value)));
  }
  return event_head(wall_time, step) + message_field(kEventSummary, summary);
}

std::string encode_restart_event(double wall_time, std::int64_t step) {
  return event_head(wall_time, step) +
         message_field(kEventSessionLog, tag(kSessionLogStatus, kVarint) + varint(kSessionStart));
}

TensorBoardWriter::TensorBoardWriter(FileSystem& files, const std::filesystem::path& folder,
                                     std::optional<std::int64_t> resumed_step)
    : file_(files, new_event_file(folder), /*must_be_new=*/true) {
  file_.append(frame_record(encode_version_event(now_seconds())));
  if (resumed_step) file_.append(frame_record(encode_restart_event(now_seconds(), *resumed_step + 1)));
}

void TensorBoardWriter::add_scalars(std::int64_t step, const std::vector<std::pair<std::string, double>>& scalars) {
  file_.append(frame_record(encode_scalar_event(now_seconds(), step, scalars)));
}

}  // namespace cosformer

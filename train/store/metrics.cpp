#include "train/store/metrics.h"

#include <algorithm>
#include <cmath>
#include <fstream>
#include <functional>
#include <limits>
#include <nlohmann/json.hpp>
#include <optional>

#include "core/error.h"
#include "core/median.h"
#include "train/store/atomic_file.h"

namespace cosformer {

namespace {

using nlohmann::ordered_json;

constexpr std::size_t kMaxLineBytes = std::size_t{1} << 20;
constexpr std::uint64_t kCopyBytes = std::uint64_t{1} << 20;
constexpr double kMaxExactInteger = 0x1p53;

ordered_json encode(double value) {
  // Counts read better as integers, and nothing is lost. Minus zero would lose its sign.
  const bool is_integer =
      std::abs(value) <= kMaxExactInteger && std::trunc(value) == value && !(value == 0 && std::signbit(value));
  if (is_integer) return static_cast<std::int64_t>(value);
  return value;
}

std::string encode_line(const MetricRecord& record) {
  ordered_json line = {{"step", record.step}, {"split", record.split}};
  for (const auto& [name, value] : record.values) line[name] = encode(value);
  return line.dump() + "\n";
}

std::optional<MetricRecord> decode_line(const std::string& line) {
  // One flat object is all that is expected; the callback stops the parser from building anything deeper.
  bool is_flat = true;
  const auto callback = [&](int depth, ordered_json::parse_event_t event, ordered_json&) {
    const bool opens =
        event == ordered_json::parse_event_t::object_start || event == ordered_json::parse_event_t::array_start;
    if (opens && depth > 0) is_flat = false;
    return is_flat;
  };
  const ordered_json json = ordered_json::parse(line, callback, /*allow_exceptions=*/false);
  if (!is_flat || !json.is_object()) return {};
  const auto step = json.find("step"), split = json.find("split");
  if (step == json.end() || !step->is_number_integer() || split == json.end() || !split->is_string()) return {};
  MetricRecord record{step->get<std::int64_t>(), split->get<std::string>(), {}};
  for (const auto& [name, value] : json.items()) {
    if (name == "step") continue;
    if (value.is_number()) record.values.emplace_back(name, value.get<double>());
    if (value.is_null()) record.values.emplace_back(name, std::numeric_limits<double>::quiet_NaN());
  }
  return record;
}

enum class FileEnd : std::uint8_t { whole, torn };

/// Calls `visit(number, line, record)` for each line but a torn last one; a line that is no record comes without one. Throws
/// InputError if the file is there and cannot be read.
FileEnd for_each_line(const std::filesystem::path& path,
                      const std::function<void(std::int64_t number, const std::string& line,
                                               const std::optional<MetricRecord>& record)>& visit) {
  std::error_code ignored;
  if (std::filesystem::symlink_status(path, ignored).type() == std::filesystem::file_type::not_found) return FileEnd::whole;
  // What is no ordinary file could make the reader wait for ever.
  check<InputError>(std::filesystem::is_regular_file(path, ignored), path.string(), ": expected an ordinary file");
  std::ifstream stream(path, std::ios::binary);
  check<InputError>(stream.is_open(), path.string(), ": cannot be opened");
  std::string line;
  FileEnd end = FileEnd::whole;
  for (std::int64_t number = 1; std::getline(stream, line); ++number) {
    if (stream.eof()) {
      end = FileEnd::torn;
      break;
    }
    const auto record = line.size() <= kMaxLineBytes ? decode_line(line) : std::nullopt;
    if (!record && stream.peek() == std::ifstream::traits_type::eof() && !stream.bad()) {
      end = FileEnd::torn;
      break;
    }
    visit(number, line, record);
  }
  // An error of the disk looks like the end of the file.
  check<InputError>(!stream.bad(), path.string(), ": cannot be read to its end");
  return end;
}

/// Calls `visit` with the first `bytes` of a file, piece by piece.
void for_each_block(const FileReader& reader, std::uint64_t bytes,
                    const std::function<void(std::span<const std::byte> block)>& visit) {
  std::vector<std::byte> block;
  for (std::uint64_t at = 0; at < bytes; at += block.size()) {
    block.resize(static_cast<std::size_t>(std::min(kCopyBytes, bytes - at)));
    reader.read(at, block);
    visit(block);
  }
}

std::string no_record(const std::filesystem::path& path, std::int64_t number) {
  return concat(path.string(), ':', number, ": expected a JSON object with step and split");
}

}  // namespace

double MetricRecord::value(const std::string& name) const {
  for (const auto& [key, value] : values) {
    if (key == name) return value;
  }
  return std::numeric_limits<double>::quiet_NaN();
}

MetricsWriter::MetricsWriter(FileSystem& files, std::filesystem::path path)
    : file_(files, std::move(path), /*must_be_new=*/false) {
  file_.drop_torn_record('\n');
  const FileReader reader(file_.path());
  for_each_block(reader, reader.size(), [this](std::span<const std::byte> block) { content_.add(block); });
}

void MetricsWriter::append(const MetricRecord& record) {
  const std::string line = encode_line(record);
  file_.append(line);
  content_.add(line);
}

void MetricsWriter::sync() { file_.sync(); }

std::optional<double> median_training_speed(const std::vector<MetricRecord>& records) {
  std::vector<double> speeds;
  for (const MetricRecord& record : records) {
    const double speed = record.value("tokens_per_second");
    if (record.split == "train" && std::isfinite(speed)) speeds.push_back(speed);
  }
  return speeds.empty() ? std::nullopt : std::optional(median(std::move(speeds)));
}

std::vector<MetricRecord> read_metrics(const std::filesystem::path& path) {
  std::vector<MetricRecord> records;
  for_each_line(path, [&](std::int64_t number, const std::string&, const std::optional<MetricRecord>& record) {
    if (!record) throw InputError(no_record(path, number));
    records.push_back(*record);
  });
  return records;
}

std::optional<MetricRecord> read_last_metric(const std::filesystem::path& path, const std::string& split) {
  constexpr std::streamoff kReadBytes = 1 << 16;
  std::ifstream stream(path, std::ios::binary | std::ios::ate);
  if (!stream) return std::nullopt;
  const std::streamoff begin = std::max<std::streamoff>(0, static_cast<std::streamoff>(stream.tellg()) - kReadBytes);
  stream.seekg(begin);
  std::optional<MetricRecord> last;
  std::string line;
  // The first line may have lost its beginning: it is then no JSON.
  while (std::getline(stream, line) && !stream.eof()) {
    auto record = decode_line(line);
    if (record && record->split == split) last = std::move(record);
  }
  return last;
}

std::optional<std::string> truncate_metrics_after(FileSystem& files, const std::filesystem::path& path, std::int64_t step) {
  std::string kept;
  bool drops = false;
  std::int64_t faults = 0, first_fault = 0;
  const FileEnd end =
      for_each_line(path, [&](std::int64_t number, const std::string& line, const std::optional<MetricRecord>& record) {
        if (!record) {
          if (faults++ == 0) first_fault = number;
        } else if (record->step <= step) {
          kept += line + "\n";
        } else {
          drops = true;
        }
      });
  std::optional<std::string> found;
  if (faults > 0) {
    const std::filesystem::path aside = free_name_beside(path, ".damaged");
    replace_file(files, aside, [&](FileWriter& writer) {
      const FileReader reader(path);
      for_each_block(reader, reader.size(), [&](std::span<const std::byte> block) { writer.write(block); });
    });
    found = concat(no_record(path, first_fault), faults > 1 ? concat(" (and ", faults - 1, " lines more)") : "",
                   "; the file as it was is now ", aside.string(), ", the run goes on with the records that can be read");
  }
  if (drops || faults > 0 || end == FileEnd::torn) replace_file(files, path, kept);
  return found;
}

std::optional<std::string> find_gap(const std::vector<MetricRecord>& records, std::int64_t step, std::int64_t log_every,
                                    bool evaluated) {
  const std::int64_t expected = step - step % log_every;
  std::int64_t last = 0;
  bool has_evaluation = false;
  for (const MetricRecord& record : records) {
    if (record.split == "train") last = std::max(last, record.step);
    has_evaluation = has_evaluation || (record.split == "valid" && record.step == step);
  }
  if (last < expected) {
    return concat("metrics.jsonl has no training record after step ", last, ", but the checkpoint is of step ", step,
                  ": what was recorded between is lost");
  }
  if (evaluated && !has_evaluation) {
    return concat("metrics.jsonl has no record of the evaluation at step ", step, ": it is lost");
  }
  return {};
}

std::optional<std::string> find_change(const std::filesystem::path& path, const Digest& content, std::int64_t step) {
  if (content.xxh3_128.empty()) return {};
  std::error_code ignored;
  const bool is_there = std::filesystem::symlink_status(path, ignored).type() != std::filesystem::file_type::not_found;
  DigestBuilder found;
  if (is_there) {
    const FileReader reader(path);
    for_each_block(reader, std::min(reader.size(), content.bytes),
                   [&](std::span<const std::byte> block) { found.add(block); });
  }
  if (found.digest() == content) return {};
  return concat(path.string(), ": the records up to the checkpoint of step ", step, " are not as the run wrote them");
}

}  // namespace cosformer

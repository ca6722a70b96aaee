#include "train/run/metrics.h"

#include <cmath>
#include <fstream>
#include <functional>
#include <limits>
#include <nlohmann/json.hpp>
#include <optional>

#include "core/error.h"
#include "train/median.h"
#include "train/run/atomic_file.h"

namespace cosformer {

namespace {

using nlohmann::ordered_json;

constexpr std::size_t kMaxLineBytes = std::size_t{1} << 20;
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

/// Calls `visit(line, record)` for each line but a torn last one; true where there was one.
bool for_each_record(const std::filesystem::path& path,
                     const std::function<void(const std::string& line, const MetricRecord& record)>& visit) {
  std::ifstream stream(path, std::ios::binary);
  std::string line;
  for (std::int64_t number = 1; std::getline(stream, line); ++number) {
    if (stream.eof()) return true;
    const auto record = line.size() <= kMaxLineBytes ? decode_line(line) : std::nullopt;
    if (!record) {
      const bool is_last = stream.peek() == std::ifstream::traits_type::eof();
      check<InputError>(is_last, path.string(), ':', number, ": expected a JSON object with step and split");
      return true;
    }
    visit(line, *record);
  }
  return false;
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
}

void MetricsWriter::append(const MetricRecord& record) { file_.append(encode_line(record)); }

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
  for_each_record(path, [&](const std::string&, const MetricRecord& record) { records.push_back(record); });
  return records;
}

void truncate_metrics_after(FileSystem& files, const std::filesystem::path& path, std::int64_t step) {
  std::string kept;
  bool drops = false;
  const bool torn = for_each_record(path, [&](const std::string& line, const MetricRecord& record) {
    if (record.step <= step) {
      kept += line + "\n";
    } else {
      drops = true;
    }
  });
  if (drops || torn) replace_file(files, path, kept);
}

}  // namespace cosformer

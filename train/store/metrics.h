#pragma once
/// \file
/// metrics.jsonl: one JSON object a line.

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/checksum.h"
#include "train/store/append_file.h"
#include "train/store/file_system.h"

namespace cosformer {

/// One line: {"step":100,"split":"train","loss":2.5,…}. Doubles come back with the same bits. A value that is not finite is
/// written as null, which every JSON reader takes, and read as NaN.
struct MetricRecord {
  std::int64_t step = 0;
  std::string split;
  std::vector<std::pair<std::string, double>> values;  ///< in the order to write them

  /// The value of a name; NaN if the record has none.
  double value(const std::string& name) const;
};

/// Appends records, each with one write(2), so that a reader at work beside never sees half a line for long and a crash
/// tears the last line at most.
class MetricsWriter {
 public:
  /// Opens or creates the file and cuts off a last line that a crash has torn. Throws Error.
  MetricsWriter(FileSystem& files, std::filesystem::path path);

  /// Throws Error if the line could not be written whole; what was written of it is cut off again.
  void append(const MetricRecord& record);

  /// Waits until all records are on the disk. Throws Error.
  void sync();

  /// Of the whole file.
  Digest content() const { return content_.digest(); }

 private:
  AppendFile file_;
  DigestBuilder content_;
};

/// All records of a file, in its order. A last line that is torn (no line break at its end, or no JSON) is left out; numbers
/// under any name are values, other things a line may hold are passed over. A file that does not exist has no records.
/// Throws InputError with file and line for any other line that is no record, and for a file that cannot be read.
std::vector<MetricRecord> read_metrics(const std::filesystem::path& path);

/// The last record of a split among the last 64 KiB of a file that may be growing; nothing if there is none.
std::optional<MetricRecord> read_last_metric(const std::filesystem::path& path, const std::string& split);

/// The median speed of the training records, in tokens per second; nothing if none has one.
std::optional<double> median_training_speed(const std::vector<MetricRecord>& records);

/// Before a run continues from the checkpoint of `step`: drops the records of later steps and a torn last line, in one step.
/// A file with other lines that are no records is kept whole under another name, which the result says in one line together
/// with what was found; the run goes on with the records that there are. Throws Error, and InputError for a file that cannot
/// be read.
std::optional<std::string> truncate_metrics_after(FileSystem& files, const std::filesystem::path& path, std::int64_t step);

/// Says which records are missing that a run must have written before its checkpoint of `step`, one training record every
/// `log_every` steps and `evaluated` = one of the validation at `step`; nothing if they are there.
std::optional<std::string> find_gap(const std::vector<MetricRecord>& records, std::int64_t step, std::int64_t log_every,
                                    bool evaluated);

/// Says that the file no longer begins with the records that were there when the checkpoint of `step` was written,
/// `content`; nothing if it does, or if the checkpoint is of a format that knows no `content`. Throws InputError for a file
/// that cannot be read.
std::optional<std::string> find_change(const std::filesystem::path& path, const Digest& content, std::int64_t step);

}  // namespace cosformer

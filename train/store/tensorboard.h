#pragma once
/// \file
/// Event files for a stock TensorBoard: scalars only.
/// Source: tensorflow/core/util/event.proto, summary.proto and lib/io/record_writer (field numbers and framing).

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "train/store/append_file.h"
#include "train/store/file_system.h"

namespace cosformer {

/// One record of an event file: length, masked CRC of the length, the bytes, masked CRC of the bytes.
std::string frame_record(std::string_view bytes);

/// A serialised Event that gives the file's version; the first of every file.
std::string encode_version_event(double wall_time);
/// A serialised Event with a Summary of one simple value a tag. `wall_time` counts seconds since 1970.
std::string encode_scalar_event(double wall_time, std::int64_t step,
                                const std::vector<std::pair<std::string, double>>& scalars);
/// A serialised Event with SessionLog START: TensorBoard then forgets the events of `step` and later from earlier files.
std::string encode_restart_event(double wall_time, std::int64_t step);

/// Writes one `events.out.tfevents.…` file.
class TensorBoardWriter {
 public:
  /// Makes a file in `folder` whose name sorts after those of earlier sessions. A run that continues gives
  /// the step it continues from, 0 without a checkpoint: later events of earlier sessions count no more. Throws Error.
  TensorBoardWriter(FileSystem& files, const std::filesystem::path& folder, std::optional<std::int64_t> resumed_step = {});

  /// Throws Error.
  void add_scalars(std::int64_t step, const std::vector<std::pair<std::string, double>>& scalars);

  const std::filesystem::path& path() const { return file_.path(); }

 private:
  AppendFile file_;
};

}  // namespace cosformer

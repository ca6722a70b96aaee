#pragma once
/// \file
/// Files that grow by whole records.

#include <filesystem>
#include <string_view>

#include "train/store/file_system.h"

namespace cosformer {

/// A file that is only ever appended to, each record with one write(2).
class AppendFile {
 public:
  /// Opens or creates the file, or with `must_be_new` creates it. Throws Error.
  AppendFile(FileSystem& files, std::filesystem::path path, bool must_be_new);

  /// Throws Error if the record could not be written whole; what was written of it is cut off again, if the system lets.
  void append(std::string_view record);

  /// Waits until all records are on the disk. Throws Error.
  void sync();

  /// Cuts off what follows the last `end_mark` (everything, if there is none): the rest of a record that a crash has
  /// torn. Throws Error.
  void drop_torn_record(char end_mark);

  const std::filesystem::path& path() const { return path_; }

 private:
  FileSystem& files_;
  std::filesystem::path path_;
  OpenFile file_;
};

}  // namespace cosformer

#pragma once
/// \file
/// The folder that a generator fills.

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include "data/generators/generated_files.h"
#include "train/store/atomic_file.h"
#include "train/store/file_system.h"

namespace cosformer {

/// Writes a generator's files beside the target folder, which appears with all of them or not at all.
class DataSetFolder : public GeneratedFiles {
 public:
  /// Throws InputError if the target exists and is no empty folder, or if the folder it shall stand in does not exist.
  DataSetFolder(FileSystem& files, const std::filesystem::path& target);

  /// Throws Error if the system refuses.
  void append(std::string_view name, std::string_view bytes) override;
  /// Waits until all is on the disk and gives the folder its name. Throws Error.
  void commit();

 private:
  void close_file();

  FileSystem& files_;
  StagedFolder folder_;
  std::string name_;
  std::optional<OpenFile> file_;
};

}  // namespace cosformer

#pragma once
/// \file
/// The folder `checkpoints` of a run: which checkpoints there are, which to use and which to keep.

#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "train/store/checkpoint.h"
#include "train/store/file_system.h"

namespace cosformer {

/// Takes a one-line warning, for the log.
using Warn = std::function<void(const std::string& message)>;

/// `step-00001000`; more digits if the step needs them.
std::string checkpoint_name(std::int64_t step);

/// Steps of the folders that bear a checkpoint's name, and of links to folders, ascending, whatever is in them. None if
/// `folder` does not exist. Throws InputError if there is something of this name that cannot be listed.
std::vector<std::int64_t> list_checkpoints(const std::filesystem::path& folder);

/// The newest checkpoint whose files fit their checksums; nothing if there is no checkpoint at all. Each newer one that
/// cannot be used is named in a warning together with what is wrong. The links `latest` and `best` are for people and are
/// not looked at. Throws InputError that names each checkpoint and why if there are some and none can be used, and
/// NewerFormatError if the newest whole one is of a newer format: an older one in its place would lose work.
std::optional<std::filesystem::path> find_latest_checkpoint(const std::filesystem::path& folder, const Warn& warn);

/// The checkpoint with the best metric whose files fit their checksums, or the newest if none has a metric. Each one
/// whose metric cannot be known, or that is better and cannot be used, is named in a warning. Throws as
/// `find_latest_checkpoint`.
std::optional<std::filesystem::path> find_best_checkpoint(const std::filesystem::path& folder, const Warn& warn);

/// Where the weights are that a user names: a safetensors file or a checkpoint folder as they are, of a run directory its
/// best checkpoint. Throws InputError if there is nothing of the kind.
std::filesystem::path find_weights(const std::filesystem::path& run_or_checkpoint, const Warn& warn);

/// How many checkpoints survive a save. The newest always does.
struct Retention {
  int keep_last = 2;
  int keep_best = 1;
};

/// Writes the checkpoints of the one process that owns the run.
class CheckpointStore {
 public:
  /// Makes the folder where it is missing and removes what a crash has left half done. Where `latest` or `best` is a folder,
  /// as in a copy that followed links, it makes way for a link: it is removed if it is the copy of a checkpoint, becomes
  /// one if that is missing, and is set aside under another name else; a warning says which. Throws Error, and InputError
  /// for `keep_last` < 1 or `keep_best` < 0.
  CheckpointStore(FileSystem& files, std::filesystem::path folder, Retention retention, Warn warn);

  /// Writes `checkpoint` as `checkpoint_name(step)`, reads it back, points `latest` and `best` and only then deletes what
  /// need not be kept. What cannot be read is not deleted. Throws Error if the checkpoint is not safely on the disk; all
  /// older ones are then untouched. What fails after that is a warning.
  std::filesystem::path save(const Checkpoint& checkpoint);

  /// Repeats what follows the save of `step`, which a crash may have kept from happening: points `latest` and `best` and
  /// deletes what need not be kept. What fails is a warning.
  void finish_save(std::int64_t step);

  const std::filesystem::path& folder() const { return folder_; }

 private:
  /// Turns an Error of what is done after a save into a warning.
  void attempt(std::int64_t saved_step, const std::function<void()>& action) const;
  void point_and_prune(std::int64_t saved_step);
  void remove(std::int64_t step);
  /// Makes way for the link `name` if there is a folder.
  void mend_link(const char* name);

  FileSystem& files_;
  std::filesystem::path folder_;
  Retention retention_;
  Warn warn_;
};

}  // namespace cosformer

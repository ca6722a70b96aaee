#include "train/experiments/sweep/run_files.h"

#include "train/store/sealed_json.h"

namespace cosformer {

namespace fs = std::filesystem;

fs::path beside_run(const SweepRun& run, const char* ending) { return run.folder.string() + ending; }
fs::path result_file(const SweepRun& run) { return run.folder / "result.json"; }
fs::path train_file(const SweepRun& run) { return run.folder / "train.json"; }

bool is_whole(const fs::path& file) {
  std::error_code ignored;
  return fs::exists(file, ignored) && !seal_fault(file);
}

}  // namespace cosformer

#include <cstdint>
#include <filesystem>
#include <optional>
#include <utility>
#include <vector>

#include "core/error.h"
#include "tests/catch.h"
#include "tests/train/run_checkpoint_support.h"
#include "tests/train/run_support.h"
#include "train/run/checkpoint_store.h"

namespace cosformer::test {

namespace fs = std::filesystem;

TEST_CASE("A folder without a usable checkpoint gives none") {
  TemporaryFolder folder;
  CHECK_FALSE(find_latest_checkpoint(folder / "missing", ignore));
  fs::create_directories(folder / "step-00000001");
  fs::create_directories(folder / "step-1");
  fs::create_directories(folder / "step-00000002.tmp-1");
  write_bytes(folder / "step-00000003", "no folder");
  CHECK(list_checkpoints(folder.path()) == std::vector<std::int64_t>{1});
  CHECK_FALSE(find_latest_checkpoint(folder.path(), ignore));
}

TEST_CASE("The store keeps the newest and the best checkpoints and points at them") {
  TemporaryFolder folder;
  FileSystem files;
  CheckpointStore store(files, folder / "c", {.keep_last = 2, .keep_best = 2}, ignore);
  const std::vector<std::optional<double>> losses = {3.0, 1.0, 2.0, {}, 2.5, 2.0, 4.0};
  for (std::size_t i = 0; i < losses.size(); ++i) store.save(make_checkpoint(static_cast<std::int64_t>(i + 1), losses[i]));
  CHECK(list_checkpoints(folder / "c") == std::vector<std::int64_t>{2, 3, 6, 7});
  CHECK(fs::read_symlink(folder / "c/latest") == "step-00000007");
  CHECK(fs::read_symlink(folder / "c/best") == "step-00000002");
  CHECK(find_latest_checkpoint(folder / "c", ignore) == folder / "c/step-00000007");
  CHECK(find_best_checkpoint(folder / "c", ignore) == folder / "c/step-00000002");
  // The next best where the best is broken.
  write_bytes(folder / "c/step-00000002/model.safetensors", "x");
  CHECK(find_best_checkpoint(folder / "c", ignore) == folder / "c/step-00000003");
}

TEST_CASE("Where higher is better the highest metric is the best") {
  TemporaryFolder folder;
  FileSystem files;
  CheckpointStore store(files, folder / "c", {.keep_last = 1, .keep_best = 1}, ignore);
  for (const auto& [step, accuracy] : {std::pair{1, 0.5}, {2, 0.75}, {3, 0.25}}) {
    Checkpoint checkpoint = make_checkpoint(step, accuracy);
    checkpoint.state.higher_is_better = true;
    store.save(checkpoint);
  }
  CHECK(list_checkpoints(folder / "c") == std::vector<std::int64_t>{2, 3});
  CHECK(find_best_checkpoint(folder / "c", ignore) == folder / "c/step-00000002");
}

TEST_CASE("A broken newer checkpoint does not cost the sound ones their place") {
  TwoCheckpoints run;
  run.store.save(make_checkpoint(3));
  write_bytes(run.folder / "checkpoints/step-00000003/model.safetensors", "x");
  CHECK(find_latest_checkpoint(run.store.folder(), ignore) == run.second);
  // The run continues from step 2 with other intervals: what is broken goes, what is sound stays.
  Checkpoint next = make_checkpoint(2);
  run.store.save(next);
  CHECK(list_checkpoints(run.store.folder()) == std::vector<std::int64_t>{2});
  CHECK(find_latest_checkpoint(run.store.folder(), ignore) == run.second);
}

TEST_CASE("A retention that keeps nothing is refused") {
  TemporaryFolder folder;
  FileSystem files;
  CHECK_THROWS_AS(CheckpointStore(files, folder / "c", {.keep_last = 0, .keep_best = 1}, ignore), InputError);
  CHECK_THROWS_AS(CheckpointStore(files, folder / "c", {.keep_last = 1, .keep_best = -1}, ignore), InputError);
}

}  // namespace cosformer::test

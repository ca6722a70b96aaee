#include "train/store/checkpoint_store.h"

#include <cstdint>
#include <filesystem>
#include <optional>
#include <utility>
#include <vector>

#include "core/checksum.h"
#include "core/error.h"
#include "tests/catch.h"
#include "tests/train/run_support.h"
#include "tests/train/store/checkpoint_support.h"

namespace cosformer::test {

namespace fs = std::filesystem;

TEST_CASE("A folder without a checkpoint gives none") {
  TemporaryFolder folder;
  CHECK_FALSE(find_latest_checkpoint(folder / "missing", ignore));
  fs::create_directories(folder / "step-1");
  fs::create_directories(folder / "step-00000002.tmp-1");
  write_bytes(folder / "step-00000003", "no folder");
  CHECK(list_checkpoints(folder.path()).empty());
  CHECK_FALSE(find_latest_checkpoint(folder.path(), ignore));
  CHECK_FALSE(find_best_checkpoint(folder.path(), ignore));
}

TEST_CASE("Where no checkpoint can be used, each is named with the reason") {
  TwoCheckpoints run;
  write_bytes(run.first / "model.safetensors", "x");
  fs::remove(run.second / "state.json");
  const auto search = GENERATE(find_latest_checkpoint, find_best_checkpoint);
  std::string warnings;
  const std::string message =
      message_of<InputError>([&] { search(run.store.folder(), [&](const std::string& warning) { warnings += warning; }); });
  CHECK(message == concat(run.store.folder().string(), ": none of the 2 checkpoints can be used; checkpoint step-00000002 ",
                          "cannot be used: ", (run.second / "state.json").string(),
                          ": cannot be opened: No such file or directory; checkpoint step-00000001 cannot be used: ",
                          (run.first / "model.safetensors").string(), ": 1 bytes, expected ",
                          read_state_document(run.first).files.at("model.safetensors").bytes));
  CHECK(warnings.empty());
}

TEST_CASE("Checkpoints that cannot be listed are not taken for none, and those on another disk are found there") {
  TwoCheckpoints run;
  fs::rename(run.second, run.folder / "elsewhere");
  fs::create_directory_symlink(run.folder / "elsewhere", run.second);
  CHECK(find_latest_checkpoint(run.store.folder(), ignore) == run.second);
  fs::rename(run.store.folder(), run.folder / "moved");
  fs::create_directory_symlink("unmounted", run.store.folder());
  CHECK(message_of<InputError>([&] {
          find_latest_checkpoint(run.store.folder(), ignore);
        }).starts_with(run.store.folder().string() + ": cannot be listed: "));
}

TEST_CASE("A whole checkpoint of a newer format is refused, not passed over") {
  TwoCheckpoints run;
  std::string text = read_bytes(run.second / "state.json");
  const std::string version = concat("\"format_version\": ", kStateFormatVersion);
  text.replace(text.find(version), version.size(), "\"format_version\": 999");
  const std::size_t checksum = text.find("\"checksum\": \"") + 13;
  text.replace(checksum, 32, 32, '0');
  write_bytes(run.second / "state.json", text.replace(checksum, 32, checksum_hex(text)));
  CHECK(message_of<NewerFormatError>([&] {
          find_latest_checkpoint(run.store.folder(), ignore);
        }).find("format_version 999 is of a newer cosformer") != std::string::npos);
}

TEST_CASE("A damaged state is named, whether or not it was that of the best checkpoint") {
  TemporaryFolder folder;
  FileSystem files;
  CheckpointStore store(files, folder / "c", {.keep_last = 3, .keep_best = 1}, ignore);
  for (const auto& [step, loss] : {std::pair{1, 2.0}, {2, 1.0}, {3, 3.0}}) store.save(make_checkpoint(step, loss));
  const std::int64_t damaged = GENERATE(1, 2, 3);
  const auto file = folder / "c" / checkpoint_name(damaged) / "state.json";
  std::string text = read_bytes(file);
  text[text.size() / 2] = static_cast<char>(text[text.size() / 2] ^ 1);
  write_bytes(file, text);
  std::vector<std::string> warnings;
  const auto best = find_best_checkpoint(folder / "c", [&](const std::string& warning) { warnings.push_back(warning); });
  CHECK(best == folder / "c" / checkpoint_name(damaged == 2 ? 1 : 2));
  REQUIRE(warnings.size() == 1);
  CHECK(warnings[0].starts_with(concat("checkpoint ", checkpoint_name(damaged), " cannot be used: ", file.string())));
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
  // The next best if the best is broken.
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
  // The run continues from step 2 with other intervals.
  Checkpoint next = make_checkpoint(2);
  run.store.save(next);
  CHECK(list_checkpoints(run.store.folder()) == std::vector<std::int64_t>{2, 3});
  CHECK(find_latest_checkpoint(run.store.folder(), ignore) == run.second);
}

TEST_CASE("A save deletes no checkpoint because it cannot be read") {
  TwoCheckpoints run;
  const std::string damaged = GENERATE("", "{}");
  write_bytes(run.first / "state.json", damaged);
  for (std::int64_t step = 3; step < 6; ++step) run.store.save(make_checkpoint(step));
  CHECK(list_checkpoints(run.store.folder()) == std::vector<std::int64_t>{1, 4, 5});
  CHECK(read_bytes(run.first / "state.json") == damaged);
}

TEST_CASE("Links that a copy has made folders are mended with a word, and nothing in them is lost") {
  TwoCheckpoints run;
  std::vector<std::string> warnings;
  const auto open_again = [&] {
    CheckpointStore(run.files, run.store.folder(), {.keep_last = 2, .keep_best = 0},
                    [&](const std::string& warning) { warnings.push_back(warning); });
  };
  const fs::path latest = run.store.folder() / "latest";
  fs::remove(latest);
  SECTION("a copy of a checkpoint that is there becomes a link to it") {
    fs::copy(run.first, latest, fs::copy_options::recursive);
    open_again();
    CHECK(fs::read_symlink(latest) == "step-00000001");
    CHECK(names_in(run.store.folder()) == std::vector<std::string>{"latest", "step-00000001", "step-00000002"});
    CHECK(warnings.at(0).find("it held the same as step-00000001 and is a link to it again") != std::string::npos);
  }
  SECTION("a checkpoint that is nowhere else gets its name back") {
    const std::vector<std::string> bytes = bytes_of(run.second);
    fs::rename(run.second, latest);
    open_again();
    CHECK(names_in(run.store.folder()) == std::vector<std::string>{"step-00000001", "step-00000002"});
    CHECK(bytes_of(run.second) == bytes);
    CHECK(warnings.at(0).find("it held step 2 and is now step-00000002") != std::string::npos);
  }
  SECTION("another checkpoint of the same step, and what cannot be read, is set aside") {
    fs::create_directory(run.store.folder() / "latest.copied");
    const bool readable = GENERATE(true, false);
    write_checkpoint(run.files, latest, make_checkpoint(1, 5.0));
    if (!readable) fs::remove(latest / "state.json");
    open_again();
    CHECK(names_in(run.store.folder()) ==
          std::vector<std::string>{"latest.copied", "latest.copied-2", "step-00000001", "step-00000002"});
    CHECK(fs::exists(run.store.folder() / "latest.copied-2/model.safetensors"));
    CHECK(warnings.at(0).find("is now latest.copied-2") != std::string::npos);
  }
  CHECK(warnings.size() == 1);
  CHECK(warnings.at(0).starts_with(latest.string() + " was a folder, not a link"));
}

TEST_CASE("A retention that keeps nothing is refused") {
  TemporaryFolder folder;
  FileSystem files;
  CHECK_THROWS_AS(CheckpointStore(files, folder / "c", {.keep_last = 0, .keep_best = 1}, ignore), InputError);
  CHECK_THROWS_AS(CheckpointStore(files, folder / "c", {.keep_last = 1, .keep_best = -1}, ignore), InputError);
}

}  // namespace cosformer::test

#include "train/store/checkpoint.h"

#include <cmath>
#include <limits>

#include "tests/catch.h"
#include "tests/train/run_support.h"
#include "tests/train/store/checkpoint_support.h"

namespace cosformer::test {

namespace fs = std::filesystem;

TEST_CASE("A checkpoint comes back with the same bits") {
  TemporaryFolder folder;
  FileSystem files;
  Checkpoint written = make_checkpoint(1234567890123);
  RunState& state = written.state;
  state.seed = std::numeric_limits<std::uint64_t>::max();
  state.epoch = 7;
  state.tokens_seen = std::int64_t{1} << 62;
  state.wall_seconds = 0.1 + 0.2;
  state.metric = std::nextafter(3.0, 4.0);
  state.best_metric = 5e-324;
  state.best_step = 99;
  state.higher_is_better = true;
  state.evaluations_since_best = 4;
  state.nonfinite_total = 3;
  state.nonfinite_streak = 2;
  state.nonfinite_steps = {5, 1234567890122, 1234567890123};
  write_checkpoint(files, folder / "a", written);
  const Checkpoint read = read_checkpoint(folder / "a");
  CHECK(read.state == state);
  CHECK(read.config == written.config);
  CHECK(values_of(read.parameters) == values_of(written.parameters));
  CHECK(values_of(read.optimizer) == values_of(written.optimizer));
  CHECK(read.parameters.at("decoder.layers.0.fc1.weight").shape() == Shape{48, 64});
  write_checkpoint(files, folder / "b", read);
  CHECK(bytes_of(folder / "a") == bytes_of(folder / "b"));
}

TEST_CASE("The model file of a checkpoint says what it is to programs that read safetensors only") {
  TemporaryFolder folder;
  FileSystem files;
  write_checkpoint(files, folder / "a", make_checkpoint(1000));
  const SafetensorsHeader header = read_safetensors_header(folder / "a/model.safetensors");
  CHECK(header.metadata ==
        Metadata{{"format", "cosformer"}, {"config", R"({"model":{"kind":"decoder"}})"}, {"step", "1000"}});
}

TEST_CASE("Short writes and interrupted calls do not harm a checkpoint") {
  TemporaryFolder folder;
  StutteringFileSystem files;
  FileSystem sound;
  write_checkpoint(files, folder / "a", make_checkpoint(3));
  write_checkpoint(sound, folder / "b", make_checkpoint(3));
  CHECK(bytes_of(folder / "a") == bytes_of(folder / "b"));
  CHECK_NOTHROW(verify_checkpoint(folder / "a"));
}

TEST_CASE("Weights are read from a run, a checkpoint, its file and a file of another program") {
  TwoCheckpoints run;
  fs::create_directories(run.folder / "bare");
  write_safetensors(run.files, run.folder / "bare/model.safetensors", make_checkpoint(9).parameters, {});
  const auto read = [](const fs::path& path) { return read_weights(find_weights(path, ignore)); };
  for (const fs::path& path : {run.folder.path(), run.second, run.second / "model.safetensors"}) {
    const Weights weights = read(path);
    CHECK(values_of(weights.parameters) == values_of(make_checkpoint(2).parameters));
    CHECK(weights.config == R"({"model":{"kind":"decoder"}})");
    CHECK(weights.step == 2);
  }
  for (const fs::path& path : {run.folder / "bare", run.folder / "bare/model.safetensors"}) {
    const Weights weights = read(path);
    CHECK(values_of(weights.parameters) == values_of(make_checkpoint(9).parameters));
    CHECK_FALSE(weights.config);
    CHECK_FALSE(weights.step);
  }
  // A checkpoint's weights are checked before use.
  std::string bytes = read_bytes(run.second / "model.safetensors");
  bytes.back() = static_cast<char>(bytes.back() ^ 1);
  write_bytes(run.second / "model.safetensors", bytes);
  CHECK(message_of<InputError>([&] { read(run.second); }).find("do not fit the checksum") != std::string::npos);
  CHECK(message_of<InputError>([&] { read(run.folder / "nowhere"); }).find("does not exist") != std::string::npos);
  fs::create_directories(run.folder / "empty");
  CHECK(message_of<InputError>([&] { read(run.folder / "empty"); }).find("no usable checkpoint") != std::string::npos);
}

}  // namespace cosformer::test

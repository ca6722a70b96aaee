#include <sys/wait.h>

#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>
#include <random>

#include "tests/catch.h"
#include "tests/train/run_support.h"
#include "train/run/checkpoint.h"
#include "train/run/checkpoint_store.h"

namespace cosformer::test {

namespace fs = std::filesystem;
using Fault = FaultyFileSystem::Fault;

namespace {

constexpr int kMoreCallsThanAny = 1000;
const std::vector<std::string> kFiles = {"model.safetensors", "optimizer.safetensors", "state.json"};

void ignore(const std::string&) {}

/// A small model's checkpoint: other numbers at every step, and files of more than two 4 KiB blocks.
Checkpoint make_checkpoint(std::int64_t step, std::optional<double> metric = {}) {
  std::mt19937 random(static_cast<unsigned>(step));
  const auto fill = [&](Tensor tensor) {
    for (float& value : tensor.span<float>()) value = static_cast<float>(random()) * 0x1p-32F - 0.5F;
    return tensor;
  };
  Checkpoint checkpoint;
  checkpoint.parameters = {{"decoder.layers.0.fc1.weight", fill(Tensor::empty({48, 64}))},
                           {"decoder.layers.0.fc1.bias", fill(Tensor::empty({48}))}};
  checkpoint.optimizer = {{"exp_avg.decoder.layers.0.fc1.weight", fill(Tensor::empty({48, 64}))},
                          {"exp_avg_sq.decoder.layers.0.fc1.weight", fill(Tensor::empty({48, 64}))}};
  checkpoint.config = R"({"model":{"kind":"decoder"}})";
  checkpoint.state.step = step;
  checkpoint.state.position = 3 * step;
  checkpoint.state.wall_seconds = 0.1 * static_cast<double>(step);
  checkpoint.state.metric = metric;
  return checkpoint;
}

std::vector<std::string> bytes_of(const fs::path& checkpoint) {
  std::vector<std::string> result;
  for (const std::string& name : kFiles) result.push_back(read_bytes(checkpoint / name));
  return result;
}

std::vector<float> values_of(const TensorMap& tensors) {
  std::vector<float> values;
  for (const auto& [name, tensor] : tensors) {
    const auto span = tensor.span<float>();
    values.insert(values.end(), span.begin(), span.end());
  }
  return values;
}

/// A folder with the checkpoints of steps 1 and 2, of which the second is to be damaged.
struct TwoCheckpoints {
  TemporaryFolder folder;
  FileSystem files;
  CheckpointStore store{files, folder / "checkpoints", {.keep_last = 2, .keep_best = 0}, ignore};
  fs::path first = store.save(make_checkpoint(1));
  fs::path second = store.save(make_checkpoint(2));

  /// Damages one file of the second checkpoint; true where the search then gives the first and a warning names the file.
  bool falls_back(const std::string& name, const std::string& damaged) {
    const std::string sound = read_bytes(second / name);
    write_bytes(second / name, damaged);
    std::string warnings;
    const auto found = find_latest_checkpoint(store.folder(), [&](const std::string& message) { warnings += message; });
    write_bytes(second / name, sound);
    return found == first && warnings.find("step-00000002 cannot be used") != std::string::npos &&
           warnings.find(name) != std::string::npos;
  }
};

}  // namespace

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

TEST_CASE("The state keeps doubles that JSON has no number for") {
  for (const double value :
       {std::numeric_limits<double>::infinity(), -std::numeric_limits<double>::infinity(), -0.0, 1e-310}) {
    RunState state;
    state.metric = value;
    const RunState read = run_state_from_json(nlohmann::json::parse(to_json(state).dump()), "x");
    CHECK(*read.metric == value);
    CHECK(std::signbit(*read.metric) == std::signbit(value));
  }
  RunState state;
  state.metric = std::numeric_limits<double>::quiet_NaN();
  CHECK(std::isnan(*run_state_from_json(to_json(state), "x").metric));
}

TEST_CASE("A state with a key missing, unknown or of another kind is refused") {
  const nlohmann::json sound = to_json(RunState{});
  CHECK_NOTHROW(run_state_from_json(sound, "x"));
  const auto refusal = [&](const std::string& key, const nlohmann::json& value) {
    nlohmann::json changed = sound;
    changed[key] = value;
    return message_of<InputError>([&] { run_state_from_json(changed, "state.json"); });
  };
  CHECK(refusal("step", -1) == "state.json: state: step: not a value of this key: \"-1\"");
  CHECK(refusal("step", 1.5).find("step: not a value") != std::string::npos);
  CHECK(refusal("step", 1ULL << 63).find("step: not a value") != std::string::npos);
  CHECK(refusal("metric", "infinite").find("metric: not a value") != std::string::npos);
  CHECK(refusal("nonfinite_steps", {1, "x"}).find("nonfinite_steps: not a value") != std::string::npos);
  CHECK(refusal("higher_is_better", 1).find("higher_is_better: not a value") != std::string::npos);
  CHECK(refusal("other", 1).find("unknown key \"other\"") != std::string::npos);
  nlohmann::json short_state = sound;
  short_state.erase("seed");
  CHECK(message_of<InputError>([&] { run_state_from_json(short_state, "x"); }) == "x: state: the key seed is missing");
}

TEST_CASE("The model file of a checkpoint says what it is to programs that read safetensors only") {
  TemporaryFolder folder;
  FileSystem files;
  write_checkpoint(files, folder / "a", make_checkpoint(1000));
  const SafetensorsHeader header = read_safetensors_header(folder / "a/model.safetensors");
  CHECK(header.metadata ==
        Metadata{{"format", "cosformer"}, {"config", R"({"model":{"kind":"decoder"}})"}, {"step", "1000"}});
}

TEST_CASE("A checkpoint file cut at a header byte or a 4 KiB boundary is found out and the one before is used") {
  TwoCheckpoints run;
  int cuts = 0, fallbacks = 0;
  for (const std::string& name : kFiles) {
    const std::string sound = read_bytes(run.second / name);
    const std::size_t header_end = std::min<std::size_t>(sound.size(), 700);
    for (std::size_t length = 0; length < sound.size();) {
      ++cuts;
      fallbacks += run.falls_back(name, sound.substr(0, length));
      length = length < header_end ? length + 1 : (length / 4096 + 1) * 4096;
    }
    ++cuts;
    fallbacks += run.falls_back(name, sound + '\n');
  }
  CHECK(cuts > 1500);
  CHECK(fallbacks == cuts);
  CHECK(find_latest_checkpoint(run.store.folder(), ignore) == run.second);
}

TEST_CASE("Each of 500 random bit flips in a checkpoint is found out and the one before is used") {
  TwoCheckpoints run;
  std::mt19937 random(7);
  int fallbacks = 0;
  for (int flip = 0; flip < 500; ++flip) {
    const std::string& name = kFiles[static_cast<std::size_t>(flip) % kFiles.size()];
    std::string bytes = read_bytes(run.second / name);
    const std::size_t bit = random() % (8 * bytes.size());
    bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ 1 << bit % 8);
    fallbacks += run.falls_back(name, bytes);
  }
  CHECK(fallbacks == 500);
}

TEST_CASE("Every bit of the state document is covered by its checksum") {
  StateDocument document{make_checkpoint(5).state, {}};
  document.files["model.safetensors"] = {1, std::string(32, 'a')};
  document.files["optimizer.safetensors"] = {2, std::string(32, 'b')};
  const std::string text = encode_state_document(document);
  CHECK(parse_state_document(text, "x").state == document.state);
  CHECK(parse_state_document(text, "x").files == document.files);
  std::size_t refused = 0;
  for (std::size_t bit = 0; bit < 8 * text.size(); ++bit) {
    std::string damaged = text;
    damaged[bit / 8] = static_cast<char>(damaged[bit / 8] ^ 1 << bit % 8);
    const std::string message = message_of<InputError>([&] { parse_state_document(damaged, "x"); });
    refused += !message.empty() && message.find('\n') == std::string::npos;
  }
  CHECK(refused == 8 * text.size());
}

TEST_CASE("A state document of another version is refused by its number") {
  StateDocument document;
  document.files = {{"model.safetensors", {}}, {"optimizer.safetensors", {}}};
  std::string text = encode_state_document(document);
  const std::string version = "\"format_version\": 1";
  text.replace(text.find(version), version.size(), "\"format_version\": 2");
  CHECK(message_of<InputError>([&] { parse_state_document(text, "x"); }) ==
        "x: format_version \"2\" cannot be read, expected 1");
}

TEST_CASE("Random damage to a state document is always an InputError") {
  StateDocument document;
  document.files = {{"model.safetensors", {}}, {"optimizer.safetensors", {}}};
  const std::string text = encode_state_document(document);
  std::mt19937 random(11);
  int refused = 0;
  for (int round = 0; round < 5'000; ++round) {
    std::string damaged = text;
    const std::size_t at = random() % damaged.size();
    if (round % 2) {
      damaged.erase(at, random() % 16 + 1);
    } else {
      damaged.insert(at, 1, "{}[]\",:0-e"[random() % 10]);
    }
    refused += !message_of<InputError>([&] { parse_state_document(damaged, "x"); }).empty();
  }
  CHECK(refused == 5'000);
}

TEST_CASE("A checkpoint with a file missing is passed over with a warning") {
  for (const std::string& name : kFiles) {
    TwoCheckpoints run;
    fs::remove(run.second / name);
    std::vector<std::string> warnings;
    const auto found =
        find_latest_checkpoint(run.store.folder(), [&](const std::string& message) { warnings.push_back(message); });
    CHECK(found == run.first);
    REQUIRE(warnings.size() == 1);
    CHECK(warnings[0].find((run.second / name).string() + ": cannot be opened") != std::string::npos);
  }
}

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

TEST_CASE("Whichever call fails during a save, a whole checkpoint is found afterwards") {
  for (const Fault fault : {Fault::error_once, Fault::error_from_then_on}) {
    int failures = 0, reported = 0;
    for (int n = 1; n < kMoreCallsThanAny; ++n) {
      TemporaryFolder folder;
      FileSystem sound;
      // One is kept, so that deleting it too early would be noticed.
      CheckpointStore(sound, folder / "c", {.keep_last = 1, .keep_best = 0}, ignore).save(make_checkpoint(1));
      FaultyFileSystem files(n, fault);
      int warnings = 0;
      const std::string message = message_of<Error>([&] {
        CheckpointStore(files, folder / "c", {.keep_last = 1, .keep_best = 0}, [&](const std::string&) {
          ++warnings;
        }).save(make_checkpoint(2));
      });
      CAPTURE(n, message, warnings);
      const auto found = find_latest_checkpoint(folder / "c", ignore);
      REQUIRE(found);
      const Checkpoint read = read_checkpoint(*found);
      CHECK(values_of(read.parameters) == values_of(make_checkpoint(read.state.step).parameters));
      if (!files.has_failed()) {
        CHECK(message.empty());
        CHECK(warnings == 0);
        CHECK(names_in(folder / "c") == std::vector<std::string>{"latest", "step-00000002"});
        break;
      }
      ++failures;
      reported += !message.empty() || warnings > 0;
      if (message.empty()) CHECK(read.state.step == 2);
      // The next process repairs what is left.
      CheckpointStore(sound, folder / "c", {.keep_last = 1, .keep_best = 0}, ignore).save(make_checkpoint(3));
      CHECK(names_in(folder / "c") == std::vector<std::string>{"latest", "step-00000003"});
    }
    CHECK(failures >= 30);
    // The closing of a folder after its sync reports nothing that matters; everything else is told.
    CHECK(reported >= failures - 8);
  }
}

TEST_CASE("A process killed before any call of a save leaves a whole checkpoint") {
  int kills = 0;
  for (int n = 1; n < kMoreCallsThanAny; ++n) {
    TemporaryFolder folder;
    FileSystem sound;
    CheckpointStore(sound, folder / "c", {.keep_last = 1, .keep_best = 1}, ignore).save(make_checkpoint(1, 2.0));
    const pid_t child = ::fork();
    REQUIRE(child >= 0);
    if (child == 0) {
      FaultyFileSystem files(n, Fault::kill);
      CheckpointStore store(files, folder / "c", {.keep_last = 1, .keep_best = 1}, ignore);
      store.save(make_checkpoint(1, 1.5));  // replaces the one there is
      store.save(make_checkpoint(2, 1.0));
      ::_exit(1);
    }
    int status = 0;
    REQUIRE(::waitpid(child, &status, 0) == child);
    CAPTURE(n);
    REQUIRE(WIFEXITED(status));
    const bool completed = WEXITSTATUS(status) == 1;
    CheckpointStore store(sound, folder / "c", {.keep_last = 1, .keep_best = 1}, ignore);
    const auto found = find_latest_checkpoint(folder / "c", ignore);
    REQUIRE(found);
    CHECK_NOTHROW(read_checkpoint(*found));
    for (const std::string& name : names_in(folder / "c")) {
      CHECK((name == "best" || name == "latest" || name == "step-00000001" || name == "step-00000002"));
    }
    if (completed) break;
    ++kills;
  }
  CHECK(kills >= 60);
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

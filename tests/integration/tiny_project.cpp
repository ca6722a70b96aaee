#include "tests/integration/tiny_project.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <sstream>

#include "core/checksum.h"
#include "core/random.h"
#include "tests/catch.h"
#include "train/store/checkpoint_store.h"

namespace cosformer::test {

namespace {

constexpr const char* kConfig = R"([task]
name = "language_modeling"
tokenizer = "byte"
train = "train.txt"
valid = "valid.txt"
seq_len = 16
[model]
kind = "decoder"
num_layers = 1
embed_dim = 16
num_heads = 2
ffn_dim = 32
dropout = 0.1
[optimizer]
learning_rate = 0.01
[schedule]
warmup_steps = 5
decay_steps = 60
[train]
max_steps = 30
batch_size = 6
accumulation = 2
eval_every = 7
log_every = 1
[checkpoint]
every = 3
keep_last = 2
[logging]
progress = false
)";

std::string made_up_text(std::size_t words, const char* purpose) {
  static constexpr const char* kWords[] = {"and", "the",  "sea", "was",  "calm",   "under",
                                           "a",   "grey", "sky", "long", "before", "us"};
  const Random random(7, purpose);
  std::string text;
  for (std::size_t i = 0; i < words; ++i)
    text += std::string(kWords[random.below(std::size(kWords), i)]) + (i % 9 == 8 ? ".\n" : " ");
  return text;
}

void add_checksums(const TensorMap& tensors, std::map<std::string, std::string>& checksums) {
  for (const auto& [name, tensor] : tensors) {
    const auto* bytes = reinterpret_cast<const char*>(tensor.data<float>());
    checksums[name] = checksum_hex(std::string_view(bytes, static_cast<std::size_t>(tensor.size()) * sizeof(float)));
  }
}

}  // namespace

TinyProject::TinyProject() {
  write_bytes(folder_ / "tiny.toml", kConfig);
  write_bytes(folder_ / "train.txt", made_up_text(600, "train"));
  write_bytes(folder_ / "valid.txt", made_up_text(60, "valid"));
}

std::vector<std::string> TinyProject::train_arguments(const std::string& run, const std::vector<std::string>& keys,
                                                      const std::vector<std::string>& further) const {
  std::vector<std::string> arguments = {"train", "tiny.toml", "--run-dir", run};
  for (const std::string& key : keys) {
    arguments.push_back("--set");
    arguments.push_back(key);
  }
  arguments.insert(arguments.end(), further.begin(), further.end());
  return arguments;
}

Outcome TinyProject::train(const std::string& run, const std::vector<std::string>& keys,
                           const std::vector<std::string>& further, int threads) const {
  return call(train_arguments(run, keys, further), threads);
}

Outcome TinyProject::call(const std::vector<std::string>& arguments, int threads) const {
  return run_program(arguments, surroundings(threads));
}

RunResult TinyProject::result(const std::string& run) const {
  RunResult result;
  const Checkpoint latest = read_checkpoint(folder_ / run / "checkpoints" / "latest");
  add_checksums(latest.parameters, result.tensors);
  add_checksums(latest.optimizer, result.tensors);
  std::istringstream lines(read_bytes(folder_ / run / "metrics.jsonl"));
  for (std::string line; std::getline(lines, line);) {
    auto record = nlohmann::ordered_json::parse(line);
    for (const char* name : {"wall_seconds", "tokens_per_second", "seconds"}) record.erase(name);
    result.metrics.push_back(record.dump());
  }
  return result;
}

std::filesystem::path TinyProject::checkpoint(const std::string& run, std::int64_t step) const {
  return folder_ / run / "checkpoints" / checkpoint_name(step);
}

std::vector<std::int64_t> TinyProject::checkpoints(const std::string& run) const {
  return list_checkpoints(folder_ / run / "checkpoints");
}

std::int64_t TinyProject::newest(const std::string& run) const {
  const std::vector<std::int64_t> steps = checkpoints(run);
  return steps.empty() ? -1 : steps.back();
}

void require_same_run_on_any_threads_and_across_a_resume(const TinyProject& project) {
  REQUIRE(project.train("one", {}, {}, 1).code == 0);
  REQUIRE(project.train("three", {}, {}, 3).code == 0);
  CHECK(project.result("one") == project.result("three"));
  REQUIRE(project.train("parts", {"train.max_steps=10"}, {}, 2).code == 0);
  REQUIRE(project.train("parts", {}, {"--resume"}, 1).code == 0);
  CHECK(project.result("parts") == project.result("one"));
}

bool is_one_line(const std::string& text) {
  return std::ranges::count(text, '\n') == 1 && text.ends_with('\n') && text.size() > 1;
}

}  // namespace cosformer::test

#include <algorithm>
#include <filesystem>
#include <string>
#include <vector>

#include "tests/catch.h"
#include "train/config/config.h"
#include "train/plan.h"

namespace cosformer {
namespace {

namespace fs = std::filesystem;

/// All files of configs/ in order.
std::vector<fs::path> config_files() {
  std::vector<fs::path> files;
  for (const auto& entry : fs::recursive_directory_iterator(COSFORMER_SOURCE_DIR "/configs")) {
    if (entry.path().extension() == ".toml") files.push_back(entry.path());
  }
  std::ranges::sort(files);
  return files;
}

Config lra_config(const std::string& name) { return load_config(fs::path(COSFORMER_SOURCE_DIR "/configs/lra") / name); }

}  // namespace

TEST_CASE("every file of configs/ loads, and those whose model is stated can be planned") {
  const std::vector<fs::path> files = config_files();
  CHECK(files.size() > 100);
  int planned = 0;
  for (const fs::path& file : files) {
    CAPTURE(file.string());
    Config config = load_config(file);
    if (config.model.vocab_size == 0) continue;
    config.model.max_length = config.task.seq_len + 1;
    CHECK(make_plan(config, config.model, config.task.seq_len).parameters > 0);
    ++planned;
  }
  CHECK(planned >= 80);
}

TEST_CASE("configs that are compared differ in their attention alone") {
  for (const std::string task :
       {"listops", "text", "retrieval", "image", "pathfinder", "pathx", "google/listops", "google/image"}) {
    for (const std::string kind : {"softmax", "linear_relu", "linear_elu", "performer", "local"}) {
      if (task.starts_with("google") && kind != "softmax") continue;
      CAPTURE(task, kind);
      const auto found = differences(lra_config(task + "/cosformer.toml"), lra_config(task + "/" + kind + ".toml"));
      CHECK_FALSE(found.empty());
      for (const ConfigDifference& difference : found) CHECK(difference.key.starts_with("attention."));
    }
  }
}

TEST_CASE("the small family of Long-Range Arena has the published sizes and steps") {
  struct Row {
    const char* task;
    std::int64_t seq_len, classes, steps, batch_size, warmup_steps;
  };
  const Row rows[] = {{"listops", 2000, 10, 5000, 32, 1000},
                      {"text", 4000, 2, 20000, 32, 8000},
                      {"retrieval", 4000, 2, 30000, 32, 800},
                      {"image", 1024, 10, 35000, 256, 175},
                      {"pathfinder", 1024, 2, 62400, 256, 312}};
  for (const Row& row : rows) {
    CAPTURE(row.task);
    const Config config = lra_config(std::string(row.task) + "/cosformer.toml");
    CHECK(config.task.name == row.task);
    CHECK(config.task.seq_len == row.seq_len);
    CHECK(config.model.num_classes == row.classes);
    CHECK(config.train.max_steps == row.steps);
    CHECK(config.train.batch_size == row.batch_size);
    CHECK(config.schedule.warmup_steps == row.warmup_steps);
    CHECK(config.model.num_layers == 2);
    CHECK(config.model.embed_dim == 64);
    CHECK(config.model.num_heads == 2);
    CHECK(config.model.ffn_dim == 128);
    CHECK((config.model.pair_features == PairFeatures::interaction) == (config.task.name == "retrieval"));
  }
}

}  // namespace cosformer

#include <algorithm>
#include <filesystem>
#include <string>
#include <vector>

#include "tests/catch.h"
#include "train/config/config.h"
#include "train/loop/plan.h"

namespace cosformer {
namespace {

namespace fs = std::filesystem;

/// All files of configs/ in order, but for sweeps, which are no configs.
std::vector<fs::path> config_files() {
  std::vector<fs::path> files;
  for (const auto& entry : fs::recursive_directory_iterator(COSFORMER_SOURCE_DIR "/configs")) {
    if (entry.path().string().find("/configs/sweeps/") != std::string::npos) continue;
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

TEST_CASE("the published families of Long-Range Arena differ from our own base in the keys that their headers name") {
  const std::vector<std::string> nystromformer = {"attention.dropout", "model.activation_dropout", "model.linear_start"};
  std::vector<std::string> skyformer = nystromformer;
  for (const char* key :
       {"optimizer.clip_value", "optimizer.learning_rate", "schedule.warmup_steps", "train.batch_size", "train.max_steps"}) {
    skyformer.emplace_back(key);
  }
  for (const std::string task : {"listops", "text", "retrieval", "image", "pathfinder"}) {
    for (const std::string family : {"nystromformer", "skyformer"}) {
      CAPTURE(task, family);
      const Config config = lra_config(family + "/" + task + ".toml");
      CHECK(config.model.activation_dropout == 0.1);
      CHECK(config.model.attention.dropout == 0.1);
      CHECK(config.optimizer.clip_value == (family == "skyformer" ? 1.0 : 0.0));
      const std::vector<std::string>& named = family == "skyformer" ? skyformer : nystromformer;
      for (const ConfigDifference& difference : differences(lra_config(task + "/softmax.toml"), config)) {
        CAPTURE(difference.key);
        CHECK(std::ranges::count(named, difference.key) == 1);
      }
    }
    for (const ConfigDifference& difference :
         differences(lra_config("nystromformer/" + task + ".toml"), lra_config("nystromformer/" + task + "_nystrom.toml"))) {
      CHECK(difference.key.starts_with("attention."));
    }
    const Config authors = lra_config("opennlplab/" + task + ".toml");
    CHECK(authors.model.num_heads == 8);
    CHECK(authors.model.ffn_dim == 2 * authors.model.embed_dim);
    CHECK(authors.model.attention.kind == "cosformer");
  }
}

TEST_CASE("configs of Multi30k differ in the attention of their places alone") {
  const fs::path folder(COSFORMER_SOURCE_DIR "/configs/seq2seq/multi30k");
  for (const std::string name :
       {"cosformer_encoder", "cosformer_self", "cosformer_cross", "cosformer_cross_own_lengths", "cosformer"}) {
    CAPTURE(name);
    const auto found = differences(load_config(folder / "softmax.toml"), load_config(folder / (name + ".toml")));
    CHECK_FALSE(found.empty());
    for (const ConfigDifference& difference : found) CHECK(difference.key.starts_with("attention."));
  }
}

TEST_CASE("configs of masked pre-training differ in their attention alone, and paper.toml has the published sizes") {
  const fs::path folder(COSFORMER_SOURCE_DIR "/configs/mlm");
  for (const std::string kind : {"softmax", "relu", "leaky_relu", "identity"}) {
    CAPTURE(kind);
    const auto found = differences(load_config(folder / "small.toml"), load_config(folder / ("small_" + kind + ".toml")));
    CHECK_FALSE(found.empty());
    for (const ConfigDifference& difference : found) CHECK(difference.key.starts_with("attention."));
  }
  const Config paper = load_config(folder / "paper.toml");
  CHECK(paper.model.num_layers == 12);
  CHECK(paper.model.embed_dim == 768);
  CHECK(paper.model.norm == NormPlacement::post);
  CHECK(paper.train.batch_size * paper.task.seq_len == 512 * 512);
  // 50,257 entries of GPT-2 and three special tokens.
  CHECK(paper.model.vocab_size == 50260);
}

TEST_CASE("configs of WikiText-103 differ in their attention alone, and the published ones have the published sizes") {
  const fs::path folder(COSFORMER_SOURCE_DIR "/configs/lm/wikitext103");
  for (const std::string family : {"nag", "adam", "gpt2", "small"}) {
    for (const std::string kind : {"softmax", "linear_elu", "linear_relu", "performer"}) {
      const fs::path file = folder / (family + "_" + kind + ".toml");
      if (!fs::exists(file)) continue;
      CAPTURE(file.string());
      const auto found = differences(load_config(folder / (family + "_cosformer.toml")), load_config(file));
      CHECK_FALSE(found.empty());
      for (const ConfigDifference& difference : found) CHECK(difference.key.starts_with("attention."));
    }
  }
  for (const std::string file : {"nag_softmax", "nag_cosformer", "adam_softmax", "adam_cosformer"}) {
    CAPTURE(file);
    Config config = load_config(folder / (file + ".toml"));
    config.model.max_length = config.task.seq_len;
    CHECK(config.model.num_layers == 16);
    CHECK(config.model.dropout == 0.3);
    CHECK(config.model.activation_dropout == 0.1);
    CHECK(config.model.adaptive_dropout == 0.2);
    CHECK(config.model.attention.dropout == (config.model.attention.kind == "softmax" ? 0.1 : 0.0));
    // Bands of 1024, 256 and 64 numbers with a projection each, two clusters, and layers with norms and biases.
    const std::int64_t bands = 20000 * 1024 + 40000 * 256 + 207735 * 64 + 1024 * (1024 + 256 + 64) + 2 * 1024;
    const std::int64_t layer = 4 * (1024 * 1024 + 1024) + 2 * 1024 * 4096 + 4096 + 1024 + 4 * 1024;
    CHECK(make_plan(config, config.model, 512).parameters == bands + 16 * layer);
    CHECK((bands + 16 * layer) / 1'000'000 == 246);
  }
  const Config nag = load_config(folder / "nag_softmax.toml");
  CHECK(nag.train.batch_size * nag.task.seq_len == 3072 * 3 * 8);
  CHECK(nag.train.max_steps == nag.schedule.warmup_steps + nag.schedule.period_steps);
  Config gpt2 = load_config(folder / "gpt2_softmax.toml");
  gpt2.model.max_length = 512;
  // 44.65 million.
  CHECK((make_plan(gpt2, gpt2.model, 512).parameters + 5'000) / 10'000 == 4465);
}

TEST_CASE("fine-tuning configs have the encoder that the pre-training config trains") {
  const fs::path folder(COSFORMER_SOURCE_DIR "/configs");
  const std::pair<const char*, std::int64_t> tasks[] = {{"sst2", 2}, {"qqp", 2}, {"mnli", 3}, {"imdb", 2}, {"amazon", 5}};
  for (const auto& [task, classes] : tasks) {
    for (const std::string size : {"", "paper/"}) {
      const fs::path file = folder / "finetune" / (size + task + ".toml");
      if (!fs::exists(file)) continue;
      CAPTURE(file.string());
      const Config tuned = load_config(file),
                   base = load_config(folder / "mlm" / (size.empty() ? "small.toml" : "paper.toml"));
      CHECK(tuned.task.name == task);
      CHECK(tuned.model.num_classes == classes);
      CHECK(tuned.model.num_layers == base.model.num_layers);
      CHECK(tuned.model.embed_dim == base.model.embed_dim);
      CHECK(tuned.model.num_heads == base.model.num_heads);
      CHECK(tuned.model.ffn_dim == base.model.ffn_dim);
      CHECK(tuned.model.norm == base.model.norm);
      CHECK(tuned.model.positions == base.model.positions);
      CHECK(tuned.task.seq_len <= base.task.seq_len);
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

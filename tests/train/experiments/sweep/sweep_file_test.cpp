#include "train/experiments/sweep/sweep_file.h"

#include "tests/catch.h"
#include "tests/support/input_error.h"
#include "tests/train/run_support.h"

namespace cosformer {
namespace {

using test::input_error_of;
using test::TemporaryFolder;
using test::write_bytes;

/// What is wrong with a file of this text, without the file's path.
std::string error_of(const std::string& text) {
  const TemporaryFolder folder;
  const std::string path = (folder / "sweep.toml").string();
  write_bytes(path, text);
  const std::string message = input_error_of([&] { read_sweep_file(path); });
  REQUIRE(message.starts_with(path + ":"));
  CHECK(message.find('\n') == std::string::npos);
  return message.substr(path.size() + 1);
}

/// The same after the two keys that every file needs, on lines 1 and 2.
std::string error_after(const std::string& text) { return error_of("question = \"?\"\nbase = \"a.toml\"\n" + text); }

TEST_CASE("A sweep file gives its question, stages, axes, seeds and published figures") {
  const TemporaryFolder folder;
  write_bytes(folder / "table.toml", R"(question = "Which?"
seeds = [3, 1]
[set]
train.max_steps = 7
"task.train" = "x=1.txt"
[grid]
"attention.chunk_size" = [16, 32]
[zip]
"task.seq_len" = [8, 16]
"optimizer.learning_rate" = [1e-3, 2]
[[list]]
name = "softmax"
attention.kind = "softmax"
[[list]]
name = "relu"
"attention.feature_map" = "relu"
"optimizer.betas" = [0.9, 0.99]
[[stages]]
name = "pretrain"
base = "../mlm.toml"
[[stages]]
name = "tune"
base = "tune.toml"
metric = "accuracy"
split = "test"
init_from = "pretrain"
set = { "train.batch_size" = 4 }
[[published]]
group = "softmax"
stage = "tune"
value = 2
source = "somebody"
)");
  const SweepFile sweep = read_sweep_file(folder / "table.toml");
  CHECK(sweep.name == "table");
  CHECK(sweep.question == "Which?");
  CHECK(sweep.seeds == std::vector<std::int64_t>{3, 1});
  CHECK(sweep.settings ==
        std::vector<SweepSetting>{{"train.max_steps", "7", "7"}, {"task.train", "\"x=1.txt\"", "x=1.txt"}});
  REQUIRE(sweep.grid.size() == 1);
  REQUIRE(sweep.grid[0].size() == 2);
  CHECK(sweep.grid[0][1].settings == std::vector<SweepSetting>{{"attention.chunk_size", "32", "32"}});
  REQUIRE(sweep.zip.size() == 2);
  CHECK(sweep.zip[1].settings ==
        std::vector<SweepSetting>{{"task.seq_len", "16", "16"}, {"optimizer.learning_rate", "2.0", "2.0"}});
  REQUIRE(sweep.list.size() == 2);
  CHECK(sweep.list[0].name == "softmax");
  CHECK(sweep.list[0].settings == std::vector<SweepSetting>{{"attention.kind", "\"softmax\"", "softmax"}});
  CHECK(sweep.list[1].settings[1].value == "[0.9, 0.99]");
  REQUIRE(sweep.stages.size() == 2);
  CHECK(sweep.stages[0].base == (folder.path().parent_path() / "mlm.toml"));
  CHECK(sweep.stages[0].metric.empty());
  CHECK(sweep.stages[0].split == "valid");
  CHECK(sweep.stages[1].init_from == "pretrain");
  CHECK(sweep.stages[1].split == "test");
  CHECK(sweep.stages[1].settings == std::vector<SweepSetting>{{"train.batch_size", "4", "4"}});
  REQUIRE(sweep.published.size() == 1);
  CHECK(sweep.published[0].value == 2);
}

TEST_CASE("base, metric and split at the top are those of one stage called train") {
  const TemporaryFolder folder;
  write_bytes(folder / "s.toml", "question = \"?\"\nbase = \"a.toml\"\nmetric = \"seconds\"\nsplit = \"\"\n");
  const SweepFile sweep = read_sweep_file(folder / "s.toml");
  REQUIRE(sweep.stages.size() == 1);
  CHECK(sweep.stages[0].name == "train");
  CHECK(sweep.stages[0].metric == "seconds");
  CHECK(sweep.stages[0].split.empty());
  CHECK(sweep.seeds.empty());
}

TEST_CASE("A bad sweep file is refused with line, key and the nearest name") {
  CHECK(error_of("base = \"a.toml\"\n") == " error: expected the key 'question'");
  CHECK(error_of("question = \"?\"\n") == " error: expected the key 'base'");
  CHECK(error_of("question = \"?\nbase = 1\n").find("1:") == 0);
  CHECK(error_after("sedes = [1]\n") == "3:1: error: unknown key 'sedes'; did you mean \"seeds\"?");
  CHECK(error_after("seeds = 1\n") == "3:9: error: seeds must be an array of integers, not 1");
  CHECK(error_after("seeds = []\n") == "3:9: error: seeds must have at least one");
  CHECK(error_after("seeds = [1, 2, 1]\n") == "3:16: error: the seed 1 occurs twice");
  CHECK(error_after("seeds = [-1]\n").find("3:10: error: a seed must be 0 to ") == 0);
  CHECK(error_after("split = \"vald\"\n") == "3:9: error: split must be \"valid\", \"test\" or \"\", not \"vald\"");
  CHECK(error_after("split = \"\"\nmetric = \"token_per_second\"\n") ==
        "4:10: error: metric must be a value of the run where split is \"\", not \"token_per_second\"; did you mean "
        "\"tokens_per_second\"?");
  CHECK(error_after("[set]\n\"model.num_layer\" = 2\n") ==
        "4:1: error: unknown config key 'model.num_layer'; did you mean \"model.num_layers\"?");
  CHECK(error_after("[set]\nmodel.num_layers = \"two\"\n") ==
        "4:20: error: model.num_layers must be an integer, 1 to 4096, not the string \"two\"");
  CHECK(error_after("[set]\n\"train.seed\" = 2\n").find("4:1: error: train.seed is what the key seeds") == 0);
  CHECK(error_after("[set]\n\"train.seed\" = 2\n").find("seeds") != std::string::npos);
  CHECK(error_after("[set]\n\"model.dropout\" = 0.1\nmodel.dropout = 0.2\n") == "5:7: error: model.dropout is set twice");
  CHECK(error_after("[grid]\n\"model.num_layers\" = 2\n") ==
        "4:22: error: model.num_layers must be an array of the values to take, not 2");
  CHECK(error_after("[grid]\n\"model.num_layers\" = []\n") == "4:22: error: model.num_layers must have at least one value");
  CHECK(error_after("[grid]\n\"model.num_layers\" = [2, 0]\n") ==
        "4:26: error: model.num_layers must be an integer, 1 to 4096, not 0");
  CHECK(error_after("[grid]\n\"attention.kind\" = [\"sofmax\"]\n").find("did you mean \"softmax\"?") != std::string::npos);
  CHECK(error_after("[zip]\n\"task.seq_len\" = [8, 16]\n\"train.batch_size\" = [2]\n") ==
        "5:22: error: the arrays of [zip] must have one length: train.batch_size has 1, task.seq_len has 2");
  CHECK(error_after("[grid]\n\"task.seq_len\" = [8]\n[zip]\n\"task.seq_len\" = [8]\n") ==
        "6:1: error: task.seq_len is varied already, in [grid], [zip] or [[list]]");
  CHECK(error_after("[[list]]\n\"task.seq_len\" = 8\n") == "3:1: error: expected the key 'name'");
  CHECK(error_after("[[list]]\nname = \"a\"\n[[list]]\nname = \"a\"\n") ==
        "6:8: error: the name \"a\" occurs twice in [[list]]");
  CHECK(error_after("[[stages]]\nname = \"a\"\nbase = \"b\"\n") ==
        "2:8: error: base belongs into each of the [[stages]] if there are any");
  CHECK(error_after("[[published]]\ngroup = \"a\"\nvalue = \"1\"\nsource = \"s\"\n") ==
        "5:9: error: value must be a number, not the string \"1\"");
  CHECK(error_after("[[floors]]\ngroup = \"a\"\nvalue = 1\nsource = \"s\"\n").find("'group'") != std::string::npos);
  CHECK(error_after("[[floors]]\nname = \"a\"\nvalue = inf\nsource = \"s\"\n").find("value must be finite") !=
        std::string::npos);
  CHECK(error_after("[[published]]\ngroup = \"a\"\nvalue = 1\nsource = \"s\"\nstage = \"trian\"\n") ==
        "7:9: error: there is no stage \"trian\"; did you mean \"train\"?");
}

TEST_CASE("A key or name of any length makes a short message") {
  const std::string name(5000, 'k');
  for (const std::string& text :
       {name + " = 1", "[grid]\n" + name + " = [1]", "[set]\n\"train." + name + "\" = 1",
        "metric = \"" + name + "\"\nsplit = \"\"", "[[list]]\nname = \"" + name + "\"\n[[list]]\nname = \"" + name + "\"",
        "[[published]]\ngroup = \"a\"\nstage = \"" + name + "\"\nvalue = 1"}) {
    const std::string message = error_after(text);
    CHECK(message.size() < 1000);
    CHECK(message.find(std::string(60, 'k')) != std::string::npos);
  }
}

TEST_CASE("Stages are refused by name where one does not fit") {
  const auto error_in = [](const std::string& stages) { return error_of("question = \"?\"\n" + stages); };
  CHECK(error_in("[[stages]]\nbase = \"a\"\n") == "2:1: error: expected the key 'name'");
  CHECK(error_in("[[stages]]\nname = \"../a\"\nbase = \"a\"\n").find("3:8: error: the name of a stage must be letters") ==
        0);
  CHECK(error_in("[[stages]]\nname = \"a\"\nbase = \"a\"\n[[stages]]\nname = \"a\"\nbase = \"b\"\n") ==
        "6:8: error: the stage \"a\" occurs twice");
  CHECK(error_in(
            "[[stages]]\nname = \"one\"\nbase = \"a\"\n[[stages]]\nname = \"two\"\nbase = \"b\"\ninit_from = \"onne\"\n") ==
        "8:13: error: init_from must be the name of an earlier stage, not \"onne\"; did you mean \"one\"?");
  CHECK(error_in("[[stages]]\nname = \"one\"\nbase = \"a\"\ninit_from = \"one\"\n").find("5:13: error: init_from must be") ==
        0);
  CHECK(error_in("[[stages]]\nname = \"one\"\nbase = \"a\"\nset = { \"train.init_from\" = \"x\" }\n")
            .find("5:9: error: train.init_from is what init_from") == 0);
}

TEST_CASE("A sweep file takes over the files that it extends, and what it gives itself wins") {
  const TemporaryFolder folder;
  write_bytes(folder / "kinds.toml", "[[list]]\nname = \"softmax\"\nattention.kind = \"softmax\"\n");
  std::filesystem::create_directory(folder / "inner");
  write_bytes(folder / "inner" / "table.toml",
              "question = \"Which?\"\nextends = \"../kinds.toml\"\nbase = \"a.toml\"\nmetric = \"accuracy\"\n"
              "split = \"test\"\nseeds = [1, 2]\n[set]\ntrain.max_steps = 7\ntrain.log_every = 1\n"
              "[grid]\n\"attention.chunk_size\" = [16, 32]\n");
  write_bytes(folder / "short.toml",
              "extends = [\"inner/table.toml\"]\nseeds = [3]\n[set]\ntrain.max_steps = 5\n"
              "[grid]\n\"task.seq_len\" = [8, 16, 32]\n");
  const SweepFile sweep = read_sweep_file(folder / "short.toml");
  CHECK(sweep.name == "short");
  CHECK(sweep.question == "Which?");
  REQUIRE(sweep.stages.size() == 1);
  CHECK(sweep.stages[0].base == folder / "inner" / "a.toml");
  CHECK(sweep.stages[0].metric == "accuracy");
  CHECK(sweep.stages[0].split == "test");
  CHECK(sweep.seeds == std::vector<std::int64_t>{3});
  CHECK(sweep.settings == std::vector<SweepSetting>{{"train.max_steps", "5", "5"}, {"train.log_every", "1", "1"}});
  REQUIRE(sweep.list.size() == 1);
  CHECK(sweep.list[0].name == "softmax");
  REQUIRE(sweep.grid.size() == 1);
  CHECK(sweep.grid[0].size() == 3);
}

TEST_CASE("What is wrong with a file that a sweep file extends is said with its place") {
  const TemporaryFolder folder;
  const auto error_with = [&](const std::string& base, const std::string& text) {
    write_bytes(folder / "base.toml", base);
    write_bytes(folder / "sweep.toml", "extends = \"base.toml\"\n" + text);
    return input_error_of([&] { read_sweep_file(folder / "sweep.toml"); });
  };
  const std::string sweep = (folder / "sweep.toml").string(), base = (folder / "base.toml").string();
  const std::string whole = "question = \"?\"\nbase = \"a.toml\"\n";
  CHECK(error_with(whole + "sedds = [1]\n", "").starts_with(base + ":3:1: error: unknown key 'sedds'"));
  CHECK(error_with("extends = \"sweep.toml\"\n", whole).find("extends itself") != std::string::npos);
  CHECK(error_with(whole, "extends = 3\n").starts_with(sweep + ":2:"));
  CHECK(error_with(whole + "[grid]\n\"attention.chunk_size\" = [16]\n", "[zip]\n\"attention.chunk_size\" = [32]\n")
            .find("attention.chunk_size is varied already") != std::string::npos);
  CHECK(error_with("base = \"a.toml\"\n", "").find("expected the key 'question'") != std::string::npos);
  CHECK(error_with("question = \"?\"\n", "").find("expected the key 'base'") != std::string::npos);
  CHECK(error_with("[[stages]]\nname = \"first\"\nbase = \"a.toml\"\n", whole).starts_with(sweep + ":3:"));
  CHECK(error_of("extends = \"missing.toml\"\n" + whole).find("missing.toml, which does not exist") != std::string::npos);
}

}  // namespace
}  // namespace cosformer

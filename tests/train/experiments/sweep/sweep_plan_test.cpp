#include "train/experiments/sweep/sweep_plan.h"

#include <algorithm>

#include "tests/catch.h"
#include "tests/support/input_error.h"
#include "tests/train/experiments/sweep/sweep_support.h"
#include "tests/train/run_support.h"
#include "train/tasks/task.h"

namespace cosformer {
namespace {

namespace fs = std::filesystem;

using test::file_of;
using test::input_error_of;
using test::TemporaryFolder;
using test::write_bytes;

std::vector<std::string> names_of(const std::vector<SweepPoint>& points) {
  std::vector<std::string> names;
  for (const SweepPoint& point : points) names.push_back(point.name);
  return names;
}

TEST_CASE("Points are list times grid times zip times seeds, in the order of the file") {
  const TemporaryFolder folder;
  const SweepFile file = file_of(folder, R"(base = "a.toml"
seeds = [5, 6]
[grid]
"attention.chunk_size" = [16, 32]
[zip]
"task.seq_len" = [8, 24]
"train.batch_size" = [6, 2]
[[list]]
name = "relu"
"attention.feature_map" = "relu"
[[list]]
name = "elu"
"attention.feature_map" = "elu"
)");
  const std::vector<SweepPoint> points = plan_points(file, 1);
  REQUIRE(points.size() == 2 * 2 * 2 * 2);
  CHECK(points[0].name == "relu,chunk_size=16,seq_len=8,batch_size=6-seed5");
  CHECK(points[1].name == "relu,chunk_size=16,seq_len=8,batch_size=6-seed6");
  CHECK(points[2].name == "relu,chunk_size=16,seq_len=24,batch_size=2-seed5");
  CHECK(points[4].name == "relu,chunk_size=32,seq_len=8,batch_size=6-seed5");
  CHECK(points[15].name == "elu,chunk_size=32,seq_len=24,batch_size=2-seed6");
  CHECK(points[15].group == "elu,chunk_size=32,seq_len=24,batch_size=2");
  CHECK(points[15].seed == 6);
  CHECK(points[15].settings == std::vector<SweepSetting>{{"attention.feature_map", "\"elu\"", "elu"},
                                                         {"attention.chunk_size", "32", "32"},
                                                         {"task.seq_len", "24", "24"},
                                                         {"train.batch_size", "2", "2"}});
  std::vector<std::string> names = names_of(points);
  std::ranges::sort(names);
  CHECK(std::ranges::adjacent_find(names) == names.end());
}

TEST_CASE("Without axes there is one group, and without seeds the config's own") {
  const TemporaryFolder folder;
  CHECK(names_of(plan_points(file_of(folder, "base = \"a\"\n"), 9)) == std::vector<std::string>{"base-seed9"});
  CHECK(names_of(plan_points(file_of(folder, "base = \"a\"\nseeds = [0, 4]\n"), 9)) ==
        std::vector<std::string>{"base-seed0", "base-seed4"});
}

TEST_CASE("Names of points are safe for folders, and two keys that end alike are written out") {
  const TemporaryFolder folder;
  const auto names = [&](const std::string& axes) {
    return names_of(plan_points(file_of(folder, "base = \"a\"\n" + axes), 1));
  };
  CHECK(names("[grid]\n\"task.train\" = [\"../a b/ü\"]\n") == std::vector<std::string>{"train=.._a_b___-seed1"});
  CHECK(names("[[list]]\nname = \"../x\"\n") == std::vector<std::string>{"_._x-seed1"});
  CHECK(names("[grid]\n\"model.kind\" = [\"decoder\"]\n\"attention.kind\" = [\"softmax\"]\n") ==
        std::vector<std::string>{"model.kind=decoder,attention.kind=softmax-seed1"});
}

TEST_CASE("A plan that cannot be is refused in one line") {
  const TemporaryFolder folder;
  const auto error_of = [&](const std::string& text) {
    const SweepFile file = file_of(folder, "base = \"a\"\n" + text);
    const std::string message = input_error_of([&] { plan_points(file, 1); });
    CHECK(message.find('\n') == std::string::npos);
    return message;
  };
  CHECK(error_of("[grid]\n\"task.train\" = [\"a/b\", \"a?b\"]\n").find("two points have the name train=a_b-seed1") !=
        std::string::npos);
  CHECK(error_of("[grid]\n\"task.train\" = [\"" + std::string(300, 'x') + "\"]\n").find("longer than 200 bytes") !=
        std::string::npos);
  CHECK(error_of("[[list]]\nname = \"relu\"\n[[published]]\ngroup = \"rellu\"\nvalue = 1\nsource = \"s\"\n")
            .ends_with("is of the group \"rellu\", which no point has; did you mean \"relu\"?"));
  std::string many = "[0";
  for (int i = 1; i < 101; ++i) many += concat(",", i);
  many += "]\n";
  CHECK(error_of("seeds = " + many + "[grid]\n\"model.num_classes\" = " + many).ends_with("more than 10000 points"));
}

TEST_CASE("Later settings win: base, set, point, stage, seed") {
  const TemporaryFolder folder;
  write_bytes(folder / "a.toml",
              "[task]\nvalid = \"v\"\n[train]\nmax_steps = 1\nbatch_size = 1\nlog_every = 1\naccumulation = 1\nseed = 8\n");
  const SweepFile file = file_of(folder, R"(seeds = [2]
[set]
train.batch_size = 2
train.log_every = 2
train.accumulation = 2
[grid]
"train.log_every" = [3]
"train.accumulation" = [1]
[[stages]]
name = "one"
base = "a.toml"
set = { "train.accumulation" = 2 }
[[stages]]
name = "two"
base = "a.toml"
init_from = "one"
metric = "perplexity"
)");
  const SweepPlan plan = make_sweep_plan(file, "sweeps/s");
  REQUIRE(plan.points.size() == 1);
  REQUIRE(plan.runs[0].size() == 2);
  const TrainConfig& train = plan.runs[0][0].config.train;
  CHECK(train.max_steps == 1);
  CHECK(train.batch_size == 2);
  CHECK(train.log_every == 3);
  CHECK(train.accumulation == 2);
  CHECK(train.seed == 2);
  CHECK(plan.runs[0][1].config.train.accumulation == 1);
  CHECK(plan.runs[0][0].folder == fs::path("sweeps/s/runs/log_every=3,accumulation=1-seed2/one"));
  CHECK(plan.runs[0][1].config.train.init_from == plan.runs[0][0].folder.string());
  CHECK(plan.stages[0].metric == "loss");
  CHECK(plan.stages[1].metric == "perplexity");
  CHECK_FALSE(plan.stages[0].higher_is_better);
}

TEST_CASE("A sweep that judges by what its task does not have is refused, with the nearest name") {
  const TemporaryFolder folder;
  write_bytes(folder / "lm.toml", "[task]\nvalid = \"v\"\n");
  write_bytes(folder / "qqp.toml", "[task]\nname = \"qqp\"\nvalid = \"v\"\n[model]\nkind = \"encoder\"\n");
  write_bytes(folder / "sst2.toml", "extends = \"qqp.toml\"\n[task]\nname = \"sst2\"\n");
  const auto error_of = [&](const std::string& text) {
    const SweepFile file = file_of(folder, text);
    return input_error_of([&] { make_sweep_plan(file, "s"); });
  };
  const std::string place = (folder / "sweep.toml").string();
  CHECK(error_of("base = \"lm.toml\"\nmetric = \"perplexty\"\n") ==
        place + ":3:10: error: metric \"perplexty\": language_modeling has no such value; did you mean \"perplexity\"?");
  CHECK(error_of("base = \"lm.toml\"\nmetric = \"accuracy\"\n")
            .ends_with("expected one of loss, perplexity, word_perplexity, bits_per_byte, tokens, seconds"));
  CHECK(error_of("base = \"qqp.toml\"\nmetric = \"f1\"\n").empty());
  CHECK(error_of("base = \"sst2.toml\"\nmetric = \"f1\"\n").find("sst2 has no such value") != std::string::npos);
  // The task may be one of the axes.
  CHECK(error_of("base = \"qqp.toml\"\nmetric = \"f1\"\n[grid]\n\"task.name\" = [\"qqp\", \"sst2\"]\n")
            .find("sst2 has no such value") != std::string::npos);
}

TEST_CASE("A config that does not fit together is refused with the point's name and the key") {
  const TemporaryFolder folder;
  write_bytes(folder / "a.toml", "[task]\nvalid = \"v\"\n");
  const auto error_of = [&](const std::string& text) {
    const SweepFile file = file_of(folder, text);
    return input_error_of([&] { make_sweep_plan(file, "s"); });
  };
  CHECK(error_of("base = \"a.toml\"\nseeds = [4]\n[grid]\n\"model.num_heads\" = [4, 3]\n") ==
        "num_heads=3-seed4, train: --set model.num_heads: error: model.num_heads (3) must divide model.embed_dim (256)");
  CHECK(error_of("base = \"a.toml\"\nsplit = \"test\"\n") ==
        "base-seed1, train: split is \"test\", but the config has no task.test");
  CHECK(error_of("base = \"b.toml\"\n").find("b.toml: error: no such file; did you mean") != std::string::npos);
}

TEST_CASE("Labelled data of later stages are read before the first stage starts") {
  const TemporaryFolder folder;
  write_bytes(folder / "text", "the cat sat on the mat and the dog sat on the cat\n");
  write_bytes(folder / "good.tsv", "sentence\tlabel\na good film\t1\na bad one\t0\n");
  write_bytes(folder / "bad.tsv", "sentence\tlabel\na good film\t1\na bad one\tno\n");
  const auto data = [&](const std::string& train, const std::string& valid) {
    return "train = \"" + (folder / train).string() + "\"\nvalid = \"" + (folder / valid).string() + "\"\n";
  };
  const std::string model =
      "[model]\nkind = \"encoder\"\nnum_layers = 1\nembed_dim = 16\nnum_heads = 2\nffn_dim = 16\nmax_length = 16\n";
  write_bytes(folder / "masked.toml", "[task]\nname = \"masked_language_modeling\"\ntokenizer = \"word\"\nseq_len = 8\n" +
                                          data("text", "text") + "[train]\nbatch_size = 1\n" + model + "lm_head = true\n");
  const auto error_of = [&](const std::string& train, const std::string& classes) {
    write_bytes(folder / "sst2.toml", "[task]\nname = \"sst2\"\nseq_len = 16\n" + data(train, "good.tsv") +
                                          "[train]\nbatch_size = 2\n" + model + "num_classes = " + classes + "\n");
    SweepPlan plan = make_sweep_plan(file_of(folder,
                                             "[[stages]]\nname = \"first\"\nbase = \"masked.toml\"\n"
                                             "[[stages]]\nname = \"second\"\nbase = \"sst2.toml\"\ninit_from = \"first\"\n"),
                                     "s");
    return input_error_of([&] { check_runs(plan, false); });
  };
  CHECK(error_of("good.tsv", "2").empty());
  const std::string row = error_of("bad.tsv", "2");
  INFO(row);
  CHECK(row.starts_with("base-seed1, second: "));
  CHECK(row.find("bad.tsv:3: ") != std::string::npos);
  CHECK(error_of("good.tsv", "3") == "base-seed1, second: model.num_classes: 3, but the data has 2");
  CHECK(error_of("absent.tsv", "2").find("second: task.train: ") != std::string::npos);

  // Of texts it is enough that their paths lead somewhere; a pattern does.
  const auto error_with = [&](const std::string& train) {
    const std::string stages =
        "[[stages]]\nname = \"first\"\nbase = \"masked.toml\"\n[[stages]]\nname = \"second\"\nbase = "
        "\"masked.toml\"\ninit_from = \"first\"\nset = { \"task.train\" = \"";
    SweepPlan plan = make_sweep_plan(file_of(folder, stages + (folder / train).string() + "\" }\n"), "s");
    return input_error_of([&] { check_runs(plan, false); });
  };
  CHECK(error_with("te*").empty());
  CHECK(error_with("absent").find("second: task.train: ") != std::string::npos);
}

TEST_CASE("Every file of configs/sweeps asks a question and can be planned") {
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(COSFORMER_SOURCE_DIR "/configs/sweeps")) {
    // Folders hold what sweep files extend.
    if (entry.is_regular_file()) files.push_back(entry.path());
  }
  std::ranges::sort(files);
  std::vector<std::string> names;
  for (const fs::path& path : files) {
    CAPTURE(path.string());
    const SweepFile file = read_sweep_file(path);
    names.push_back(file.name);
    CHECK(file.question.ends_with("?"));
    const SweepPlan plan = make_sweep_plan(file, "sweeps/" + file.name);
    CHECK(plan.points.size() >= 2 * file.seeds.size());
    CHECK(file.seeds.size() >= 3);
    for (const auto& runs : plan.runs) {
      for (const SweepRun& run : runs)
        make_plan(
            run.config,
            [&] {
              ModelConfig model = run.config.model;
              model.vocab_size = model.adaptive_cutoffs.empty() ? 300 : model.adaptive_cutoffs.back() + 300;
              model.max_length = run.config.task.seq_len;
              return model;
            }(),
            run.config.task.seq_len);
    }
  }
  CHECK(names == std::vector<std::string>{"chunk_size",
                                          "cross_attention",
                                          "feature_maps",
                                          "listops_curriculum",
                                          "lra_image",
                                          "lra_listops",
                                          "lra_pathfinder",
                                          "lra_retrieval",
                                          "lra_short_image",
                                          "lra_short_listops",
                                          "lra_short_pathfinder",
                                          "lra_short_retrieval",
                                          "lra_short_text",
                                          "lra_speed",
                                          "lra_table5",
                                          "lra_text",
                                          "normalization",
                                          "pathfinder_hard",
                                          "recall",
                                          "recall_capacity",
                                          "reweighting",
                                          "reweighting_length",
                                          "reweighting_paper",
                                          "sequence_length_speed",
                                          "shakespeare",
                                          "shakespeare_carried",
                                          "shakespeare_gpu",
                                          "shakespeare_parts",
                                          "table1",
                                          "table1_long",
                                          "table1_paper",
                                          "table2",
                                          "table2_paper",
                                          "table3",
                                          "table3_paper",
                                          "text_4000",
                                          "wikitext103_small",
                                          "wikitext2",
                                          "wikitext2_rates"});
}

TEST_CASE("a task's name gives the value that chooses, and each value how it compares") {
  CHECK(selection_metric_of("language_modeling") == "loss");
  CHECK_FALSE(higher_is_better("loss"));
  CHECK(selection_metric_of("sst2") == "accuracy");
  CHECK(higher_is_better("accuracy"));
  CHECK(higher_is_better("f1"));
  CHECK(selection_metric_of("masked_language_modeling") == "loss");
}

}  // namespace
}  // namespace cosformer

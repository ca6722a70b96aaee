// A classifier from its files to its score, by the program alone.
#include <algorithm>
#include <nlohmann/json.hpp>
#include <sstream>

#include "core/random.h"
#include "tests/catch.h"
#include "tests/integration/tiny_project.h"

namespace cosformer {
namespace {

using nlohmann::json;
using test::contains;
using test::TinyProject;

constexpr const char* kConfig = R"([task]
name = "listops"
train = "train.tsv"
valid = "valid.tsv"
test = "valid.tsv"
seq_len = 12
[model]
kind = "encoder"
num_layers = 1
embed_dim = 16
num_heads = 2
ffn_dim = 32
pooling_divisor = "padded"
[attention]
reweighting_length = "padded"
[optimizer]
learning_rate = 0.02
[schedule]
warmup_steps = 5
[train]
max_steps = 40
batch_size = 16
eval_every = 10
[checkpoint]
every = 5
[logging]
tensorboard = false
progress = false
)";

/// Maxima of two to four digits, as rows of a released file.
std::vector<std::string> maxima(std::size_t count, const char* purpose) {
  const Random random(3, purpose);
  std::vector<std::string> rows;
  for (std::size_t i = 0; i < count; ++i) {
    const std::uint64_t digits = 2 + random.below(3, i);
    std::string inner = "[MAX";
    std::uint64_t largest = 0;
    for (std::uint64_t d = 0; d < digits; ++d) {
      const std::uint64_t digit = random.below(10, i, d + 1);
      largest = std::max(largest, digit);
      inner = "( " + inner + " " + std::to_string(digit) + " )";
    }
    rows.push_back("( " + inner + " ] )\t" + std::to_string(largest));
  }
  return rows;
}

std::string file_of(const std::vector<std::string>& rows) {
  std::string text = "Source\tTarget\r\n";
  for (const std::string& row : rows) text += row + "\r\n";
  return text;
}

struct ListopsProject : TinyProject {
  ListopsProject() {
    test::write_bytes(*this / "tiny.toml", kConfig);
    test::write_bytes(*this / "train.tsv", file_of(maxima(300, "train")));
    test::write_bytes(*this / "valid.tsv", file_of(maxima(80, "valid")));
  }
};

TEST_CASE(
    "The accuracy of a ListOps model is the same after a reload, with the rows in another order and the training file "
    "gone") {
  const ListopsProject project;
  REQUIRE(project.train("run").code == 0);
  double best = 0;
  std::istringstream lines(test::read_bytes(project / "run/metrics.jsonl"));
  for (std::string line; std::getline(lines, line);) {
    const json record = json::parse(line);
    if (record["split"] == "valid") best = std::max(best, record["accuracy"].get<double>());
  }
  // The commonest maximum has a fifth of the rows.
  CHECK(best > 0.3);

  std::vector<std::string> rows = maxima(80, "valid");
  std::ranges::reverse(rows);
  test::write_bytes(project / "valid.tsv", file_of(rows));
  std::filesystem::remove(project / "train.tsv");
  for (const char* split : {"valid", "test"}) {
    const json result = json::parse(project.call({"eval", "run", "--split", split, "--json"}, 2).output);
    CHECK(result["accuracy"].get<double>() == best);
    CHECK(result["examples"] == 80);
    CHECK(result["correct"].get<double>() == best * 80);
    CHECK(result["accuracy_low"].get<double>() < best);
    CHECK(result["accuracy_high"].get<double>() > best);
    REQUIRE(result["classes"].size() == 10);
    std::int64_t examples = 0, predicted = 0, correct = 0;
    for (const json& row : result["classes"]) {
      examples += row["examples"].get<std::int64_t>();
      predicted += row["predicted"].get<std::int64_t>();
      correct += row["correct"].get<std::int64_t>();
    }
    CHECK(examples == 80);
    CHECK(predicted == 80);
    CHECK(correct == result["correct"]);
  }
  const std::string text = project.call({"eval", "run"}).output;
  CHECK(contains(text, "accuracy_low"));
  CHECK(contains(text, "class     examples predicted   correct\n"));
}

TEST_CASE("A classification run is the same on any number of threads and across a resume") {
  const ListopsProject project;
  const std::vector<std::string> keys = {"model.dropout=0.1", "train.max_steps=20", "schedule.decay_steps=20"};
  REQUIRE(project.train("one", keys, {}, 1).code == 0);
  REQUIRE(project.train("three", keys, {}, 3).code == 0);
  CHECK(project.result("one") == project.result("three"));
  REQUIRE(project.train("parts", {keys[0], "train.max_steps=10", keys[2]}, {}, 2).code == 0);
  REQUIRE(project.train("parts", keys, {"--resume"}, 1).code == 0);
  CHECK(project.result("parts") == project.result("one"));
}

TEST_CASE("A classification that cannot be is refused in one line before there is a run") {
  const ListopsProject project;
  test::write_bytes(project / "empty.tsv", file_of({}));
  test::write_bytes(project / "bad.tsv", file_of({"( ( ( [MAX 1 ) 2 ) ] )\t12"}));
  const std::pair<std::string, std::string> cases[] = {
      {"model.kind=decoder", "model.kind"},         {"task.name=listop", "\"listops\""},
      {"task.valid=empty.tsv", "empty.tsv"},        {"task.train=bad.tsv", "bad.tsv:2"},
      {"model.num_classes=9", "model.num_classes"}, {"model.pair_features=concat", "model.pair_features"},
      {"task.train=none.tsv", "none.tsv"},          {"task.train=", "task.train"}};
  for (const auto& [key, part] : cases) {
    CAPTURE(key);
    const test::Outcome outcome = project.train("run", {key});
    CHECK(outcome.code == 2);
    CAPTURE(outcome.errors);
    CHECK(test::is_one_line(outcome.errors));
    CHECK(contains(outcome.errors, part));
    CHECK_FALSE(std::filesystem::exists(project / "run"));
  }
}

}  // namespace
}  // namespace cosformer

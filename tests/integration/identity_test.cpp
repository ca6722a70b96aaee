// A run is its data and its machine's arithmetic, not the paths of files.
#include <cstdlib>
#include <nlohmann/json.hpp>

#include "core/simd/row_loops.h"
#include "tests/catch.h"
#include "tests/integration/tiny_project.h"

namespace cosformer {
namespace {

namespace fs = std::filesystem;

using test::contains;
using test::Outcome;
using test::read_bytes;
using test::TinyProject;
using test::write_bytes;

/// The text with one letter of its middle changed.
std::string with_one_letter_changed(std::string text) {
  const std::size_t place = text.find_first_of("abcdefgh", text.size() / 2);
  text.at(place) = 'z';
  return text;
}

TEST_CASE("A run whose data lies elsewhere now goes on with the same bits") {
  const TinyProject project;
  REQUIRE(project.train("whole").code == 0);
  REQUIRE(project.train("parts", {"train.max_steps=14"}).code == 0);
  fs::create_directory(project / "scratch");
  for (const char* name : {"train.txt", "valid.txt"}) fs::rename(project / name, project / ("scratch/" + std::string(name)));
  const std::vector<std::string> moved = {"task.train=scratch/train.txt", "task.valid=scratch/valid.txt"};
  const Outcome outcome = project.train("parts", moved, {"--resume"});
  INFO(outcome.errors);
  REQUIRE(outcome.code == 0);
  CHECK_FALSE(contains(outcome.errors, "warning"));
  CHECK(project.result("parts") == project.result("whole"));
  CHECK(contains(read_bytes(project / "parts/config.toml"), "scratch/train.txt"));
  // From its folder alone it goes on where the data lies now.
  const Outcome alone = project.call({"train", "parts", "--resume", "--set", "train.max_steps=31"});
  INFO(alone.errors);
  CHECK(alone.code == 0);
  CHECK_FALSE(contains(alone.errors, "task.train"));
}

TEST_CASE("A run does not go on with other data, under the same path or another") {
  const TinyProject project;
  REQUIRE(project.train("run", {"train.max_steps=6", "task.tokenizer=word"}).code == 0);
  const test::RunResult before = project.result("run");
  const auto refusal = [&](const std::vector<std::string>& further) {
    std::vector<std::string> keys = {"train.max_steps=8", "task.tokenizer=word"};
    keys.insert(keys.end(), further.begin(), further.end());
    const Outcome outcome = project.train("run", keys, {"--resume"});
    INFO(outcome.errors);
    CHECK(outcome.code == 2);
    CHECK(test::is_one_line(outcome.errors));
    CHECK(project.result("run") == before);
    return outcome.errors;
  };
  const std::string train = read_bytes(project / "train.txt"), valid = read_bytes(project / "valid.txt");
  write_bytes(project / "other.txt", with_one_letter_changed(train));
  CHECK(contains(refusal({"task.train=other.txt"}), "other.txt: is not the data of the run (task.train): other contents"));
  write_bytes(project / "train.txt", train.substr(0, train.size() / 2));
  CHECK(contains(refusal({}), "train.txt: is not the data of the run (task.train): "));
  write_bytes(project / "train.txt", train);
  write_bytes(project / "valid.txt", with_one_letter_changed(valid));
  CHECK(contains(refusal({}), "valid.txt: is not the data of the run (task.valid): other contents"));
  write_bytes(project / "valid.txt", valid);

  const fs::path vocabulary = project / "run/tokenizer/vocab.json";
  std::string text = read_bytes(vocabulary);
  text.replace(text.find("\"the\""), 5, "\"uhe\"");
  write_bytes(vocabulary, text);
  CHECK(contains(refusal({}), "run/tokenizer/vocab.json: is not the tokenizer of the run: other contents"));
}

TEST_CASE("eval names a tokenizer and data that are not those of the run, and scores all the same") {
  const TinyProject project;
  REQUIRE(project.train("run", {"train.max_steps=6", "task.tokenizer=word"}).code == 0);
  const Outcome sound = project.call({"eval", "run", "--json"});
  CHECK(sound.errors.empty());

  const fs::path vocabulary = project / "run/tokenizer/vocab.json";
  const std::string text = read_bytes(vocabulary);
  std::string changed = text;
  changed.replace(text.find("\"the\""), 5, "\"uhe\"");
  write_bytes(vocabulary, changed);
  const Outcome other = project.call({"eval", "run", "--json"});
  CHECK(other.code == 0);
  CHECK(contains(other.errors, "run/tokenizer/vocab.json: is not the tokenizer of the run"));
  const auto json = nlohmann::json::parse(other.output);
  REQUIRE(json.contains("warnings"));
  CHECK(contains(json["warnings"][0], "vocab.json"));
  CHECK(json["loss"] != nlohmann::json::parse(sound.output)["loss"]);
  CHECK(contains(project.call({"generate", "run", "--prompt", "the sea", "--tokens", "2"}).errors, "vocab.json"));
  // Another spelling of the same vocabulary is the same tokenizer.
  write_bytes(vocabulary, nlohmann::json::parse(text).dump());
  CHECK(project.call({"eval", "run", "--json"}).errors.empty());

  write_bytes(project / "valid.txt", with_one_letter_changed(read_bytes(project / "valid.txt")));
  const Outcome data = project.call({"eval", "run"});
  CHECK(data.code == 0);
  CHECK(contains(data.errors, "valid.txt: is not the data of the run (task.valid)"));
}

TEST_CASE("A run says when it goes on with other arithmetic") {
  const TinyProject project;
  test::Surroundings baseline = project.surroundings();
  baseline.environment = {{"COSFORMER_ISA", "baseline"}};
  REQUIRE(test::run_program(project.train_arguments("run", {"train.max_steps=3"}), baseline).code == 0);
  const Outcome same = test::run_program(project.train_arguments("run", {"train.max_steps=4"}, {"--resume"}), baseline);
  CHECK(same.code == 0);
  CHECK_FALSE(contains(same.errors, "warning"));
  const Outcome outcome = project.train("run", {"train.max_steps=5"}, {"--resume"});
  CHECK(outcome.code == 0);
  const bool differs = std::string(instruction_set()) != "baseline";
  CHECK(contains(outcome.errors, "warning") == differs);
  CHECK(contains(outcome.errors, "the run was trained on baseline, OpenBLAS ") == differs);
}

TEST_CASE("An OpenBLAS with threads of its own is named at the start and gives the same bits on any number of threads") {
  // Where Debian's package libopenblas0-pthread lies, or where it was unpacked (installed, it would take the place of other
  // programs' BLAS, so that the tests do not ask for it).
  const char* const unpacked = std::getenv("COSFORMER_PTHREAD_OPENBLAS");
  const fs::path library = unpacked ? unpacked : "/usr/lib/x86_64-linux-gnu/openblas-pthread";
  if (!fs::exists(library / "libopenblas.so.0")) {
    WARN("skipped: no libopenblas.so.0 in " << library);
    SUCCEED();
    return;
  }
  const TinyProject project;
  // Products that are large enough to be split.
  const std::vector<std::string> keys = {"model.embed_dim=48", "model.ffn_dim=100", "model.num_heads=3",
                                         "task.seq_len=70",    "train.max_steps=6", "checkpoint.every=0"};
  for (const int threads : {1, 2, 3}) {
    test::Surroundings surroundings = project.surroundings(threads);
    surroundings.environment = {{"LD_LIBRARY_PATH", library.string()}};
    const std::string run = "run" + std::to_string(threads);
    const Outcome outcome = test::run_program(project.train_arguments(run, keys), surroundings);
    INFO(outcome.errors);
    REQUIRE(outcome.code == 0);
    CHECK(contains(outcome.errors, "libopenblas.so.0: OpenBLAS "));
    CHECK(contains(outcome.errors, "would start threads of its own"));
    CHECK(project.result(run) == project.result("run1"));
  }
}

}  // namespace
}  // namespace cosformer

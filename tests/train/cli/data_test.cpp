// `cosformer data` as a shell calls it.
#include <nlohmann/json.hpp>

#include "tests/catch.h"
#include "tests/train/cli/shell.h"
#include "tests/train/run_support.h"

namespace cosformer {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

using test::Outcome;

/// Runs `cosformer data ARGUMENTS` in a folder.
Outcome run(const test::TemporaryFolder& folder, const std::string& arguments) {
  return test::run_in_shell(folder.path(), "data " + arguments);
}

const std::string kListops = "make listops set --train 20 --valid 3 --test 4 --min-length 5 --max-length 40";

TEST_CASE("data make writes each test of recall, and says how many targets it has") {
  const test::TemporaryFolder folder;
  for (const auto& [name, targets] :
       {std::pair("mqar", 9 * 8), std::pair("selective_copy", 9 * 16), std::pair("induction", 9), std::pair("needle", 9)}) {
    CAPTURE(name);
    const Outcome made = run(folder, concat("make ", name, " ", name, " --train 4 --valid 3 --test 2 --json"));
    REQUIRE(made.code == 0);
    const json summary = json::parse(made.output);
    CHECK(summary["sequences"] == 9);
    CHECK(summary["targets"] == targets);
    CHECK(test::names_in(folder / name) == std::vector<std::string>{"test.tsv", "train.tsv", "valid.tsv"});
  }
  CHECK(run(folder, "make mqar short --length 31").code == 2);
  CHECK(!fs::exists(folder / "short"));
}

TEST_CASE("data make listops writes what data check reads") {
  const test::TemporaryFolder folder;
  const Outcome made = run(folder, kListops + " --seed 7 --json");
  REQUIRE(made.code == 0);
  CHECK(made.errors.empty());
  CHECK(test::names_in(folder.path()) == std::vector<std::string>{"set"});
  CHECK(test::names_in(folder / "set") == std::vector<std::string>{"basic_test.tsv", "basic_train.tsv", "basic_val.tsv"});
  const json summary = json::parse(made.output);
  CHECK(summary["expressions"] == 27);
  CHECK(summary["seed"] == 7);
  CHECK(summary["acceptance"].get<double>() == Approx(27.0 / summary["candidates"].get<double>()));

  const Outcome checked = run(folder, "check set --json");
  REQUIRE(checked.code == 0);
  const json found = json::parse(checked.output);
  CHECK(found["format"] == "listops");
  CHECK(found["vocab_size"] == 16);
  CHECK(found["parts"]["train"]["examples"] == 20);
  CHECK(found["parts"]["valid"]["examples"] == 3);
  CHECK(found["parts"]["test"]["examples"] == 4);
  std::int64_t in_classes = 0, length = 0;
  for (const auto& [name, part] : found["parts"].items()) {
    for (const auto& count : part["classes"]) in_classes += count.get<std::int64_t>();
    length = std::max(length, part["lengths"][0]["max"].get<std::int64_t>());
  }
  CHECK(in_classes == 27);
  CHECK(length == summary["max_length"]);

  const json file = json::parse(run(folder, "check set/basic_val.tsv --json").output);
  CHECK(file["parts"].size() == 1);
  CHECK(file["parts"]["file"]["examples"] == 3);
  CHECK(json::parse(run(folder, "check set --part test --json").output)["parts"].size() == 1);
  CHECK(run(folder, "check set").output.find("\ntrain       20 examples, 0 skipped") != std::string::npos);
}

TEST_CASE("data make pathfinder writes the same files on any number of threads") {
  const test::TemporaryFolder folder;
  REQUIRE(run(folder, "make pathfinder one --count 20 --difficulty easy --threads 1").code == 0);
  // A path that ends in a slash, and a folder that exists but is empty.
  fs::create_directory(folder / "two");
  REQUIRE(run(folder, "make pathfinder two/ --count 20 --difficulty easy --threads 2").code == 0);
  CHECK(test::names_in(folder.path()) == std::vector<std::string>{"one", "two"});
  for (const std::string& name : test::names_in(folder / "one/imgs/0")) {
    CHECK(test::read_bytes(folder / ("one/imgs/0/" + name)) == test::read_bytes(folder / ("two/imgs/0/" + name)));
  }
  CHECK(test::read_bytes(folder / "one/metadata/0.npy") == test::read_bytes(folder / "two/metadata/0.npy"));
  const json found = json::parse(run(folder, "check one --json").output);
  CHECK(found["format"] == "pathfinder");
  CHECK(found["parts"]["train"]["examples"] == 16);
  CHECK(found["parts"]["test"]["lengths"][0]["min"] == 1024);
}

TEST_CASE("data make copy and reverse write what data check reads as a parallel text") {
  const test::TemporaryFolder folder;
  const std::string sizes = " --train 30 --valid 4 --test 5 --min-length 3 --max-length 7 --json";
  const Outcome copy = run(folder, "make copy one" + sizes), reverse = run(folder, "make reverse two" + sizes);
  REQUIRE((copy.code == 0 && reverse.code == 0));
  CHECK(json::parse(copy.output)["pairs"] == 39);
  CHECK(test::names_in(folder / "one") ==
        std::vector<std::string>{"test.src", "test.tgt", "train.src", "train.tgt", "valid.src", "valid.tgt"});
  CHECK(test::read_bytes(folder / "one/train.src") == test::read_bytes(folder / "two/train.src"));
  CHECK(test::read_bytes(folder / "one/train.tgt") != test::read_bytes(folder / "two/train.tgt"));
  const json found = json::parse(run(folder, "check two --json").output);
  CHECK(found["format"] == "parallel");
  CHECK(found["parts"].size() == 3);
  CHECK(found["parts"]["train"]["pairs"] == 30);
  CHECK(found["parts"]["train"]["src"]["words"] == found["parts"]["train"]["tgt"]["words"]);
  CHECK(found["parts"]["train"]["src"]["min"] >= 3);
  CHECK(found["parts"]["train"]["src"]["max"] <= 7);
  CHECK(json::parse(run(folder, "check two/valid --json").output)["parts"].size() == 1);
  CHECK(run(folder, "check two").output.find("\nvalid       4 pairs\n  src       ") != std::string::npos);

  fs::rename(folder / "two/train.src", folder / "two/train.en");
  fs::rename(folder / "two/train.tgt", folder / "two/train.de");
  CHECK(json::parse(run(folder, "check two --languages en,de --json").output)["parts"].size() == 1);
  const auto error_of = [&](const std::string& arguments) {
    const Outcome outcome = run(folder, arguments);
    CHECK(outcome.code == 2);
    return outcome.errors;
  };
  CHECK(error_of("check two --languages en") == "error: --languages: expected two names as in \"en,de\", found \"en\"\n");
  CHECK(error_of("check one --format parallel --languages en,de") ==
        "error: one: no files NAME.en and NAME.de (or with .gz), nor is it their NAME; --languages names other ends\n");
  test::write_bytes(folder / "two/train.de", "1 2\n");
  CHECK(error_of("check two --languages en,de") ==
        "error: two/train.en has 30 lines, but two/train.de has 1; expected as many\n");
  CHECK(error_of("make copy set --symbols 0") == "error: symbols: expected 1 to 1048576, found 0\n");
}

TEST_CASE("data refuses in one line what cannot be made or read, and leaves nothing behind") {
  const test::TemporaryFolder folder;
  fs::create_directories(folder / "full/inside");
  test::write_bytes(folder / "file", "text");
  const auto error_of = [&](const std::string& arguments) {
    const Outcome outcome = run(folder, arguments);
    CHECK(outcome.code == 2);
    CHECK(outcome.output.empty());
    return outcome.errors;
  };
  CHECK(error_of("make listops full") == "error: full: exists already; expected a new or an empty folder\n");
  CHECK(error_of("make listops file") == "error: file: exists already; expected a new or an empty folder\n");
  CHECK(error_of("make listops none/set") == "error: none: no such folder\n");
  CHECK(error_of("make listops set --min-length 3000") ==
        "error: min_length: expected 0 to max_length - 2 = 1998, found 3000\n");
  CHECK(error_of("make pathfinder set --size 100") == "error: size: expected one of 32, 64, 128, found 100\n");
  CHECK(error_of("make pathfinder set --count 0") == "error: count: expected 1 to 10000000 pictures, found 0\n");
  CHECK(error_of("make pathfinder set --threads 0") == "error: --threads: expected 1 to 4096, found 0\n");
  CHECK(error_of("make listop set") == "cosformer data make: error: unknown verb 'listop'; did you mean \"listops\"?\n");
  CHECK(error_of("check none").starts_with("error: none: no such file or folder (looked for in "));
  CHECK(error_of("check full") ==
        "error: full: looks like none of the known formats: listops, text, retrieval, image, pathfinder, sst2, qqp, mnli, "
        "imdb, "
        "amazon, parallel, plain\n");
  CHECK(error_of("check full --format images") == "error: format: unknown name \"images\"; did you mean \"image\"?\n");
  CHECK(error_of("check file --format listops") == "error: file:1: expected the header Source<TAB>Target, found \"text\"\n");
  CHECK(error_of("check full --format text --part tst") == "error: --part: unknown name \"tst\"; did you mean \"test\"?\n");
  CHECK(test::names_in(folder.path()) == std::vector<std::string>{"file", "full"});
}

TEST_CASE("data check finds wrong answers and missing brackets of ListOps") {
  const test::TemporaryFolder folder;
  test::write_bytes(folder / "basic_test.tsv",
                    "Source\tTarget\r\n( ( ( [MIN 4 ) 2 ) ] )\t2\r\n( ( ( [MAX 4 ) 2 ) ] )\t2\r\n( ( [SM 4 ) 2 )\t6\r\n");
  const Outcome found = run(folder, "check basic_test.tsv --json");
  CHECK(found.code == 2);
  const json part = json::parse(found.output)["parts"]["file"];
  CHECK(part["wrong_answers"] == 1);
  CHECK(part["malformed"] == 1);
  CHECK(found.errors == "error: basic_test.tsv:3: the expression comes to 4, the row says 2 (2 such rows in all)\n");
  test::write_bytes(folder / "one.tsv", "Source\tTarget\n[SM 4 2\t6\n");
  CHECK(run(folder, "check one.tsv").errors == "error: one.tsv:2: 1 bracket is not closed\n");
  REQUIRE(run(folder, kListops).code == 0);
  const json good = json::parse(run(folder, "check set --json").output)["parts"]["train"];
  CHECK(good["wrong_answers"] == 0);
  CHECK(good["malformed"] == 0);
}

TEST_CASE("data check counts the words and characters of a plain text, and those that the training text lacks") {
  const test::TemporaryFolder folder;
  test::write_bytes(folder / "train.txt", "the sea and the sky\nthe sea\n");
  test::write_bytes(folder / "valid.txt", "the ship – and the sea\n");
  const json parts = json::parse(run(folder, "check . --json").output)["parts"];
  CHECK(parts["train"]["lines"] == 2);
  CHECK(parts["train"]["words"] == 7);
  CHECK(parts["train"]["bytes"] == 28);
  CHECK(parts["train"]["characters"] == 28);
  CHECK(parts["train"]["word_vocabulary"] == 4);
  CHECK(parts["train"]["words_once"] == 2);
  CHECK_FALSE(parts["train"].contains("unknown_words"));
  // Of "the ship – and the sea" the words "ship" and "–", the characters i, p and –.
  CHECK(parts["valid"]["unknown_words"].get<double>() == Approx(2 / 6.0));
  CHECK(parts["valid"]["characters"] == 23);
  CHECK(parts["valid"]["unknown_characters"].get<double>() == Approx(3 / 23.0));
  const json file = json::parse(run(folder, "check valid.txt --train-text train.txt --json").output)["parts"]["file"];
  CHECK(file == parts["valid"]);
  const Outcome plain = run(folder, "check .");
  CHECK(plain.output.find("  unknown    33.3 % of the words, 13 % of the characters\n") != std::string::npos);
  test::write_bytes(folder / "latin1.txt", "caf\xe9\n");
  CHECK(run(folder, "check latin1.txt").output.find("not UTF-8 at latin1.txt:1:4: tokenizers of characters and words") !=
        std::string::npos);
  CHECK(run(folder, "check train.txt --format listops --train-text train.txt").code == 2);
  test::write_bytes(folder / "lines.jsonl", "{\"text\": \"the sea\"}\n{\"text\": \"the sky\"}\n");
  const json lines = json::parse(run(folder, "check lines.jsonl --text-key text --json").output);
  CHECK(lines["format"] == "json_lines");
  CHECK(lines["parts"]["file"]["words"] == 4);
  CHECK(run(folder, "check lines.jsonl --text-key body").errors.starts_with("error: lines.jsonl:1: expected a JSON object"));
  const json several = json::parse(run(folder, "check '*.txt' --json").output)["parts"]["files"];
  CHECK(several["files"] == 3);
  CHECK(several["lines"] == 4);
  test::write_bytes(folder / "train.txt.gz", "\x1f\x8b\x08 and what follows");
  for (const char* arguments : {"check train.txt.gz", "check valid.txt --train-text train.txt.gz"}) {
    const Outcome packed = run(folder, arguments);
    CHECK(packed.code == 2);
    CHECK(packed.output.empty());
    CHECK(packed.errors.starts_with("error: train.txt.gz: cannot unpack the file: "));
  }
}

}  // namespace
}  // namespace cosformer

// Tests of recall: what is made of them, and what is read.
#include "data/generators/recall.h"

#include <algorithm>
#include <map>
#include <set>

#include "core/kernels/cross_entropy.h"
#include "data/recall_sequences.h"
#include "tests/catch.h"
#include "tests/data/memory_files.h"

namespace cosformer::test {

namespace {

const GeneratorProgress kNoProgress = [](std::int64_t, std::int64_t) {};

template <class Options>
Options few(Options options = {}) {
  options.train = 40;
  options.valid = 5;
  options.test = 6;
  return options;
}

RecallSet load(const MemoryFiles& files, const std::string& name) {
  const ScratchFolder folder;
  files.write_to(folder);
  return load_recall_set(folder.path() / name);
}

std::string load_error(const std::string& content) {
  const ScratchFolder folder;
  const std::filesystem::path path = folder.write("set.tsv", content);
  try {
    load_recall_set(path);
  } catch (const InputError& error) {
    const std::string message = error.what();
    REQUIRE(message.starts_with(path.string()));
    return message.substr(path.string().size());
  }
  return {};
}

}  // namespace

TEST_CASE("every query of mqar asks for a key that came before, and its target is that key's value") {
  MqarOptions options = few<MqarOptions>();
  options.length = 32;
  options.vocab_size = 100;
  options.pairs = 6;
  MemoryFiles files;
  const RecallStatistics made = make_mqar(options, files, kNoProgress);
  CHECK(made.sequences == 51);
  CHECK(made.targets == 51 * 6);
  for (const auto& [name, count] : {std::pair("train.tsv", 40), std::pair("valid.tsv", 5), std::pair("test.tsv", 6)}) {
    const RecallSet set = load(files, name);
    CHECK(set.vocab_size == 100);
    REQUIRE(std::ssize(set.sequences) == count);
    for (const RecallSequence& sequence : set.sequences) {
      REQUIRE(sequence.tokens.size() == 32);
      std::map<std::int32_t, std::int32_t> values;
      for (std::size_t pair = 0; pair < 6; ++pair) values[sequence.tokens[2 * pair]] = sequence.tokens[2 * pair + 1];
      REQUIRE(values.size() == 6);
      std::set<std::int32_t> asked;
      REQUIRE(sequence.targets.size() == 6);
      for (const auto& [position, token] : sequence.targets) {
        CHECK(position >= 12);
        CHECK(position % 2 == 0);
        const std::int32_t key = sequence.tokens[static_cast<std::size_t>(position)];
        CHECK((key >= 1 && key < 50));
        CHECK((token >= 50 && token < 100));
        REQUIRE(values.contains(key));
        CHECK(values[key] == token);
        asked.insert(key);
      }
      CHECK(asked.size() == 6);
    }
  }
}

TEST_CASE("early places of mqar's queries are likelier, and zeros stay if asked for") {
  MqarOptions options = few<MqarOptions>();
  options.train = 2000;
  options.pairs = 1;
  options.random_filling = false;
  MemoryFiles files;
  make_mqar(options, files, kNoProgress);
  std::map<std::int64_t, int> places;
  for (const RecallSequence& sequence : load(files, "train.tsv").sequences) {
    ++places[(sequence.targets[0].position - 2) / 2];
    CHECK(std::ranges::count(sequence.tokens, 0) == 61);
  }
  // The weights (n + 1)^(-0.99) of 31 places sum to 4.09: the shares of the first two are 0.2447 and 0.1232.
  CHECK(std::abs(places[0] - 0.2447 * 2000) < 4 * std::sqrt(2000 * 0.2447 * 0.7553));
  CHECK(std::abs(places[1] - 0.1232 * 2000) < 4 * std::sqrt(2000 * 0.1232 * 0.8768));
}

TEST_CASE("a needle is one of the keys that stand among other tokens, and its target that key's value") {
  auto options = few<NeedleOptions>();
  options.length = 50;
  options.vocab_size = 40;
  options.needles = 5;
  MemoryFiles files;
  CHECK(make_needle(options, files, kNoProgress).targets == 51);
  std::set<std::int32_t> asked;
  for (const RecallSequence& sequence : load(files, "train.tsv").sequences) {
    REQUIRE(sequence.tokens.size() == 50);
    std::map<std::int32_t, std::int32_t> values;
    for (std::size_t i = 0; i + 1 < 49; ++i) {
      if (sequence.tokens[i] < 20) continue;
      CHECK((sequence.tokens[i] < 30 && sequence.tokens[i + 1] >= 30));
      values[sequence.tokens[i]] = sequence.tokens[i + 1];
      ++i;
    }
    CHECK(values.size() == 5);
    REQUIRE(sequence.targets.size() == 1);
    CHECK(sequence.targets[0].position == 49);
    REQUIRE(values.contains(sequence.tokens.back()));
    CHECK(sequence.targets[0].token == values[sequence.tokens.back()]);
    asked.insert(sequence.tokens.back());
  }
  CHECK(asked.size() > 3);
}

TEST_CASE("selective copying asks for the symbols in their order") {
  auto options = few<SelectiveCopyOptions>();
  options.length = 30;
  options.symbols = 7;
  options.vocab_size = 9;
  MemoryFiles files;
  make_selective_copy(options, files, kNoProgress);
  for (const RecallSequence& sequence : load(files, "train.tsv").sequences) {
    std::vector<std::int32_t> symbols, answers;
    for (std::size_t i = 0; i < 23; ++i) {
      if (sequence.tokens[i] != 0) symbols.push_back(sequence.tokens[i]);
    }
    for (std::size_t i = 0; i < 7; ++i) {
      CHECK(sequence.tokens[23 + i] == 8);
      CHECK(sequence.targets[i].position == static_cast<std::int64_t>(23 + i));
      answers.push_back(sequence.targets[i].token);
    }
    CHECK(symbols == answers);
    CHECK(std::ranges::all_of(symbols, [](std::int32_t symbol) { return symbol >= 1 && symbol <= 7; }));
  }
}

TEST_CASE("induction asks for what followed the special token") {
  auto options = few<InductionOptions>();
  options.length = 12;
  options.vocab_size = 5;
  MemoryFiles files;
  make_induction(options, files, kNoProgress);
  for (const RecallSequence& sequence : load(files, "train.tsv").sequences) {
    CHECK(std::ranges::count(sequence.tokens, 4) == 2);
    const auto first = std::ranges::find(sequence.tokens, 4);
    CHECK(sequence.tokens.back() == 4);
    CHECK(sequence.targets == std::vector<RecallTarget>{{11, first[1]}});
  }
}

TEST_CASE("sequences depend on the seed and their number alone") {
  const auto made = [](std::int64_t train, std::uint64_t seed) {
    MqarOptions options = few<MqarOptions>();
    options.train = train;
    options.seed = seed;
    MemoryFiles files;
    make_mqar(options, files, kNoProgress);
    return files.content["train.tsv"];
  };
  CHECK(made(41, 1).starts_with(made(40, 1)));
  CHECK(made(40, 1) == made(40, 1));
  CHECK(made(40, 1) != made(40, 2));
}

TEST_CASE("options of recall that cannot be met are refused by name") {
  const auto error = [](auto&& change) {
    MqarOptions options = few<MqarOptions>();
    change(options);
    MemoryFiles files;
    try {
      make_mqar(options, files, kNoProgress);
    } catch (const InputError& refused) {
      CHECK(files.content.empty());
      return std::string(refused.what());
    }
    return std::string();
  };
  CHECK(error([](MqarOptions& own) { own.length = 31; }) == "length: expected 32 to 1048576, found 31");
  CHECK(error([](MqarOptions& own) { own.vocab_size = 17; }) == "vocab-size: expected 18 to 1048576, found 17");
  CHECK(error([](MqarOptions& own) { own.pairs = 0; }) == "pairs: expected 1 to 262144, found 0");
  CHECK(error([](MqarOptions& own) { own.power = 0; }) == "power: expected a number above 0, to 1, found 0");
  CHECK(error([](MqarOptions& own) { own.length = 32, own.vocab_size = 18; }).empty());
}

TEST_CASE("a set of recall is read as it was written") {
  const RecallSequence first{{3, 1, 2}, {{0, 1}, {2, 0}}}, second{{4}, {{0, 4}}};
  MemoryFiles files;
  files.append("set.tsv", recall_header(5) + recall_row(first) + recall_row(second));
  CHECK(files.content["set.tsv"] == "Tokens\tTargets\tVocabulary=5\n3 1 2\t0:1 2:0\n4\t0:4\n");
  const RecallSet set = load(files, "set.tsv");
  CHECK(set.vocab_size == 5);
  CHECK(set.longest == 3);
  CHECK(set.sequences == std::vector<RecallSequence>{first, second});
  const std::vector<std::int64_t> numbers = {1, 0};
  const RecallBatch batch = recall_batch(set, numbers);
  CHECK(batch.length == 3);
  CHECK(batch.predicted == 3);
  CHECK(batch.tokens == 4);
  CHECK(batch.inputs == std::vector<std::int32_t>{4, 0, 0, 3, 1, 2});
  constexpr std::int32_t kNone = kIgnoredTarget;
  CHECK(batch.targets == std::vector<std::int32_t>{4, kNone, kNone, 1, kNone, 0});
}

TEST_CASE("a broken set of recall is refused with its row") {
  const std::string header = recall_header(5);
  const std::string no_header = ":1: expected the header Tokens<TAB>Targets<TAB>Vocabulary=V, found ";
  CHECK(load_error("").starts_with(no_header));
  CHECK(load_error("1 2\t0:1\n").starts_with(no_header));
  CHECK(load_error("Tokens\tTargets\tVocabulary=0\n1\t0:0\n").starts_with(no_header));
  CHECK(load_error("Tokens\tTargets\tVocabulary=99999999999\n1\t0:0\n").starts_with(no_header));
  CHECK(load_error(header) == ": no rows after the header");
  CHECK(load_error(header + "1 2\n") == ":2: expected tokens, one tab and targets, found 0 tabs");
  CHECK(load_error(header + "1\t0:1\n1 5\t0:1\n").starts_with(":3: expected a token id below 5, found "));
  CHECK(load_error(header + "1 -1\t0:1\n").starts_with(":2: expected a token id below 5, found "));
  CHECK(load_error(header + "1  2\t0:1\n").starts_with(":2: expected a token id below 5, found "));
  const std::string target = ":2: expected a target POSITION:ID with a position below 2 and an id below 5, found ";
  for (const char* row :
       {"1 2\t\n", "1 2\t2:1\n", "1 2\t0:5\n", "1 2\t01\n", "1 2\t:1\n", "1 2\t0:\n", "1 2\t-1:1\n", "1 2\t0:1x\n"}) {
    CAPTURE(row);
    CHECK(load_error(header + row).starts_with(target));
  }
  CHECK(load_error(header + "1 2\t1:1 1:2\n") == ":2: expected rising positions of targets, found 1 after 1");
}

TEST_CASE("each epoch of recall has every sequence once, in an order of its own") {
  MemoryFiles files;
  make_mqar(few<MqarOptions>(), files, kNoProgress);
  const RecallSet set = load(files, "train.tsv");
  std::vector<std::vector<std::int64_t>> epochs;
  for (std::int64_t epoch = 0; epoch < 2; ++epoch) {
    std::vector<std::int64_t> order;
    for (std::int64_t i = 0; i < 40; ++i) order.push_back(recall_order(set, 3, 40 * epoch + i));
    epochs.push_back(order);
    std::ranges::sort(order);
    for (std::int64_t i = 0; i < 40; ++i) CHECK(order[static_cast<std::size_t>(i)] == i);
  }
  CHECK(epochs[0] != epochs[1]);
  CHECK(recall_order(set, 4, 0) + 40 * recall_order(set, 4, 1) != epochs[0][0] + 40 * epochs[0][1]);
}

}  // namespace cosformer::test

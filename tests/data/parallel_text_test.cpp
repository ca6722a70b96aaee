#include "data/parallel_text.h"

#include <algorithm>
#include <iterator>
#include <sstream>

#include "data/generators/sequence_pairs.h"
#include "data/tokenizers/byte_tokenizer.h"
#include "data/tokenizers/registry.h"
#include "tests/catch.h"
#include "tests/data/data_support.h"
#include "tests/data/gzip_files.h"
#include "tests/data/memory_files.h"

namespace cosformer::test {

using Catch::Matchers::EndsWith;
using Catch::Matchers::StartsWith;
using test::Contains;

namespace {

ParallelText load(const ScratchFolder& folder) {
  return load_parallel_text(find_parallel_files(folder.path() / "train", "de", "en"));
}

}  // namespace

TEST_CASE("a parallel text is read line by line, plain or compressed, with either line end") {
  const ScratchFolder folder;
  folder.write("train.de", "Ein Hund.\r\nZwei Männer\n\nEnde");
  write_gzip(folder.path() / "train.en.gz", "A dog.\nTwo men\n\nEnd\n");
  const ParallelText text = load(folder);
  CHECK(text.source == std::vector<std::string>{"Ein Hund.", "Zwei Männer", "", "Ende"});
  CHECK(text.target == std::vector<std::string>{"A dog.", "Two men", "", "End"});
  // Of two files with the same content the plain one is read.
  folder.write("train.en", "A\nB\nC\nD\n");
  CHECK(load(folder).target == std::vector<std::string>{"A", "B", "C", "D"});
}

TEST_CASE("a parallel text that is none is refused with its files") {
  const ScratchFolder folder;
  const std::string root = folder.path().string();
  const auto message = [&] { return input_error([&] { load(folder); }); };
  CHECK(message() == root + "/train.de: no such file, and no " + root + "/train.de.gz");
  folder.write("train.de", "eins\nzwei\n");
  folder.write("train.en", "one\ntwo\nthree\n");
  CHECK(message() == root + "/train.de has 2 lines, but " + root + "/train.en has 3; expected as many");
  folder.write("train.en", "one\ntw\xFFo\n");
  CHECK(message() == root + "/train.en:2: not UTF-8 text at byte 3");
  folder.write("train.de", "");
  folder.write("train.en", "");
  CHECK(message() == root + "/train.de: the file has no line");
  folder.write("train.de.gz", "\x1f\x8b\x08 broken");
  std::filesystem::remove(folder.path() / "train.de");
  CHECK(message().starts_with(root + "/train.de.gz: cannot unpack the file"));
}

TEST_CASE("a compressed file that unpacks to more bytes or lines than a text does is refused") {
  const ScratchFolder folder;
  folder.write("train.en", "one\n");
  const auto path = folder.path() / "train.de.gz";
  const auto message = [&] { return input_error([&] { load(folder); }); };
  // 8 MiB of one letter in 8 kB: over 200 times the file and 1 MiB.
  std::string rows;
  for (int i = 0; i < 8; ++i) rows += std::string((1 << 20) - 1, 'a') + "\n";
  write_gzip(path, rows);
  CHECK_THAT(message(), StartsWith(path.string() + ": unpacks to over ") && Contains("more than 200 times its size"));
  write_gzip(path, std::string(100'000, '\n'));
  const auto bytes = std::filesystem::file_size(path);
  CHECK(message() ==
        path.string() + ": unpacks to over " + std::to_string(bytes + 65'536) + " lines, more than its bytes can hold");
  // What a small file may hold.
  write_gzip(path, std::string(1 << 20, 'a') + "\n");
  CHECK(load(folder).source.front().size() == 1 << 20);
  write_gzip(path, std::string(65'536, '\n'));
  CHECK_THAT(message(), EndsWith("expected as many"));
  // A plain file is its own size, whatever it holds.
  std::filesystem::remove(path);
  folder.write("train.de", std::string(200'000, '\n'));
  CHECK_THAT(message(), StartsWith(folder.path().string() + "/train.de has 200000 lines"));
}

TEST_CASE("sentences end with their token; unfit ones are left out of training and cut for evaluation") {
  const ParallelText text{{"ab", "", "abcd", "a"}, {"x", "y", "z", "wxyz"}};
  const ParallelFiles files{"in.src", "in.tgt"};
  const ByteTokenizer bytes;
  const std::int32_t end = TranslationTokens(256).end;
  CHECK(end == 258);
  const SentencePairs training = tokenize_parallel_text(text, files, bytes, 4, UnfitSentences::leave_out);
  REQUIRE(training.size() == 1);
  CHECK(training.left_out == 3);
  CHECK(training.source[0] == std::vector<std::int32_t>{'a', 'b', end});
  CHECK(training.target[0] == std::vector<std::int32_t>{'x', end});
  const SentencePairs all = tokenize_parallel_text(text, files, bytes, 4, UnfitSentences::cut);
  REQUIRE(all.size() == 4);
  CHECK(all.left_out == 0);
  CHECK(all.source[1] == std::vector<std::int32_t>{end});
  CHECK(all.source[2] == std::vector<std::int32_t>{'a', 'b', 'c', end});
  CHECK(all.target[3] == std::vector<std::int32_t>{'w', 'x', 'y', end});
  CHECK(all.lines == std::vector<std::int64_t>{0, 1, 2, 3});
  CHECK(source_sentence("abcd", bytes, 4) == all.source[2]);

  CHECK(input_error([&] { tokenize_parallel_text(text, files, bytes, 2, UnfitSentences::leave_out); }) ==
        "in.src: no pair of sentences has 1 to 1 tokens (task.seq_len - 1) on both sides");
  CHECK(input_error([&] { tokenize_parallel_text(text, files, bytes, 1, UnfitSentences::cut); }) ==
        "task.seq_len: expected at least 2 for sentences with their end, found 1");
}

TEST_CASE("Multi30k has the published number of lines, and one vocabulary serves both languages") {
  const auto kit = kit_file("multi30k");
  if (!kit) {
    SUCCEED();
    return;
  }
  const auto count = [&](const char* part) {
    return load_parallel_text(find_parallel_files(*kit / part, "en", "de")).source.size();
  };
  CHECK(count("train") == 29000);
  CHECK(count("val") == 1014);
  CHECK(count("test_2016_flickr") == 1000);
  const ParallelFiles files = find_parallel_files(*kit / "val", "en", "de");
  const ParallelText text = load_parallel_text(files);
  std::string both;
  for (const auto* side : {&text.source, &text.target}) {
    for (const std::string& line : *side) both += line + '\n';
  }
  const auto tokenizer = train_tokenizer("bpe", both, {.vocab_size = 1000, .min_count = 1});
  const SentencePairs pairs = tokenize_parallel_text(text, files, *tokenizer, 1000, UnfitSentences::leave_out);
  CHECK(pairs.left_out == 0);
  for (const std::size_t line : {std::size_t{0}, std::size_t{1013}}) {
    const auto& target = pairs.target[line];
    CHECK(tokenizer->decode(std::span(target).first(target.size() - 1)) == text.target[line]);
  }
}

TEST_CASE("generated pairs hold the source or its reverse, and depend on the seed and their number alone") {
  const auto progress = [](std::int64_t, std::int64_t) {};
  MemoryFiles copies, reversed, more;
  SequencePairsOptions options{.train = 30, .valid = 4, .test = 5, .min_length = 2, .max_length = 6, .symbols = 12};
  const SequencePairsStatistics made = make_sequence_pairs(options, copies, progress);
  CHECK(made.pairs == 39);
  options.reversed = true;
  make_sequence_pairs(options, reversed, progress);
  options.train = 31;
  make_sequence_pairs(options, more, progress);
  REQUIRE(copies.content.size() == 6);
  CHECK(copies.content["train.src"] == copies.content["train.tgt"]);
  CHECK(copies.content["train.src"] == reversed.content["train.src"]);
  CHECK(more.content["train.src"].starts_with(copies.content["train.src"]));
  CHECK(copies.content["valid.src"] != copies.content["test.src"].substr(0, copies.content["valid.src"].size()));

  const ScratchFolder folder;
  reversed.write_to(folder);
  std::int64_t symbols = 0;
  for (const auto& [part, pairs] : {std::pair("train", 30U), std::pair("valid", 4U), std::pair("test", 5U)}) {
    const ParallelText text = load_parallel_text(find_parallel_files(folder.path() / part, "src", "tgt"));
    REQUIRE(text.source.size() == pairs);
    for (std::size_t line = 0; line < text.source.size(); ++line) {
      std::istringstream source(text.source[line]), target(text.target[line]);
      std::vector<int> read{std::istream_iterator<int>(source), {}}, written{std::istream_iterator<int>(target), {}};
      CHECK((read.size() >= 2 && read.size() <= 6));
      CHECK(std::ranges::all_of(read, [](int symbol) { return symbol >= 0 && symbol < 12; }));
      CHECK(std::equal(read.rbegin(), read.rend(), written.begin(), written.end()));
      symbols += static_cast<std::int64_t>(read.size());
    }
  }
  CHECK(symbols == made.symbols);
  options.min_length = 7;
  CHECK(input_error([&] { make_sequence_pairs(options, copies, progress); }) == "min_length: expected 1 to 6, found 7");
}

}  // namespace cosformer::test

#include "data/text_corpus.h"

#include "data/tokenizers/registry.h"
#include "tests/data/data_support.h"

using namespace cosformer;
using namespace cosformer::test;
using Catch::Matchers::StartsWith;
using test::Contains;

namespace {

void check_statistics(std::string_view text, std::int64_t lines, std::int64_t words) {
  const TextStatistics statistics = text_statistics(text);
  CHECK(statistics.bytes == static_cast<std::int64_t>(text.size()));
  CHECK(statistics.lines == lines);
  CHECK(statistics.words == words);
}

std::vector<std::int32_t> ids_of(const TextCorpus& corpus) { return corpus.tokens.part(0, corpus.tokens.size()); }

}  // namespace

TEST_CASE("a text's words are those between blanks and one for each newline") {
  check_statistics("", 0, 0);
  check_statistics(" \n = Title = \n \nno end", 3, 8);
}

TEST_CASE("WikiText has the published numbers of lines and words") {
  const auto check_file = [](const std::string& name, std::int64_t lines, std::int64_t words) {
    if (name.ends_with(".xz")) {
      if (const auto text = kit_xz(name)) check_statistics(*text, lines, words);
    } else if (const auto path = kit_file(name)) {
      check_statistics(read_text(*path), lines, words);
    }
  };
  check_file("wikitext-2/wiki.train.tokens.xz", 36'718, 2'088'628);
  check_file("wikitext-2/wiki.valid.tokens", 3'760, 217'646);
  check_file("wikitext-2/wiki.test.tokens", 4'358, 245'569);
  check_file("wikitext-103/wiki.train.tokens.xz", 9'702, 548'410);
  SUCCEED();
}

TEST_CASE("a corpus is the tokens of a file") {
  const ScratchFolder folder;
  const std::string text = "one two\nthree\n";
  const auto path = folder.write("text.tokens", text);
  const auto bytes = load_tokenizer("byte", {});
  CHECK(ids_of(load_text_corpus({{path}, ""}, *bytes)) == bytes->encode(text));
  const auto words = train_tokenizer("word", text);
  const TextCorpus corpus = load_text_corpus({{path}, ""}, *words);
  CHECK(ids_of(corpus) == words->encode(text));
  CHECK(corpus.statistics.words == corpus.tokens.size());
  CHECK(corpus.statistics.bytes == 14);
}

TEST_CASE("texts that cannot be used are refused with their path") {
  const ScratchFolder folder;
  const auto bytes = load_tokenizer("byte", {});
  const auto absent = folder.path() / "absent.txt";
  CHECK_THAT(input_error([&] { load_text_corpus({{absent}, ""}, *bytes); }), StartsWith(absent.string() + ": cannot read"));
  CHECK_THAT(input_error([&] { load_text_corpus({{folder.path()}, ""}, *bytes); }), Contains("is a folder"));
  CHECK_THAT(input_error([&] {
               load_text_corpus({{folder.write("empty", "")}, ""}, *bytes);
             }),
             Contains("empty: the file is empty"));
  CHECK_THAT(input_error([&] { load_text_corpus({{folder.write("one", "x")}, ""}, *bytes); }), Contains("found 1"));
  const auto chars = train_tokenizer("char", "ab\n");
  const auto broken = folder.write("broken.txt", "ab\n\xFF");
  CHECK(input_error([&] { load_text_corpus({{broken}, ""}, *chars); }) == broken.string() + ":2:1: the text is not UTF-8");
}

TEST_CASE("a text that is compressed in a way not read here is refused by name, whatever the tokenizer") {
  const ScratchFolder folder;
  const auto bytes = load_tokenizer("byte", {});
  const std::pair<std::string, std::string> starts[] = {{std::string("\xFD"
                                                                     "7zXZ\0",
                                                                     6),
                                                         "xz -d"},
                                                        {"BZh91AY&SY", "bzip2 -d"},
                                                        {"PK\x03\x04", "unzip"},
                                                        {"\x04\x22\x4D\x18", "lz4 -d"},
                                                        {std::string(257, 'n') + "ustar", "tar -x"}};
  for (const auto& [start, program] : starts) {
    const auto path = folder.write("text", start + "and more");
    CHECK(input_error([&] {
            load_text_corpus({{path}, ""}, *bytes);
          }) == path.string() + ": is compressed, expected plain text, gzip or zstd; `" + program + "` unpacks it");
  }
  CHECK(load_text_corpus({{folder.write("text", "BZh is no word")}, ""}, *bytes).tokens.size() == 14);
}

TEST_CASE("JSON lines that are read as a text are remarked on") {
  const ScratchFolder folder;
  const auto bytes = load_tokenizer("byte", {});
  const auto remark = [&](const std::string& text) {
    return load_text_corpus({{folder.write("x", text)}, ""}, *bytes).remark;
  };
  CHECK_THAT(remark("{\"text\": \"one\"}\n{\"text\": \"two\"}\n"),
             StartsWith((folder.path() / "x").string() + ": holds JSON"));
  CHECK(remark("{ no JSON }\n") == "");
  CHECK(remark("[1, 2]\n") == "");
  CHECK(remark("one two\n") == "");
}

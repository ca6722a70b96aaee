// Corpora of many files: which files, what is in them, and their token ids.
#include <fstream>

#include "data/corpus/byte_source.h"
#include "data/corpus/text_files.h"
#include "data/text_corpus.h"
#include "data/tokenizers/registry.h"
#include "data/utf8.h"
#include "tests/data/data_support.h"
#include "tests/data/gzip_files.h"

using namespace cosformer;
using namespace cosformer::test;
using Catch::Matchers::StartsWith;
using test::Contains;

namespace {

/// "one two\n" as `zstd` packs it: a frame of one raw block (RFC 8878).
std::string zstd_packed() {
  const std::string text = "one two\n";
  std::string frame = "\x28\xB5\x2F\xFD";
  frame += '\x20';                                 // one segment, its size in a byte
  frame += static_cast<char>(text.size());         // of the content
  const std::size_t block = text.size() << 3 | 1;  // raw, the last one
  for (int byte = 0; byte < 3; ++byte) frame += static_cast<char>(block >> (8 * byte) & 0xFF);
  return frame + text;
}

std::string joined(const std::vector<std::filesystem::path>& paths) {
  std::string names;
  for (const auto& path : paths) names += path.filename().string() + " ";
  return names;
}

/// The text of a corpus, whose tokens are its bytes.
std::string text_of(const CorpusFiles& files) {
  const auto bytes = load_tokenizer("byte", {});
  const TextCorpus corpus = load_text_corpus(files, *bytes);
  return bytes->decode(corpus.tokens.part(0, corpus.tokens.size()));
}

}  // namespace

TEST_CASE("a file, a folder and a pattern name files in the order of their paths") {
  const ScratchFolder folder;
  for (const char* name : {"b.txt", "a.txt", "c.md", ".hidden"}) folder.write(name, "x");
  std::filesystem::create_directories(folder.path() / "sub" / ".git");
  std::ofstream(folder.path() / "sub" / "d.txt") << "x";
  std::ofstream(folder.path() / "sub" / ".git" / "e.txt") << "x";
  CHECK(joined(find_text_files(folder.path().string())) == "a.txt b.txt c.md d.txt ");
  CHECK(joined(find_text_files((folder.path() / "*.txt").string())) == "a.txt b.txt ");
  CHECK(joined(find_text_files((folder.path() / "[bc].*").string())) == "b.txt c.md ");
  CHECK(joined(find_text_files((folder.path() / "a.txt").string())) == "a.txt ");
  const auto odd = folder.write("odd[1].txt", "x");
  CHECK(joined(find_text_files(odd.string())) == "odd[1].txt ");
  CHECK_THAT(input_error([&] { find_text_files((folder.path() / "*.csv").string()); }),
             Contains("no file matches the pattern"));
  std::filesystem::create_directory(folder.path() / "empty");
  CHECK_THAT(input_error([&] { find_text_files((folder.path() / "empty").string()); }), Contains("the folder has no files"));
}

TEST_CASE("plain and compressed files of a corpus are read one after the other") {
  const ScratchFolder folder;
  const auto plain = folder.write("1.txt", "the first\n"), packed = folder.write("2.txt.gz", gzipped("and the second\n"));
  CHECK(text_of({{plain, packed}, ""}) == "the first\nand the second\n");
  const auto bytes = load_tokenizer("byte", {});
  const TextCorpus corpus = load_text_corpus({{plain, packed}, ""}, *bytes);
  CHECK(corpus.documents == 2);
  CHECK(corpus.statistics.bytes == 25);
  CHECK(corpus.statistics.words == 7);
  CHECK(corpus.content == digest_of("the first\nand the second\n"));
  if (!has_zstd()) return;
  CHECK(text_of({{folder.write("3.zst", zstd_packed())}, ""}) == "one two\n");
  // Behind a frame to be passed over, of three bytes (RFC 8878, 3.1.2).
  const std::string skipped("\x5E\x2A\x4D\x18\x03\0\0\0abc", 11);
  CHECK(text_of({{folder.write("4.zst", skipped + zstd_packed() + zstd_packed())}, ""}) == "one two\none two\n");
}

TEST_CASE("members of gzip are read one after the other, and nothing behind them is dropped but zeros") {
  const ScratchFolder folder;
  const std::string one = gzipped("one "), two = gzipped("two\n"), none = gzipped("");
  const auto text = [&](const std::string& bytes) { return text_of({{folder.write("x.gz", bytes)}, ""}); };
  CHECK(text(one + two) == "one two\n");
  CHECK(text(none + one + none + std::string(700, '\0') + two + std::string(1000, '\0')) == "one two\n");
  const std::string random = random_text(*std::make_unique<std::mt19937_64>(3), 900'000);
  CHECK(text(gzipped(random) + two) == random + "two\n");
  for (const std::string& end :
       {std::string("more"), std::string("\0more", 5), two.substr(0, 1), two.substr(0, 9), two.substr(0, 2) + "x"}) {
    folder.write("x.gz", one + end);
    CHECK_THAT(input_error([&] { text(one + end); }), Contains("x.gz: cannot unpack the file: "));
  }
}

TEST_CASE("a link that would be left out of a corpus is refused by its name") {
  namespace fs = std::filesystem;
  const ScratchFolder folder;
  fs::create_directories(folder.path() / "texts");
  fs::create_directories(folder.path() / "others");
  const fs::path texts = folder.path() / "texts", file = folder.write("a.txt", "x");
  fs::create_symlink(file, texts / "a.txt");
  CHECK(joined(find_text_files(texts.string())) == "a.txt ");
  fs::create_symlink(folder.path() / "none", texts / "b.txt");
  for (const fs::path& named : {texts, texts / "*.txt"})
    CHECK(input_error([&] { find_text_files(named.string()); }) ==
          (texts / "b.txt").string() + ": is a link that leads nowhere");
  fs::remove(texts / "b.txt");
  fs::create_symlink(folder.path() / "others", texts / "more");
  CHECK_THAT(input_error([&] { find_text_files(texts.string()); }),
             StartsWith((texts / "more").string() + ": is a link to a folder"));
}

TEST_CASE("a damaged or oversized compressed file is refused with its path") {
  const ScratchFolder folder;
  const auto error = [&](const std::string& bytes) {
    const auto path = folder.write("x", bytes);
    const std::string message = input_error([&] { text_of({{path}, ""}); });
    CHECK_THAT(message, StartsWith(path.string() + ": "));
    return message;
  };
  const std::string good = gzipped(std::string(100, 'a') + random_text(*std::make_unique<std::mt19937_64>(1), 5000));
  CHECK_THAT(error(good.substr(0, good.size() / 2)), Contains("cannot unpack the file"));
  CHECK_THAT(error(gzipped(std::string(std::size_t{1} << 23, 'a'))), Contains("more than 200 times its size"));
  if (has_zstd()) {
    CHECK_THAT(error(zstd_packed().substr(0, 9)), Contains("it ends within its data"));
    CHECK_THAT(error(std::string("\x28\xB5\x2F\xFD\xFF\xFF\xFF\xFF\xFF\xFF\xFF", 11)), Contains("cannot unpack the file"));
  }
}

TEST_CASE("lines of JSON are documents of which one key holds the text") {
  const ScratchFolder folder;
  const auto path = folder.write(
      "x.jsonl", "{\"text\": \"one \\u00e9\", \"id\": 1}\r\n\n{\"id\": 2, \"text\": \"two\\nlines\\n\"}\n{\"text\": \"\"}");
  CHECK(text_of({{path}, "text"}) == "one é\ntwo\nlines\n\n");
  const auto bytes = load_tokenizer("byte", {});
  CHECK(load_text_corpus({{path}, "text"}, *bytes).documents == 3);
  const auto error = [&](const std::string& line) {
    const auto bad = folder.write("bad.jsonl", "{\"text\": \"good\"}\n" + line + "\n");
    const std::string message = input_error([&] { text_of({{bad}, "text"}); });
    CHECK_THAT(message, StartsWith(bad.string() + ":2: "));
    return message;
  };
  CHECK_THAT(error("plain prose"), Contains("expected a JSON object with \"text\" per line"));
  CHECK_THAT(error("[1]"), Contains("whose key \"text\" (task.text_key) holds a text, found [1]"));
  CHECK_THAT(error("{\"body\": \"x\"}"), Contains("found {\"body\":\"x\"}"));
  CHECK_THAT(error("{\"text\": 5}"), Contains("holds a text"));
  CHECK_THAT(error("{\"text\": \"x\", \"text\": \"y\"}"), Contains("appears twice"));
}

TEST_CASE("a corpus in many blocks has the ids of its whole text") {
  std::mt19937_64 random(3);
  std::string text;
  while (text.size() < 40'000) {
    static constexpr std::string_view kWords[] = {"the", "don't", "привет", "漢字", "é", "1,234", "  ", "\t", "…"};
    text += kWords[random() % std::size(kWords)];
    text += random() % 8 == 0 ? "\n" : random() % 3 == 0 ? "" : " ";
  }
  const ScratchFolder folder;
  const auto path = folder.write("x.txt", text);
  for (const std::string_view kind : {"byte", "char", "word", "bpe"}) {
    CAPTURE(kind);
    const auto tokenizer = train_tokenizer(kind, text, {.vocab_size = kind == "bpe" ? 300 : 0});
    std::vector<std::int32_t> ids;
    TextStatistics sizes;
    std::string bytes;
    std::size_t count = 0;
    CorpusBlocks blocks(
        {{path}, ""}, [&](std::string_view t, std::size_t p) { return tokenizer->may_cut(t, p); }, 1000);
    while (const auto block = blocks.next()) {
      ++count;
      CHECK(line_and_column(text, bytes.size()) == concat(block->line, ":", block->column));
      bytes += block->text;
      const auto own = tokenizer->encode(block->text);
      ids.insert(ids.end(), own.begin(), own.end());
      sizes.words += text_statistics(block->text).words;
    }
    CHECK(count > 10);
    CHECK(bytes == text);
    CHECK(ids == tokenizer->encode(text));
    CHECK(sizes.words == text_statistics(text).words);
  }
}

// What identifies data: equal for equal contents wherever they lie, another for any change.
#include "core/checksum.h"
#include "data/labelled_sequences.h"
#include "data/lra/pathfinder.h"
#include "data/parallel_text.h"
#include "data/text_corpus.h"
#include "data/texts/tokenized_texts.h"
#include "data/tokenizers/registry.h"
#include "tests/catch.h"
#include "tests/data/data_support.h"
#include "tests/data/gzip_files.h"
#include "tests/data/plain_png.h"

namespace cosformer::test {

namespace {

std::unique_ptr<LabelledSequences> listops(const ScratchFolder& folder, const std::string& rows) {
  return load_labelled_sequences("listops", folder.write("rows.tsv", "Source\tTarget\n" + rows), Split::train);
}

void write_pictures(const ScratchFolder& folder, int last_label) {
  std::string rows;
  for (int i = 0; i < 10; ++i) {
    const std::string name = std::string("p") + std::to_string(i) + ".png";
    folder.write("imgs/0/" + name, plain_png({.width = 3, .height = 2}, std::string(6, static_cast<char>(i))));
    rows += "imgs/0 " + name + " 0 " + std::to_string(i == 7 ? last_label : i % 2) + " 1.0 14 4 2 0.5 1 1\n";
  }
  folder.write("metadata/0.npy", rows);
}

}  // namespace

TEST_CASE("pieces of bytes have the digest of the whole") {
  CHECK(digest_of("abc") == Digest{3, checksum_hex("abc")});
  // What `xxhsum -H2` prints for an empty file.
  CHECK(digest_of("").xxh3_128 == "99aa06d3014798d86001c324468d497f");
  DigestBuilder pieces;
  pieces.add("a");
  pieces.add(std::string("bc"));
  CHECK(pieces.digest() == digest_of("abc"));
}

TEST_CASE("the content of a corpus is that of its file, whatever the tokenizer") {
  const ScratchFolder folder;
  const std::string text = "one two\nthree\n";
  const auto path = folder.write("text", text), copy = folder.write("elsewhere/copy", text);
  const auto words = train_tokenizer("word", text), bytes = load_tokenizer("byte", {});
  CHECK(load_text_corpus({{path}, ""}, *words).content == digest_of(text));
  CHECK(load_text_corpus({{copy}, ""}, *bytes).content == digest_of(text));
  CHECK_FALSE(load_text_corpus({{folder.write("other", "one two\ntheee\n")}, ""}, *words).content == digest_of(text));
}

TEST_CASE("the content of parallel texts is their lines, compressed or not, with either line end") {
  const ScratchFolder folder;
  folder.write("a.de", "eins\nzwei\n");
  folder.write("a.en", "one\r\ntwo");
  folder.write("b.de", "eins\nzwie\n");
  write_gzip(folder.path() / "b.en.gz", "one\ntwo\n");
  const auto load = [&](const char* name) {
    return load_parallel_text(find_parallel_files(folder.path() / name, "de", "en"));
  };
  const ParallelText a = load("a"), b = load("b");
  CHECK(content_of(a.source) == digest_of("eins\nzwei\n"));
  CHECK(content_of(a.target) == content_of(b.target));
  CHECK_FALSE(content_of(a.source) == content_of(b.source));
  // Where one line ends and the next begins is content.
  CHECK_FALSE(content_of({"ab", "c"}) == content_of({"a", "bc"}));
}

TEST_CASE("the content of labelled sequences is every label and every token to the end") {
  const ScratchFolder folder;
  const std::string rows = "[MAX 1 2 ]\t2\n[MIN 3 4 5 ]\t3\n";
  const Digest content = listops(folder, rows)->content();
  CHECK(listops(ScratchFolder(), rows)->content() == content);
  CHECK_FALSE(listops(folder, "[MAX 1 2 ]\t3\n[MIN 3 4 5 ]\t3\n")->content() == content);
  CHECK_FALSE(listops(folder, "[MAX 1 2 ]\t2\n[MIN 3 4 6 ]\t3\n")->content() == content);
  CHECK_FALSE(listops(folder, "[MIN 3 4 5 ]\t3\n[MAX 1 2 ]\t2\n")->content() == content);
  CHECK_FALSE(listops(folder, "[MAX 1 2 ]\t2\n")->content() == content);
}

TEST_CASE("the content of labelled texts is the texts, whatever the tokenizer") {
  LabelledTexts texts;
  texts.examples = {{1, "a good film", {}}, {0, "a bad one", {}}};
  const auto bytes = load_tokenizer("byte", {}), words = train_tokenizer("word", "a good film\na bad one\n");
  const Digest content = tokenize_texts(texts, *bytes, {2, false}, "x")->content();
  CHECK(content == content_of(texts));
  CHECK(tokenize_texts(texts, *words, {2, false}, "x")->content() == content);
  texts.examples[1].first = "a mad one";
  CHECK_FALSE(content_of(texts) == content);
  texts.examples[1] = {0, "a bad", " one"};
  CHECK_FALSE(content_of(texts) == content);
}

TEST_CASE("the content of pictures that stay in their files is their names, sizes and labels") {
  const ScratchFolder one, two, other;
  write_pictures(one, 1);
  write_pictures(two, 1);
  write_pictures(other, 0);
  const auto content = [](const ScratchFolder& folder) {
    return load_pathfinder(folder.path(), Split::train, 1)->content();
  };
  CHECK(content(one) == content(two));
  CHECK_FALSE(content(one) == content(other));
  two.write("imgs/0/p3.png", plain_png({.width = 3, .height = 2}, std::string(6, '\7')) + "x");
  CHECK_FALSE(content(one) == content(two));
}

}  // namespace cosformer::test

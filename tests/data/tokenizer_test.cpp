#include <numeric>

#include "data/tokenizers/registry.h"
#include "tests/data/data_support.h"

using namespace cosformer;
using namespace cosformer::test;
using Catch::Matchers::StartsWith;
using test::Contains;
using Ids = std::vector<std::int32_t>;

namespace {

/// The tokenizer that reads the files of `tokenizer`.
std::unique_ptr<Tokenizer> saved_and_loaded(const Tokenizer& tokenizer, const ScratchFolder& folder) {
  write_files(folder.path(), tokenizer.files());
  return load_tokenizer(tokenizer.kind(), folder.path());
}

}  // namespace

TEST_CASE("every kind that is made here is trained, saved and loaded unchanged") {
  const std::string text = "to be, or not to be:\nthat is the question – <unk> 漢字\n\n to be \"no\" more\\\n";
  for (const auto& [kind, has_files, load, train] : tokenizer_kinds()) {
    if (train == nullptr) continue;
    CAPTURE(kind);
    const auto tokenizer = train_tokenizer(kind, text, {.vocab_size = kind == "bpe" ? 280 : 0});
    CHECK(tokenizer->kind() == kind);
    const Ids ids = tokenizer->encode(text);
    for (const std::int32_t id : ids) REQUIRE((id >= 0 && id < tokenizer->vocab_size()));
    const ScratchFolder folder, again;
    const auto loaded = saved_and_loaded(*tokenizer, folder);
    CHECK(loaded->kind() == kind);
    CHECK(loaded->vocab_size() == tokenizer->vocab_size());
    CHECK(loaded->encode(text) == ids);
    CHECK(loaded->decode(ids) == tokenizer->decode(ids));
    CHECK(loaded->files() == tokenizer->files());
    CHECK(std::filesystem::is_empty(folder.path()) == !has_files);
  }
}

TEST_CASE("every kind encodes an empty text as nothing and decodes no foreign id") {
  for (const TokenizerKind& kind : tokenizer_kinds()) {
    if (kind.train == nullptr) continue;
    const auto tokenizer = kind.train("some words", {.vocab_size = 300});
    CHECK(tokenizer->encode("").empty());
    CHECK(tokenizer->decode({}).empty());
    const auto beyond = static_cast<std::int32_t>(tokenizer->vocab_size());
    CHECK_THAT(input_error([&] { tokenizer->decode(Ids{beyond}); }), Contains("outside the vocabulary"));
    CHECK_THAT(input_error([&] { tokenizer->decode(Ids{-1}); }), Contains("token id -1"));
  }
}

TEST_CASE("an unknown kind is refused with the nearest known one") {
  CHECK(input_error([] { load_tokenizer("bype", "."); }) == "tokenizer: unknown name \"bype\"; did you mean \"byte\"?");
  CHECK_THAT(input_error([] { train_tokenizer("morphemes", ""); }),
             Contains("expected one of byte, char, word, bpe, huggingface, sentencepiece"));
  CHECK_THAT(input_error([] { train_tokenizer("sentencepiece", ""); }), Contains("is not made from a text"));
  CHECK_THAT(input_error([] { static_cast<void>(find_tokenizer_kind("")); }), Contains("tokenizer: unknown name"));
}

TEST_CASE("the ids of bytes are their values") {
  const auto tokenizer = load_tokenizer("byte", "/no/such/folder");
  CHECK(tokenizer->vocab_size() == 256);
  std::string bytes;
  Ids values(256);
  std::iota(values.begin(), values.end(), 0);
  for (const std::int32_t value : values) bytes += static_cast<char>(static_cast<unsigned char>(value));
  CHECK(tokenizer->encode(bytes) == values);
  CHECK(tokenizer->decode(values) == bytes);
}

TEST_CASE("characters have ids in the order of their code points, then comes the unknown one") {
  const auto tokenizer = train_tokenizer("char", "b🙂a\néb");
  CHECK(tokenizer->vocab_size() == 6);
  CHECK(tokenizer->encode("\nabé🙂ж") == Ids{0, 1, 2, 3, 4, 5});
  CHECK(tokenizer->decode(Ids{4, 5, 3}) == "🙂\uFFFDé");
}

TEST_CASE("the limits of a vocabulary of characters keep the most frequent ones") {
  CHECK(train_tokenizer("char", "aaabbc", {.vocab_size = 3})->encode("abcd") == Ids{0, 1, 2, 2});
  CHECK(train_tokenizer("char", "aaabbc", {.min_count = 2})->vocab_size() == 3);
  CHECK(train_tokenizer("char", "ba", {.vocab_size = 2})->encode("ba") == Ids{1, 0});  // a tie goes to the lower byte
}

TEST_CASE("characters need UTF-8 and an error says where it is not") {
  const auto tokenizer = train_tokenizer("char", "ab\n");
  CHECK_THAT(input_error([&] { tokenizer->encode("ab\na\xFF"); }), StartsWith("2:2: ") && Contains("not UTF-8"));
  CHECK_THAT(input_error([] { train_tokenizer("char", "\xC3"); }), StartsWith("1:1: "));
  CHECK_THAT(input_error([] { train_tokenizer("word", "a b\n c \xC3"); }), StartsWith("2:4: "));
}

TEST_CASE("the characters of Tiny Shakespeare are sixty-five") {
  if (const auto path = kit_file("tinyshakespeare/input.txt")) {
    const std::string text = read_text(*path);
    const auto tokenizer = train_tokenizer("char", text);
    CHECK(tokenizer->vocab_size() == 66);
    const Ids ids = tokenizer->encode(text);
    CHECK(ids.size() == 1'115'394);
    CHECK(tokenizer->decode(ids) == text);
  } else {
    SUCCEED();
  }
}

TEST_CASE("lines are split on blanks and end with a token") {
  const auto tokenizer = train_tokenizer("word", " b a b \n\n c b\t<unk>\r\n");
  CHECK(tokenizer->vocab_size() == 5);  // <unk> <eos> b a c
  CHECK(tokenizer->encode(" b a b \n\n c b\t<unk>\r\n") == Ids{2, 3, 2, 1, 1, 4, 2, 0, 1});
  CHECK(tokenizer->encode("a new\fb") == Ids{3, 0, 2});
  CHECK(tokenizer->decode(Ids{2, 3, 1, 1, 0, 4}) == "b a\n\n<unk> c");
}

TEST_CASE("rare words and words over the limit of the vocabulary are unknown") {
  CHECK(train_tokenizer("word", "c c a a b", {.min_count = 2})->encode("a b c") == Ids{2, 0, 3});
  CHECK(train_tokenizer("word", "c c a a b", {.vocab_size = 3})->encode("a b c") == Ids{2, 0, 0});
  const std::string giant(2000, 'x');
  CHECK(train_tokenizer("word", giant + " a")->encode(giant + " a") == Ids{0, 2});
}

TEST_CASE("impossible options of a vocabulary are refused") {
  for (const std::string_view kind : {"char", "word"}) {
    CHECK_THAT(input_error([&] { train_tokenizer(kind, "a", {.vocab_size = 1}); }), Contains("vocab_size"));
    CHECK_THAT(input_error([&] { train_tokenizer(kind, "a", {.vocab_size = -5}); }), Contains("vocab_size"));
    CHECK_THAT(input_error([&] { train_tokenizer(kind, "a", {.vocab_size = (1 << 20) + 1}); }), Contains("vocab_size"));
    CHECK_THAT(input_error([&] { train_tokenizer(kind, "a", {.min_count = 0}); }), Contains("min_count"));
  }
  CHECK_THAT(input_error([] { train_tokenizer("bpe", "a"); }), Contains("needs vocab_size"));
}

TEST_CASE("a word text longer than a piece is encoded like its lines one by one") {
  std::mt19937_64 random(5);
  std::string text;
  while (text.size() < 3'000'000) text += concat("w", random() % 50, random() % 9 == 0 ? "\n" : " ");
  const auto tokenizer = train_tokenizer("word", text);
  Ids expected;
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = std::min(text.find('\n', begin), text.size() - 1) + 1;
    const Ids line = tokenizer->encode(std::string_view(text).substr(begin, end - begin));
    expected.insert(expected.end(), line.begin(), line.end());
    begin = end;
  }
  CHECK(tokenizer->encode(text) == expected);
}

TEST_CASE("the words of WikiText-2 and their ends of lines are 33,278") {
  if (const auto text = kit_xz("wikitext-2/wiki.train.tokens.xz")) {
    const auto tokenizer = train_tokenizer("word", *text);
    CHECK(tokenizer->vocab_size() == 33'278);
    const Ids ids = tokenizer->encode(*text);
    CHECK(ids.size() == 2'088'628);
    CHECK(tokenizer->encode(tokenizer->decode(ids)) == ids);
  } else {
    SUCCEED();
  }
}

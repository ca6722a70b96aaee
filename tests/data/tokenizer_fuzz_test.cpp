#include <new>

#include "data/tokenizers/registry.h"
#include "tests/data/data_support.h"

using namespace cosformer;
using namespace cosformer::test;

namespace {

/// A copy of `text` with a few bytes replaced, inserted, removed, repeated or cut off.
std::string damaged(std::string text, std::mt19937_64& random) {
  static constexpr std::string_view kTokens[] = {"{",           "}",   "\"", ":",  ",",    "[",        "\\u0120", "-1",
                                                 "99999999999", "1e9", " ",  "\n", "\xFF", "\xF0\x9F", "null",    "0"};
  for (std::uint64_t changes = 1 + random() % 4; changes > 0 && !text.empty(); --changes) {
    const std::size_t place = random() % text.size();
    const std::size_t length = random() % 20;
    switch (random() % 5) {
      case 0:
        text[place] = static_cast<char>(static_cast<unsigned char>(random() & 0xFF));
        break;
      case 1:
        text.insert(place, kTokens[random() % std::size(kTokens)]);
        break;
      case 2:
        text.erase(place, length);
        break;
      case 3:
        text.insert(random() % text.size(), text.substr(place, length));
        break;
      default:
        if (random() % 4 == 0) text.resize(place);
    }
  }
  return text;
}

}  // namespace

TEST_CASE("damaged files of a tokenizer are refused in one line or give a tokenizer that works") {
  std::mt19937_64 random(0x5eed);
  int refused = 0, accepted = 0;
  const std::string corpus = "the cat the hat the \"rat\" <unk>\nžena a muž\n";
  for (const std::string_view kind : {"char", "word", "bpe"}) {
    const ScratchFolder good, bad;
    write_files(good.path(), train_tokenizer(kind, corpus, {.vocab_size = 270})->files());
    for (int repetition = 0; repetition < 200; ++repetition) {
      for (const auto& file : std::filesystem::directory_iterator(good.path())) {
        const std::string content = read_text(file.path());
        bad.write(file.path().filename().string(), random() % 2 ? damaged(content, random) : content);
      }
      try {
        const auto tokenizer = load_tokenizer(kind, bad.path());
        for (const std::int32_t id : tokenizer->encode(corpus)) REQUIRE((id >= 0 && id < tokenizer->vocab_size()));
        ++accepted;
      } catch (const InputError& error) {
        const std::string_view message = error.what();
        REQUIRE(message.find('\n') == std::string_view::npos);
        REQUIRE(message.starts_with(bad.path().string()));
        ++refused;
      }
    }
  }
  CHECK(refused > 100);
  CHECK(accepted > 100);
}

TEST_CASE("any bytes are encoded to ids of the vocabulary or refused") {
  std::mt19937_64 random(0xfeed);
  std::string corpus;
  for (int i = 0; i < 20; ++i) corpus += random_text(random, 100);
  for (const std::string_view kind : {"byte", "bpe"}) {
    const auto tokenizer = train_tokenizer(kind, corpus, {.vocab_size = 400});
    for (int repetition = 0; repetition < 300; ++repetition) {
      const std::string text = repetition % 2 ? damaged(corpus, random) : random_bytes(random, random() % 300);
      REQUIRE(tokenizer->decode(tokenizer->encode(text)) == text);
    }
  }
  const auto words = train_tokenizer("word", "a b c");
  for (int repetition = 0; repetition < 300; ++repetition) {
    for (const std::int32_t id : words->encode(random_bytes(random, 200))) REQUIRE((id >= 0 && id < words->vocab_size()));
  }
}

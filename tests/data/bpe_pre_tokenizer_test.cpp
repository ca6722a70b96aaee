#include "data/tokenizers/bpe_pre_tokenizer.h"

#include "data/utf8.h"
#include "tests/data/data_support.h"

using namespace cosformer;
using namespace cosformer::test;
using Words = std::vector<std::string_view>;

TEST_CASE("text is cut as GPT-2 cuts it") {
  const BpePreTokenizer pre_tokenizer;
  CHECK(pre_tokenizer.split("").empty());
  CHECK(pre_tokenizer.split("I'm  he'LL  \n\nx") == Words{"I", "'m", " ", " he", "'", "LL", "  \n", "\n", "x"});
  CHECK(pre_tokenizer.split("x = 12½, ok!?  ") == Words{"x", " =", " 12½", ",", " ok", "!?", "  "});
  CHECK(pre_tokenizer.split("a\u00A0b") == Words{"a", "\u00A0", "b"});
  CHECK(pre_tokenizer.split("漢字 привет") == Words{"漢字", " привет"});
  // The Mongolian vowel separator has been no white space since Unicode 6.3.
  CHECK(pre_tokenizer.split(" \u180E") == Words{" \u180E"});
  CHECK(pre_tokenizer.split("  \u3000x") == Words{"  ", "\u3000", "x"});
}

TEST_CASE("a run of bytes that are not UTF-8 is a word and parts the text around it") {
  const BpePreTokenizer pre_tokenizer;
  CHECK(pre_tokenizer.split("ab\xFF\xFE"
                            "cd") == Words{"ab", "\xFF\xFE", "cd"});
  CHECK(pre_tokenizer.split("\xE2\x82") == Words{"\xE2\x82"});
  CHECK(pre_tokenizer.split("  \x80é") == Words{"  ", "\x80", "é"});
}

TEST_CASE("the words in order are the whole text, and cuts where they are allowed change none") {
  const BpePreTokenizer pre_tokenizer;
  std::mt19937_64 random(11);
  std::size_t cuts = 0;
  for (int repetition = 0; repetition < 300; ++repetition) {
    const std::string text = repetition % 2 ? random_text(random, 40) : random_bytes(random, 60);
    const Words words = pre_tokenizer.split(text);
    std::string joined;
    for (const std::string_view word : words) joined += word;
    REQUIRE(joined == text);
    for (std::size_t p = 1; p < text.size(); ++p) {
      if (!BpePreTokenizer::may_cut(text, p)) continue;
      Words parts = pre_tokenizer.split(std::string_view(text).substr(0, p));
      const Words rest = pre_tokenizer.split(std::string_view(text).substr(p));
      parts.insert(parts.end(), rest.begin(), rest.end());
      REQUIRE(parts == words);
      ++cuts;
    }
  }
  CHECK(cuts > 100);
}

TEST_CASE("runs of a million letters or blanks are cut without reaching a limit") {
  const BpePreTokenizer pre_tokenizer;
  const std::string letters(1'000'000, 'a'), blanks(1'000'000, ' ');
  CHECK(pre_tokenizer.split(letters).size() == 1);
  CHECK(pre_tokenizer.split(blanks).size() == 1);
  CHECK(pre_tokenizer.split(blanks + "a").size() == 2);
  CHECK(pre_tokenizer.split(std::string(100'000, '\xFF') + letters).size() == 2);
}

TEST_CASE("each byte is spelled by one visible character") {
  CHECK(spell_bytes(" a\n") == "ĠaĊ");
  CHECK(spell_bytes("\x7F\xAD\xFF") == "ġŃÿ");
  std::string bytes;
  for (int byte = 0; byte < 256; ++byte) bytes += static_cast<char>(static_cast<unsigned char>(byte));
  CHECK(bytes_of_spelling(spell_bytes(bytes)) == bytes);
  CHECK_FALSE(bytes_of_spelling("a b"));
  CHECK_FALSE(bytes_of_spelling("漢"));
  CHECK_FALSE(bytes_of_spelling("\xFF"));
}

#include "train/tasks/text_stream.h"

#include <filesystem>
#include <random>

#include "data/tokenizers/registry.h"
#include "data/tokenizers/sentencepiece_tokenizer.h"
#include "data/utf8.h"
#include "tests/catch.h"

namespace cosformer::test {

namespace {

namespace fs = std::filesystem;

const fs::path kGolden = fs::path(COSFORMER_SOURCE_DIR) / "tests/golden/tokenizers";

std::vector<std::int32_t> bytes_of(const std::string& text) {
  std::vector<std::int32_t> ids;
  for (const char byte : text) ids.push_back(static_cast<unsigned char>(byte));
  return ids;
}

/// All pieces of a text, each checked to be whole characters.
std::string streamed(const Tokenizer& tokenizer, const std::vector<std::int32_t>& ids, std::vector<std::string> stops = {}) {
  TextStream stream(tokenizer, std::nullopt, std::move(stops));
  std::string text;
  for (const std::int32_t id : ids) {
    const std::string piece = stream.add(id);
    CHECK(find_invalid_utf8(piece) == std::string::npos);
    text += piece;
  }
  const std::string rest = stream.finish();
  CHECK(find_invalid_utf8(rest) == std::string::npos);
  return text + rest;
}

}  // namespace

TEST_CASE("a streamed text comes in whole characters and is the same in the end") {
  const auto tokenizer = train_tokenizer("byte", "", {});
  for (const std::string text :
       {"", "plain", "Ünïcödé – 漢字 😀!", "e\xCC\x81", "\xED\x9F\xBF\xEE\x80\x80\xF4\x8F\xBF\xBF"}) {
    CHECK(streamed(*tokenizer, bytes_of(text)) == text);
  }
  TextStream stream(*tokenizer, std::nullopt, {});
  CHECK(stream.add(0xE2).empty());
  CHECK(stream.add(0x82).empty());
  CHECK(stream.add(0xAC) == "€");
}

TEST_CASE("bytes that belong to no character become the replacement character") {
  const auto tokenizer = train_tokenizer("byte", "", {});
  const std::string mark = "\uFFFD";
  CHECK(streamed(*tokenizer, bytes_of("a\xFFz")) == "a" + mark + "z");
  CHECK(streamed(*tokenizer, bytes_of("a\xE2\x82z")) == "a" + mark + mark + "z");
  CHECK(streamed(*tokenizer, bytes_of("\xC0\x80")) == mark + mark);
  CHECK(streamed(*tokenizer, bytes_of("\xED\xA0\x80")) == mark + mark + mark);
  CHECK(streamed(*tokenizer, bytes_of("end\xF0\x9F\x98")) == "end" + mark + mark + mark);
}

TEST_CASE("a text ends in front of the stop that is complete first") {
  const auto tokenizer = train_tokenizer("byte", "", {});
  const auto text = [&](const std::string& whole, std::vector<std::string> stops) {
    return streamed(*tokenizer, bytes_of(whole), std::move(stops));
  };
  CHECK(text("one\n\ntwo", {"\n\n"}) == "one");
  CHECK(text("one\ntwo", {"\n\n"}) == "one\ntwo");
  CHECK(text("one\n", {"\n\n"}) == "one\n");
  CHECK(text("aaab", {"aab"}) == "a");
  CHECK(text("xabcy", {"abc", "b"}) == "xa");
  CHECK(text("xabcy", {"c", "abc"}) == "x");
  CHECK(text("漢字", {"字"}) == "漢");
  CHECK(text("stop", {"stop"}).empty());
  TextStream stream(*tokenizer, std::nullopt, {"END"});
  CHECK(stream.add('E').empty());
  CHECK(stream.add('N').empty());
  CHECK(stream.add('X') == "ENX");
  CHECK_FALSE(stream.has_stopped());
}

TEST_CASE("the streamed text of any tokenizer is its text of all tokens") {
  for (const auto& folder : fs::directory_iterator(kGolden)) {
    if (!folder.is_directory()) continue;
    const bool is_sentencepiece = fs::exists(folder.path() / "tokenizer.model");
    if (is_sentencepiece && !has_sentencepiece()) continue;
    const auto tokenizer = load_tokenizer(is_sentencepiece ? "sentencepiece" : "huggingface", folder.path());
    for (const std::string text : {"the run is – 漢字 and 😀!", "\uFFFD\uFFFD\uFFFD\uFFFD\uFFFD", "é", "a\uFFFDb"}) {
      CAPTURE(folder.path().string(), text);
      const std::vector<std::int32_t> ids = tokenizer->encode(text);
      CHECK(streamed(*tokenizer, ids) == tokenizer->decode(ids));
    }
  }
}

TEST_CASE("single bytes of SentencePiece stream as characters where they make some") {
  if (!has_sentencepiece()) return;
  const auto tokenizer = load_tokenizer("sentencepiece", kGolden / "sentencepiece_bpe");
  const auto decoded = [&](const std::vector<std::int32_t>& ids) { return tokenizer->decode(ids); };
  const std::vector<std::int32_t> smile = tokenizer->encode("😀");
  REQUIRE(smile.size() >= 4);
  const std::vector<std::int32_t> bytes(smile.end() - 4, smile.end());
  std::mt19937_64 random(3);
  for (int repeat = 0; repeat < 200; ++repeat) {
    std::vector<std::int32_t> ids = tokenizer->encode("the");
    for (int i = 0; i < 100; ++i) {
      // Whole smiles and bytes of one in any order.
      if (random() % 4 == 0) {
        ids.insert(ids.end(), bytes.begin(), bytes.end());
      } else {
        ids.push_back(bytes[random() % 4]);
      }
    }
    CHECK(streamed(*tokenizer, ids) == decoded(ids));
    TextStream stream(*tokenizer, ids.front(), {});
    std::string text = decoded({ids.front()});
    for (std::size_t i = 1; i < ids.size(); ++i) text += stream.add(ids[i]);
    CHECK(text + stream.finish() == decoded(ids));
  }
}

TEST_CASE("words follow the prompt's last one after a space") {
  const auto tokenizer = train_tokenizer("word", "the sea is the sea\nis\n", {});
  const std::vector<std::int32_t> ids = tokenizer->encode("the sea is\nthe sea");
  for (std::size_t prompt = 0; prompt < ids.size(); ++prompt) {
    TextStream stream(*tokenizer, prompt > 0 ? std::optional(ids[prompt - 1]) : std::nullopt, {});
    std::string text = tokenizer->decode({ids.data(), prompt});
    for (std::size_t i = prompt; i < ids.size(); ++i) text += stream.add(ids[i]);
    CHECK(text + stream.finish() == tokenizer->decode(ids));
  }
}

}  // namespace cosformer::test

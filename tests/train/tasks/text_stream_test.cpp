#include "train/tasks/text_stream.h"

#include "data/tokenizers/registry.h"
#include "data/utf8.h"
#include "tests/catch.h"

namespace cosformer::test {

namespace {

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

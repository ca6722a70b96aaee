/// \file
/// libFuzzer: a byte that chooses the tokenizer, vocab.json, 0xFF, merges.txt, 0xFF, a text. Any files load and encode the
/// text, and come back from their own copy, or end in an InputError of one line.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "data/tokenizers/registry.h"
#include "tests/fuzz/fuzz_file.h"

namespace cosformer::fuzz {
namespace {

constexpr unsigned kGivenAlphabet = 4;  // a bit of the first byte

/// GPT-2's spelling of the 256 bytes as JSON members, so that merges are reached; Radford et al. 2019, bytes_to_unicode.
std::string byte_alphabet() {
  std::string members;
  int others = 0;
  for (int byte = 0; byte < 256; ++byte) {
    const bool printable = (byte >= 33 && byte < 127) || (byte >= 161 && byte < 173) || byte >= 174;
    const int point = printable ? byte : 256 + others++;
    std::string spelling;
    if (point == '"' || point == '\\') spelling = "\\";
    if (point < 128) {
      spelling += static_cast<char>(point);
    } else {
      spelling += static_cast<char>(0xC0 | (point >> 6));
      spelling += static_cast<char>(0x80 | (point & 63));
    }
    members += concat(byte == 0 ? "\"" : ",\"", spelling, "\":", byte);
  }
  return members;
}

void read_and_encode(const std::string& kind, std::string_view text) {
  const auto tokenizer = load_tokenizer(kind, folder());
  const auto ids = tokenizer->encode(text);
  for (const std::int32_t id : ids) {
    if (id < 0 || id >= tokenizer->vocab_size()) fail("an id outside the vocabulary");
  }
  if (kind == "bpe" && tokenizer->decode(ids) != text) fail("the text does not come back");
  std::filesystem::create_directories(folder() / "again");
  write_files(folder() / "again", tokenizer->files());
  if (load_tokenizer(kind, folder() / "again")->encode(text) != ids) fail("the saved tokenizer is another one");
}

void train_and_encode(const std::string& kind, std::string_view text) {
  const auto trained = train_tokenizer(kind, text, {kind == "bpe" ? 300 : 0, 1});
  if (kind == "bpe" && trained->decode(trained->encode(text)) != text) fail("the trained tokenizer loses text");
}

}  // namespace
}  // namespace cosformer::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace cosformer::fuzz;
  if (size < 2) return 0;
  const char* const kinds[] = {"bpe", "word", "char", "bpe"};
  const std::string kind = kinds[data[0] & 3];
  std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  std::string vocabulary(take_part(text));
  const std::string_view merges = take_part(text);
  if (kind == "bpe" && (data[0] & kGivenAlphabet) != 0) {
    vocabulary = "{" + byte_alphabet() + (vocabulary.empty() ? "" : ",") + vocabulary + "}";
  }
  write(folder() / "vocab.json", vocabulary);
  write(folder() / "merges.txt", merges);
  expect_input_error_or_none([&] { read_and_encode(kind, text); });
  expect_input_error_or_none([&] { train_and_encode(kind, text); });
  return 0;
}

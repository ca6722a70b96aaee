#include "data/tokenizers/vocabulary.h"

#include "data/tokenizers/registry.h"
#include "tests/data/data_support.h"

using namespace cosformer;
using namespace cosformer::test;
using Catch::Matchers::StartsWith;
using test::Contains;

namespace {

std::string error_of_vocabulary(const std::string& json) {
  const ScratchFolder folder;
  const auto path = folder.write("vocab.json", json);
  const std::string message = input_error([&] { read_vocabulary(path); });
  CHECK_THAT(message, StartsWith(path.string()));
  CHECK(message.find('\n') == std::string::npos);
  return message;
}

}  // namespace

TEST_CASE("a vocabulary is read in the order of its ids") {
  const ScratchFolder folder;
  CHECK(read_vocabulary(folder.write("vocab.json", R"({"b": 1, "\u0120a": 0, "\"": 2})")) ==
        std::vector<std::string>{"Ġa", "b", "\""});
}

TEST_CASE("a vocabulary with any token survives its file") {
  const ScratchFolder folder;
  const std::vector<std::string> tokens{"\n", "\"\\", std::string(1, '\0'), "漢", "🙂", "\x7F", "<unk>"};
  write_files(folder.path(), {{"vocab.json", vocabulary_text(tokens)}});
  CHECK(read_vocabulary(folder.path() / "vocab.json") == tokens);
}

TEST_CASE("a vocabulary file that is not one object from token to dense ids is refused") {
  CHECK_THAT(error_of_vocabulary("[]"), Contains("expected an object"));
  CHECK_THAT(error_of_vocabulary("{}"), Contains("is empty"));
  CHECK_THAT(error_of_vocabulary(R"({"a": 0)"), Contains(":1:"));
  CHECK_THAT(error_of_vocabulary(R"({"a": 0, "a": 1})"), Contains("twice"));
  CHECK_THAT(error_of_vocabulary(R"({"a": 0, "b": 0})"), Contains("has the id 0 of token \"a\""));
  CHECK_THAT(error_of_vocabulary(R"({"a": 0, "b": 2})"), Contains("id 2 of a vocabulary of 2"));
  CHECK_THAT(error_of_vocabulary(R"({"a": 18446744073709551615})"), Contains("id 18446744073709551615"));
  CHECK_THAT(error_of_vocabulary(R"({"a": 99999999999999999999999})"), Contains("token \"a\""));
  CHECK_THAT(error_of_vocabulary(R"({"a": -1})"), Contains("expected an id from 0 to 0, found \"-1\""));
  CHECK_THAT(error_of_vocabulary(R"({"a": 0.0})"), Contains("expected an id"));
  CHECK_THAT(error_of_vocabulary(R"({"a": "0"})"), Contains("expected an id"));
  CHECK_THAT(error_of_vocabulary(R"({"a": {"b": 0}})"), Contains("expected an id"));
  CHECK_THAT(error_of_vocabulary(R"({"": 0})"), Contains("is empty"));
  CHECK_THAT(error_of_vocabulary("{\"" + std::string(1025, 'x') + "\": 0}"), Contains("1025 bytes"));
}

TEST_CASE("a vocabulary over the limit is refused") {
  std::string json = "{";
  for (std::int64_t id = 0; id <= kMaxVocabSize; ++id) {
    const std::string number = std::to_string(id);
    json += (id == 0 ? "\"" : ",\"") + number + "\":" + number;
  }
  CHECK_THAT(error_of_vocabulary(json + "}"), Contains("at most 1048576"));
}

TEST_CASE("a vocabulary that its tokenizer cannot use is refused with the file's name") {
  const auto refused = [](std::string_view kind, const std::string& json) {
    const ScratchFolder folder;
    const auto path = folder.write("vocab.json", json);
    folder.write("merges.txt", "");
    const std::string message = input_error([&] { load_tokenizer(kind, folder.path()); });
    CHECK_THAT(message, StartsWith(path.string() + ": "));
    return message;
  };
  CHECK_THAT(refused("char", R"({"a": 0})"), Contains("needs the token <unk>"));
  CHECK_THAT(refused("char", R"({"<unk>": 0, "ab": 1})"), Contains("\"ab\" of id 1 is not one character"));
  CHECK_THAT(refused("word", R"({"<unk>": 0})"), Contains("needs the token <eos>"));
  CHECK_THAT(refused("word", R"({"<unk>": 0, "<eos>": 1, "a b": 2})"), Contains("\"a b\" is not one word"));
  CHECK_THAT(refused("bpe", R"({"!": 0})"), Contains("needs the token \"Ā\" of byte 0"));
}

TEST_CASE("absent files of a tokenizer and folders that cannot be written to are refused") {
  const ScratchFolder folder;
  const auto absent = folder.path() / "absent";
  for (const std::string_view kind : {"char", "word", "bpe"}) {
    CHECK_THAT(input_error([&] { load_tokenizer(kind, absent); }), StartsWith((absent / "vocab.json").string()));
    const auto tokenizer = train_tokenizer(kind, "a", {.vocab_size = 300});
    CHECK_THAT(input_error([&] { write_files(absent, tokenizer->files()); }), Contains("cannot write"));
  }
}

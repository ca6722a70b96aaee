// Tokenizers of Hugging Face and SentencePiece against the ids of their own libraries (tests/golden/make_tokenizers.py).
#include <filesystem>
#include <nlohmann/json.hpp>

#include "data/special_tokens.h"
#include "data/texts/tokenized_texts.h"
#include "data/tokenizers/huggingface/huggingface_tokenizer.h"
#include "data/tokenizers/registry.h"
#include "data/tokenizers/sentencepiece_tokenizer.h"
#include "data/utf8.h"
#include "tests/data/data_support.h"
#include "tests/support/input_error.h"

using namespace cosformer;
using namespace cosformer::test;

namespace {

using nlohmann::json;

const std::filesystem::path kGolden = std::filesystem::path(COSFORMER_SOURCE_DIR) / "tests/golden/tokenizers";

json read_json(const std::filesystem::path& path) { return json::parse(read_text(path)); }

std::string from_hex(const std::string& hex) {
  std::string bytes;
  for (std::size_t i = 0; i < hex.size(); i += 2) bytes += static_cast<char>(std::stoi(hex.substr(i, 2), nullptr, 16));
  return bytes;
}

/// What a tokenizer.json, changed, is refused with; empty if it is not refused.
std::string error_of(const json& document) {
  return input_error_of([&] { HuggingFaceTokenizer(document.dump(), "t.json"); });
}

}  // namespace

TEST_CASE("a tokenizer of another library gives that library's ids for a hard corpus") {
  const json texts = read_json(kGolden / "texts.json");
  std::size_t tokenizers = 0;
  for (const auto& folder : std::filesystem::directory_iterator(kGolden)) {
    if (!folder.is_directory()) continue;
    const bool is_sentencepiece = std::filesystem::exists(folder.path() / "tokenizer.model");
    if (is_sentencepiece && !has_sentencepiece()) continue;
    const auto tokenizer = load_tokenizer(is_sentencepiece ? "sentencepiece" : "huggingface", folder.path());
    const json expected = read_json(folder.path() / "expected.json");
    REQUIRE(expected["ids"].size() == texts.size());
    CHECK_THROWS_AS(tokenizer->decode(std::vector<std::int32_t>{-1}), InputError);
    CHECK_THROWS_AS(tokenizer->decode(std::vector<std::int32_t>{static_cast<std::int32_t>(tokenizer->vocab_size())}),
                    InputError);
    const ScratchFolder copy;
    write_files(copy.path(), tokenizer->files());
    const auto again = load_tokenizer(tokenizer->kind(), copy.path());
    for (std::size_t i = 0; i < texts.size(); ++i) {
      const std::string text = from_hex(texts[i]);
      CAPTURE(folder.path().string(), i, text);
      const std::vector<std::int32_t> ids = tokenizer->encode(text);
      CHECK(ids == expected["ids"][i].get<std::vector<std::int32_t>>());
      CHECK(again->encode(text) == ids);
      const std::string decoded = tokenizer->decode(ids);
      // Theirs replaces the bytes of a character that was cut; ours keeps them for what may follow.
      if (find_invalid_utf8(decoded) == std::string::npos) CHECK(decoded == expected["decoded"][i].get<std::string>());
    }
    ++tokenizers;
  }
  CHECK(tokenizers == (has_sentencepiece() ? 11 : 9));
}

TEST_CASE("special tokens are the tokenizer's own where it has all of them") {
  for (const auto& [folder, names] : {std::pair("bert_uncased", std::array{"[CLS]", "[SEP]", "[MASK]"}),
                                      std::pair("roberta", std::array{"<s>", "</s>", "<mask>"})}) {
    const auto tokenizer = load_tokenizer("huggingface", kGolden / folder);
    const SpecialTokens own = SpecialTokens::of(*tokenizer);
    CHECK(own.vocab_size == tokenizer->vocab_size());
    CHECK(own.tokenizer_vocab_size == tokenizer->vocab_size());
    const std::array ids = {own.class_token, own.separator, own.mask};
    for (std::size_t i = 0; i < ids.size(); ++i) {
      CHECK(tokenizer->find_token(names[i]) == ids[i]);
      CHECK(tokenizer->encode(names[i]) == std::vector{ids[i]});
    }
    LabelledTexts texts;
    texts.examples = {{0, "the run", "is"}};
    std::vector<std::int32_t> ids_of_pair;
    tokenize_texts(texts, *tokenizer, {2, true, own}, "t")->read(0, 0, 100, ids_of_pair);
    CHECK(ids_of_pair.front() == own.class_token);
    CHECK(ids_of_pair.back() == own.separator);
    CHECK(std::ranges::count(ids_of_pair, own.separator) == 3);
    CHECK(tokenize_texts(texts, *tokenizer, {2, true, own}, "t")->vocab_size() == tokenizer->vocab_size());
  }
  for (const char* folder : {"gpt2", "metaspace"}) {
    const auto tokenizer = load_tokenizer("huggingface", kGolden / folder);
    CHECK_FALSE(has_special_tokens(*tokenizer));
    CHECK_FALSE(tokenizer->find_token("<mask>"));
    CHECK_FALSE(tokenizer->find_token(""));
    CHECK(input_error_of([&] { SpecialTokens::of(*tokenizer); }).starts_with("task.special_tokens = \"tokenizer\": "));
  }
  if (!has_sentencepiece()) return;
  const auto pieces = load_tokenizer("sentencepiece", kGolden / "sentencepiece_bpe");
  CHECK(pieces->find_token("<s>").has_value());
  CHECK_FALSE(pieces->find_token("[MASK]"));
}

TEST_CASE("a long text is cut into pieces without a change of its ids") {
  std::string text;
  std::mt19937_64 random(5);
  const json texts = read_json(kGolden / "texts.json");
  while (text.size() < (std::size_t{5} << 19)) {
    text += from_hex(texts[random() % texts.size()]);
    text += random() % 2 ? " words between letters " : "\n";
  }
  for (const char* name : {"gpt2", "bert_uncased"}) {
    CAPTURE(name);
    const auto tokenizer = load_tokenizer("huggingface", kGolden / name);
    // With an added token that reaches over blanks nothing is cut.
    json document = read_json(kGolden / name / "tokenizer.json");
    json token = document["added_tokens"][0];
    token["content"] = "never in the text";
    token["id"] = tokenizer->vocab_size();
    document["added_tokens"].push_back(token);
    const HuggingFaceTokenizer whole(document.dump(), "t.json");
    CHECK(tokenizer->encode(text) == whole.encode(text));
  }
}

TEST_CASE("a part of tokenizer.json that is not known here is refused by name") {
  const json good = read_json(kGolden / "gpt2" / "tokenizer.json");
  REQUIRE(error_of(good).empty());
  struct Case {
    const char* pointer;
    json value;
    const char* message;
  };
  const Case cases[] = {
      {"/normalizer",
       {{"type", "Precompiled"}, {"precompiled_charsmap", ""}},
       "t.json.normalizer: this program has no \"Precompiled\""},
      {"/normalizer", {{"type", "NFC"}, {"strict", true}}, "t.json.normalizer: the setting \"strict\" is not known here"},
      {"/normalizer", "NFC", "t.json.normalizer: expected an object"},
      {"/pre_tokenizer", {{"type", "UnicodeScripts"}}, "t.json.pre_tokenizer: this program has no \"UnicodeScripts\""},
      {"/pre_tokenizer/use_regex", 3, "t.json.pre_tokenizer.use_regex: expected true or false"},
      {"/pre_tokenizer",
       {{"type", "Sequence"}, {"pretokenizers", {{{"type", "Split"}, {"pattern", {{"Regex", "("}}}}}}},
       "t.json.pre_tokenizer.pretokenizers[0].pattern.Regex: the expression"},
      {"/pre_tokenizer",
       {{"type", "Split"}, {"pattern", {{"Regex", "\\h"}}}, {"behavior", "Isolated"}},
       "\"\\\\h\" in an expression is not known here"},
      {"/pre_tokenizer",
       {{"type", "Split"}, {"pattern", {{"Regex", "\\C"}}}, {"behavior", "Isolated"}},
       "\"\\\\C\" in an expression is not known here"},
      {"/pre_tokenizer",
       {{"type", "Split"}, {"pattern", {{"String", " "}}}, {"behavior", "Somehow"}},
       "no behavior \"Somehow\" is known here"},
      {"/decoder", {{"type", "CTC"}}, "t.json.decoder: this program has no \"CTC\""},
      {"/model/type", "Unigram", "t.json.model: this program has no \"Unigram\""},
      {"/model/dropout", 0.1, "t.json.model.dropout: merges at random are not known here"},
      {"/model/unk_token", "nowhere", "the token \"nowhere\" is not in the vocabulary"},
      {"/model/vocab/!", -1, "token \"!\": expected an id"},
      {"/model/vocab/!", 1, "is given twice"},
      {"/model/merges/0", json::array({"a", "nowhere"}), "rule 0: the token \"nowhere\" is not in the vocabulary"},
      {"/model/merges/0", 7, "rule 0: expected two tokens"},
      {"/added_tokens/0/content", "", "t.json.added_tokens[0].content: expected a text of 1 to"},
      {"/added_tokens/0/id", 99999999, "t.json.added_tokens[0].id: expected 0 to"},
      {"/something", 1, "t.json: the setting \"something\" is not known here"},
  };
  for (const Case& spoilt : cases) {
    json document = good;
    document[json::json_pointer(spoilt.pointer)] = spoilt.value;
    const std::string error = error_of(document);
    CAPTURE(spoilt.pointer, spoilt.value.dump(), error);
    CHECK(error.find(spoilt.message) != std::string::npos);
    CHECK(error.find('\n') == std::string::npos);
  }
  CHECK_THROWS_AS(load_tokenizer("huggingface", kGolden), InputError);
  CHECK_THROWS_AS(train_tokenizer("huggingface", "a text"), InputError);
}

TEST_CASE("a damaged SentencePiece model is refused") {
  if (!has_sentencepiece()) return;
  const std::string model = read_text(kGolden / "sentencepiece_unigram" / "tokenizer.model");
  for (const std::string& bytes : {std::string(), std::string("text"), model.substr(0, 10), std::string(1000, '\xFF')})
    CHECK_THROWS_AS(SentencePieceTokenizer(bytes, "m.model"), InputError);
}

#include "data/tokenizers/bpe_tokenizer.h"

#include <algorithm>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>

#include "data/tokenizers/registry.h"
#include "tests/data/data_support.h"

using namespace cosformer;
using namespace cosformer::test;
using Catch::Matchers::StartsWith;
using test::Contains;
using Ids = std::vector<std::int32_t>;

namespace {

/// The bytes by value, and then a token for each merge.
BpeModel model_of(const std::vector<std::pair<std::string, std::string>>& merges) {
  BpeModel model;
  std::map<std::string, std::int32_t> ids;
  const auto id_of = [&](const std::string& bytes) {
    const auto [entry, is_new] = ids.emplace(bytes, static_cast<std::int32_t>(model.tokens.size()));
    if (is_new) model.tokens.push_back(spell_bytes(bytes));
    return entry->second;
  };
  for (int byte = 0; byte < 256; ++byte) id_of(std::string(1, static_cast<char>(static_cast<unsigned char>(byte))));
  for (const auto& [left, right] : merges) {
    const std::int32_t l = id_of(left), r = id_of(right);
    model.merges.push_back({l, r, id_of(left + right)});
  }
  return model;
}

/// One word, by the definition: the first rule of the list that applies anywhere, at its leftmost place, until none does.
Ids reference_encode_word(const BpeModel& model, std::string_view word) {
  Ids ids;
  for (const char c : word) ids.push_back(static_cast<unsigned char>(c));
  for (std::size_t rule = 0; rule < model.merges.size();) {
    const BpeMerge& merge = model.merges[rule];
    const std::int32_t pair[] = {merge.left, merge.right};
    const auto place = std::search(ids.begin(), ids.end(), std::begin(pair), std::end(pair));
    if (place == ids.end()) {
      ++rule;
    } else {
      *place = merge.merged;
      ids.erase(place + 1);
      rule = 0;
    }
  }
  return ids;
}

/// Random rules over a small alphabet, in an order that no training would give.
BpeModel random_model(std::mt19937_64& random, std::size_t rules) {
  std::vector<std::string> tokens{"a", "b", "c"};
  std::vector<std::pair<std::string, std::string>> merges;
  while (merges.size() < rules) {
    const std::pair pair{tokens[random() % tokens.size()], tokens[random() % tokens.size()]};
    if (std::find(merges.begin(), merges.end(), pair) != merges.end()) continue;
    merges.push_back(pair);
    tokens.push_back(pair.first + pair.second);
  }
  std::shuffle(merges.begin(), merges.end(), random);
  return model_of(merges);
}

std::string error_of_merges(const std::string& merges) {
  const ScratchFolder folder;
  write_files(folder.path(), files_of(model_of({{"a", "b"}})));
  const auto path = folder.write("merges.txt", merges);
  const std::string message = input_error([&] { load_tokenizer("bpe", folder.path()); });
  CHECK_THAT(message, StartsWith(path.string() + ":"));
  CHECK(message.find('\n') == std::string::npos);
  return message.substr(path.string().size());
}

}  // namespace

TEST_CASE("GPT-2's files give GPT-2's ids") {
  const auto folder = kit_file("tokenizers/gpt2");
  if (!folder) {
    SUCCEED();
    return;
  }
  const auto tokenizer = load_tokenizer("bpe", *folder);
  CHECK(tokenizer->vocab_size() == 50'257);
  std::ifstream cases(*folder / "encode_cases.jsonl");
  int count = 0;
  for (std::string line; std::getline(cases, line); ++count) {
    const auto example = nlohmann::json::parse(line);
    const auto text = example["text"].get<std::string>();
    CAPTURE(text);
    CHECK(tokenizer->encode(text) == example["ids"].get<Ids>());
    CHECK(tokenizer->decode(example["ids"].get<Ids>()) == text);
  }
  CHECK(count == 95);
  CHECK(tokenizer->decode(Ids{50'256}) == "<|endoftext|>");
  CHECK(tokenizer->encode("<|endoftext|>").size() > 1);

  const ScratchFolder copy;
  write_files(copy.path(), tokenizer->files());
  CHECK(read_text(copy.path() / "merges.txt") == read_text(*folder / "merges.txt"));
  CHECK(nlohmann::json::parse(read_text(copy.path() / "vocab.json")) ==
        nlohmann::json::parse(read_text(*folder / "vocab.json")));
}

TEST_CASE("RoBERTa's files give the same pieces of text as GPT-2's") {
  const auto gpt2_folder = kit_file("tokenizers/gpt2"), roberta_folder = kit_file("tokenizers/roberta-base");
  if (!gpt2_folder || !roberta_folder) {
    SUCCEED();
    return;
  }
  const auto gpt2 = load_tokenizer("bpe", *gpt2_folder), roberta = load_tokenizer("bpe", *roberta_folder);
  CHECK(roberta->vocab_size() == 50'265);
  std::mt19937_64 random(3);
  const std::string text = random_text(random, 2000);
  const Ids a = gpt2->encode(text), b = roberta->encode(text);
  REQUIRE(a.size() == b.size());
  for (std::size_t i = 0; i < a.size(); ++i) REQUIRE(gpt2->decode({&a[i], 1}) == roberta->decode({&b[i], 1}));
}

TEST_CASE("decoding gives back any bytes that were encoded") {
  std::mt19937_64 random(17);
  const BpeTokenizer tokenizer(model_of({{"t", "h"}, {"th", "e"}, {"\xFF", "\xFF"}, {" ", "a"}, {"\xE2", "\x82"}}));
  for (int repetition = 0; repetition < 200; ++repetition) {
    const std::string text = repetition % 2 ? random_text(random, 100) : random_bytes(random, 200);
    REQUIRE(tokenizer.decode(tokenizer.encode(text)) == text);
  }
  CHECK(tokenizer.encode("the \xFF\xFF\xFF") == Ids{257, 32, 258, 255});
}

TEST_CASE("merges follow the order of the rules, leftmost first, on random rules") {
  std::mt19937_64 random(23);
  for (int repetition = 0; repetition < 200; ++repetition) {
    const BpeModel model = random_model(random, 1 + repetition % 12);
    const BpeTokenizer tokenizer(model);
    std::string word;
    for (std::size_t size = random() % 40; word.size() < size;) word += "abc"[random() % 3];
    CAPTURE(word);
    REQUIRE(tokenizer.encode(word) == reference_encode_word(model, word));
  }
}

TEST_CASE("a word of half a million bytes is encoded in one go") {
  std::vector<std::pair<std::string, std::string>> merges;
  for (std::string token = "a"; token.size() < 256; token += token) merges.emplace_back(token, token);
  const BpeTokenizer tokenizer(model_of(merges));
  const std::string word(500'000, 'a');
  const Ids ids = tokenizer.encode(word);
  CHECK(ids.size() == 500'000 / 256 + 1);  // and 32 letters more
  CHECK(tokenizer.decode(ids) == word);
}

TEST_CASE("a text of many pieces is encoded like its words one by one") {
  std::mt19937_64 random(29);
  std::string text;
  while (text.size() < 2'500'000) text += random_text(random, 50);
  const BpeTokenizer tokenizer(model_of({{"t", "h"}, {"th", "e"}, {"a", "b"}, {" ", "the"}, {"ab", "ab"}}));
  Ids expected;
  for (const std::string_view word : BpePreTokenizer().split(text)) {
    const Ids ids = tokenizer.encode(word);
    expected.insert(expected.end(), ids.begin(), ids.end());
  }
  CHECK(tokenizer.encode(text) == expected);
}

TEST_CASE("merges that are no rules of the vocabulary are refused with their line") {
  CHECK_THAT(error_of_merges("a"), StartsWith(":1: expected two tokens"));
  CHECK_THAT(error_of_merges("a b\na b c"), StartsWith(":2: expected two tokens"));
  CHECK_THAT(error_of_merges(" a"), StartsWith(":1: expected two tokens"));
  CHECK_THAT(error_of_merges("a "), StartsWith(":1: expected two tokens"));
  CHECK_THAT(error_of_merges("#version: 0.2\na b\na b\n"), StartsWith(":3: \"a b\" appears twice"));
  CHECK_THAT(error_of_merges("xyz b"), Contains("\"xyz\" is not in vocab.json"));
  CHECK_THAT(error_of_merges("b a"), Contains("\"ba\" is not in vocab.json"));
  CHECK_THAT(error_of_merges("a \xFF"), Contains("is not in vocab.json"));
  CHECK_THAT(error_of_merges("a " + std::string(1'000'000, 'b')), Contains("over 1024 bytes"));
  CHECK_THAT(error_of_merges("a b\n#version: 0.2"), StartsWith(":2: "));
}

TEST_CASE("merges may have line ends of two bytes, empty lines and no end of the last line") {
  const ScratchFolder folder;
  write_files(folder.path(), files_of(model_of({{"a", "b"}, {"#", "#"}})));
  folder.write("merges.txt", "#version: 0.2\r\na b\r\n\n# #");
  CHECK(load_tokenizer("bpe", folder.path())->encode("ab##") == Ids{256, 257});
  folder.write("merges.txt", "# #\na b");
  CHECK(load_tokenizer("bpe", folder.path())->encode("ab##") == Ids{256, 257});
}

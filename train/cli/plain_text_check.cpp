#include "train/cli/plain_text_check.h"

#include <fmt/format.h>

#include <algorithm>
#include <iostream>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <system_error>
#include <unordered_map>

#include "core/error.h"
#include "core/printable.h"
#include "data/mapped_file.h"
#include "data/text_corpus.h"
#include "data/tokenizers/words.h"
#include "data/utf8.h"
#include "train/cli/options.h"

namespace cosformer {

namespace {

namespace fs = std::filesystem;
using nlohmann::ordered_json;

/// How often each word and each character of a text occurs.
struct Counts {
  std::unordered_map<std::string, std::int64_t> words;
  std::map<char32_t, std::int64_t> characters;
  std::int64_t all_words = 0, all_characters = 0;
  std::size_t first_fault = std::string_view::npos;  ///< the first byte that is no UTF-8
};

Counts count(std::string_view text) {
  Counts counts;
  for_each_word(
      text,
      [&](std::string_view word) {
        ++counts.words[std::string(word)];
        ++counts.all_words;
      },
      [] {});
  counts.first_fault = find_invalid_utf8(text);
  for (std::string_view rest = text; !rest.empty();) {
    const std::size_t length = utf8_length(rest);
    if (length > 0) {
      ++counts.characters[utf8_decode(rest.substr(0, length))];
      ++counts.all_characters;
    }
    rest.remove_prefix(std::max<std::size_t>(length, 1));
  }
  return counts;
}

/// The share of occurrences that `known` does not have.
template <class Map>
double unknown_share(const Map& counts, const Map& known, std::int64_t all) {
  std::int64_t unknown = 0;
  for (const auto& [key, number] : counts) unknown += known.contains(key) ? 0 : number;
  return static_cast<double>(unknown) / static_cast<double>(std::max<std::int64_t>(all, 1));
}

ordered_json describe(std::string_view text, const Counts& counts, const Counts* train) {
  const TextStatistics sizes = text_statistics(text);
  ordered_json json{
      {"bytes", sizes.bytes},
      {"lines", sizes.lines},
      {"words", counts.all_words},
      {"characters", counts.all_characters},
      {"word_vocabulary", counts.words.size()},
      {"character_vocabulary", counts.characters.size()},
      {"words_once", std::ranges::count(counts.words, std::int64_t{1}, [](const auto& entry) { return entry.second; })}};
  if (counts.first_fault != std::string_view::npos) json["not_utf8"] = line_and_column(text, counts.first_fault);
  if (train != nullptr) {
    json["unknown_words"] = unknown_share(counts.words, train->words, counts.all_words);
    json["unknown_characters"] = unknown_share(counts.characters, train->characters, counts.all_characters);
  }
  return json;
}

void print(const ordered_json& json) {
  std::cout << fmt::format("{}\nformat      plain\n", visible(json["path"].get<std::string>()));
  for (const auto& [name, part] : json["parts"].items()) {
    std::cout << fmt::format("{:<11} {} bytes, {} lines, {} words, {} characters\n", name, part["bytes"].dump(),
                             part["lines"].dump(), part["words"].dump(), part["characters"].dump());
    std::cout << fmt::format("  vocabulary {} words, {} of them once; {} characters\n", part["word_vocabulary"].dump(),
                             part["words_once"].dump(), part["character_vocabulary"].dump());
    if (part.contains("unknown_words")) {
      std::cout << fmt::format("  unknown    {:.3g} % of the words, {:.3g} % of the characters\n",
                               100 * part["unknown_words"].get<double>(), 100 * part["unknown_characters"].get<double>());
    }
    if (part.contains("not_utf8"))
      std::cout << fmt::format("  not UTF-8 at {}: only the byte tokenizer reads it\n", part["not_utf8"].get<std::string>());
  }
}

}  // namespace

std::vector<std::pair<std::string, fs::path>> plain_texts(const fs::path& path) {
  std::error_code ignored;
  std::vector<std::pair<std::string, fs::path>> texts;
  if (fs::is_regular_file(path, ignored)) return {{"file", path}};
  for (const char* part : {"train", "valid", "test"}) {
    for (const char* before : {"", "wiki."}) {
      for (const char* end : {".txt", ".tokens"}) {
        const fs::path file = path / (before + std::string(part) + end);
        if (fs::is_regular_file(file, ignored) && (texts.empty() || texts.back().first != part))
          texts.emplace_back(part, file);
      }
    }
  }
  return texts;
}

int check_plain_text(const fs::path& path, const std::optional<fs::path>& train_text, bool as_json) {
  const auto texts = plain_texts(path);
  check<InputError>(!texts.empty(), path.string(),
                    ": expected a text, or a folder with train, valid or test.txt or .tokens");
  std::optional<Counts> train;
  if (train_text) train = count(open_text(*train_text).bytes());
  ordered_json json{{"path", path.string()}, {"format", "plain"}};
  for (const auto& [name, file] : texts) {
    const MappedFile text = open_text(file);
    check<InputError>(!text.bytes().empty(), file.string(), ": the file is empty");
    Counts counts = count(text.bytes());
    json["parts"][name] = describe(text.bytes(), counts, train ? &*train : nullptr);
    if (name == "train" && !train) train = std::move(counts);
  }
  if (as_json) {
    print_json(json);
  } else {
    print(json);
  }
  return 0;
}

}  // namespace cosformer

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
#include "data/corpus/text_files.h"
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
};

/// Counts of a corpus and its sizes.
struct CountedText : Counts {
  std::int64_t bytes = 0, lines = 0;
  std::string fault;  ///< "FILE:LINE:COLUMN" of the first byte that is no UTF-8; empty: there is none
};

/// Blocks end with lines, so that no word and no character is cut.
CountedText count(const CorpusFiles& files) {
  CountedText counts;
  CorpusBlocks blocks(files, [](std::string_view text, std::size_t p) { return text[p - 1] == '\n'; });
  while (const auto block = blocks.next()) {
    const std::string_view text = block->text;
    counts.bytes += static_cast<std::int64_t>(text.size());
    for_each_word(
        text,
        [&](std::string_view word) {
          ++counts.words[std::string(word)];
          ++counts.all_words;
        },
        [&] { ++counts.lines; });
    if (const std::size_t first = find_invalid_utf8(text); counts.fault.empty() && first != std::string_view::npos)
      counts.fault = text_error(*block->file, line_and_column(text, first) + ":", block->line, block->column);
    for (std::string_view rest = text; !rest.empty();) {
      const std::size_t length = utf8_length(rest);
      if (length > 0) {
        ++counts.characters[utf8_decode(rest.substr(0, length))];
        ++counts.all_characters;
      }
      rest.remove_prefix(std::max<std::size_t>(length, 1));
    }
  }
  if (counts.fault.ends_with(':')) counts.fault.pop_back();
  check<InputError>(counts.bytes > 0, files.files[0].string(), ": the file is empty");
  return counts;
}

/// The share of occurrences that `known` does not have.
template <class Map>
double unknown_share(const Map& counts, const Map& known, std::int64_t all) {
  std::int64_t unknown = 0;
  for (const auto& [key, number] : counts) unknown += known.contains(key) ? 0 : number;
  return static_cast<double>(unknown) / static_cast<double>(std::max<std::int64_t>(all, 1));
}

ordered_json describe(const CountedText& counts, const Counts* train) {
  ordered_json json{
      {"bytes", counts.bytes},
      {"lines", counts.lines},
      {"words", counts.all_words},
      {"characters", counts.all_characters},
      {"word_vocabulary", counts.words.size()},
      {"character_vocabulary", counts.characters.size()},
      {"words_once", std::ranges::count(counts.words, std::int64_t{1}, [](const auto& entry) { return entry.second; })}};
  if (!counts.fault.empty()) json["not_utf8"] = counts.fault;
  if (train != nullptr) {
    json["unknown_words"] = unknown_share(counts.words, train->words, counts.all_words);
    json["unknown_characters"] = unknown_share(counts.characters, train->characters, counts.all_characters);
  }
  return json;
}

void print(const ordered_json& json) {
  std::cout << fmt::format("{}\nformat      {}\n", visible(json["path"].get<std::string>()),
                           json["format"].get<std::string>());
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
      std::cout << fmt::format("  not UTF-8 at {}: tokenizers of characters and words do not read it\n",
                               visible(part["not_utf8"].get<std::string>()));
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

int check_plain_text(const fs::path& path, const PlainTextOptions& options, bool as_json) {
  auto texts = plain_texts(path);
  std::error_code ignored;
  const bool has_parts = fs::is_directory(path, ignored) && !texts.empty();
  // A folder without parts, or a pattern, is a corpus of files.
  if (texts.empty()) texts = {{"files", path}};
  const auto files_of = [&](const fs::path& file) {
    return CorpusFiles{has_parts ? std::vector<fs::path>{file} : find_text_files(file.string()), options.text_key};
  };
  std::optional<CountedText> train;
  if (options.train_text) train = count({find_text_files(options.train_text->string()), options.text_key});
  ordered_json json{{"path", path.string()}, {"format", options.text_key.empty() ? "plain" : "json_lines"}};
  for (const auto& [name, file] : texts) {
    const CorpusFiles files = files_of(file);
    CountedText counts = count(files);
    json["parts"][name] = describe(counts, train ? &*train : nullptr);
    if (files.files.size() > 1) json["parts"][name]["files"] = files.files.size();
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

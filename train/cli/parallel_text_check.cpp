#include "train/cli/parallel_text_check.h"

#include <fmt/format.h>

#include <algorithm>
#include <iostream>
#include <limits>
#include <nlohmann/json.hpp>
#include <set>
#include <system_error>

#include "core/error.h"
#include "data/parallel_text.h"
#include "data/text_corpus.h"
#include "train/cli/options.h"

namespace cosformer {

namespace {

namespace fs = std::filesystem;
using nlohmann::ordered_json;

bool has_file(const fs::path& prefix, const std::string& language) {
  std::error_code ignored;
  return fs::is_regular_file(prefix.string() + '.' + language, ignored) ||
         fs::is_regular_file(prefix.string() + '.' + language + ".gz", ignored);
}

bool has_both(const fs::path& prefix, const LanguagePair& languages) {
  return has_file(prefix, languages.source) && has_file(prefix, languages.target);
}

/// Lengths of one side in words parted by blanks.
ordered_json describe(const std::vector<std::string>& sentences) {
  std::int64_t shortest = std::numeric_limits<std::int64_t>::max(), longest = 0, words = 0, bytes = 0;
  for (const std::string& sentence : sentences) {
    const TextStatistics statistics = text_statistics(sentence);
    shortest = std::min(shortest, statistics.words);
    longest = std::max(longest, statistics.words);
    words += statistics.words;
    bytes += statistics.bytes;
  }
  return {{"words", words},
          {"bytes", bytes},
          {"empty", std::ranges::count(sentences, std::string())},
          {"min", shortest},
          {"mean", static_cast<double>(words) / static_cast<double>(sentences.size())},
          {"max", longest}};
}

void print(const ordered_json& json, const LanguagePair& languages) {
  std::cout << fmt::format("{}\nformat      parallel\n", json["path"].get<std::string>());
  for (const auto& [name, part] : json["parts"].items()) {
    std::cout << fmt::format("{:<11} {} pairs\n", name, part["pairs"].dump());
    for (const std::string& language : {languages.source, languages.target}) {
      const ordered_json& side = part[language];
      std::cout << fmt::format("  {:<9} {} words, {} to {} a sentence, mean {:.1f}; {} bytes; {} empty\n", language,
                               side["words"].dump(), side["min"].dump(), side["max"].dump(), side["mean"].get<double>(),
                               side["bytes"].dump(), side["empty"].dump());
    }
  }
}

}  // namespace

LanguagePair parse_languages(const std::string& text) {
  const std::size_t comma = text.find(',');
  const LanguagePair pair{text.substr(0, comma), comma == std::string::npos ? std::string() : text.substr(comma + 1)};
  check<InputError>(!pair.source.empty() && !pair.target.empty() && pair.source != pair.target &&
                        pair.target.find(',') == std::string::npos && text.find('/') == std::string::npos,
                    "--languages: expected two names as in \"en,de\", found \"", text, '"');
  return pair;
}

std::vector<fs::path> parallel_prefixes(const fs::path& path, const LanguagePair& languages) {
  std::error_code error;
  if (!fs::is_directory(path, error)) {
    return has_both(path, languages) ? std::vector<fs::path>{path} : std::vector<fs::path>{};
  }
  std::set<fs::path> prefixes;
  for (fs::directory_iterator file(path, error), end; !error && file != end; file.increment(error)) {
    const std::string name = file->path().filename().string();
    for (const std::string& ending : {'.' + languages.source, '.' + languages.source + ".gz"}) {
      const fs::path prefix = path / name.substr(0, name.size() - std::min(name.size(), ending.size()));
      if (name.size() > ending.size() && name.ends_with(ending) && has_both(prefix, languages)) prefixes.insert(prefix);
    }
  }
  return {prefixes.begin(), prefixes.end()};
}

int check_parallel_text(const fs::path& path, const LanguagePair& languages, bool as_json) {
  const std::vector<fs::path> prefixes = parallel_prefixes(path, languages);
  check<InputError>(!prefixes.empty(), path.string(), ": no files NAME.", languages.source, " and NAME.", languages.target,
                    " (or with .gz), nor is it their NAME; --languages names other ends");
  ordered_json json{{"path", path.string()}, {"format", "parallel"}};
  for (const fs::path& prefix : prefixes) {
    const ParallelText text = load_parallel_text(find_parallel_files(prefix, languages.source, languages.target));
    json["parts"][prefix.filename().string()] = {
        {"pairs", text.source.size()}, {languages.source, describe(text.source)}, {languages.target, describe(text.target)}};
  }
  if (as_json) {
    print_json(json);
  } else {
    print(json, languages);
  }
  return 0;
}

}  // namespace cosformer

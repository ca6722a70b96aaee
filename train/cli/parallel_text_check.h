#pragma once
/// \file
/// What `cosformer data check` says of a parallel text.

#include <filesystem>
#include <string>
#include <vector>

namespace cosformer {

/// The names of the files' ends, "src" and "tgt" or two languages.
struct LanguagePair {
  std::string source = "src";
  std::string target = "tgt";
};

/// "en,de". Throws InputError for anything but two names.
LanguagePair parse_languages(const std::string& text);

/// The prefixes of parallel files at `path`: itself if it is such a prefix, or those in a folder, by name; none if
/// there are none.
std::vector<std::filesystem::path> parallel_prefixes(const std::filesystem::path& path, const LanguagePair& languages);

/// Reads both files of every prefix and prints how many pairs they have, and their lengths. Throws InputError.
int check_parallel_text(const std::filesystem::path& path, const LanguagePair& languages, bool as_json);

}  // namespace cosformer

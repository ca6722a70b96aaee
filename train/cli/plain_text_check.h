#pragma once
/// \file
/// What `cosformer data check` says of a plain text.

#include <filesystem>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace cosformer {

/// The texts at `path` with their names: a folder's train, valid and test (`.txt` or `.tokens`, with `wiki.` before them or
/// not), or the file itself. None if there are none.
std::vector<std::pair<std::string, std::filesystem::path>> plain_texts(const std::filesystem::path& path);

struct PlainTextOptions {
  std::optional<std::filesystem::path> train_text;  ///< whose vocabulary counts as known; else that of the part "train"
  std::string text_key;                             ///< of lines of JSON; empty: plain texts
};

/// Reads the texts, or all files of a folder or a pattern, and prints their size, their vocabulary and what share of them
/// the training text does not have. Throws InputError.
int check_plain_text(const std::filesystem::path& path, const PlainTextOptions& options, bool as_json);

}  // namespace cosformer

#pragma once
/// \file
/// The files that a path of a config names.

#include <filesystem>
#include <string>
#include <vector>

namespace cosformer {

/// Whether a path is a pattern, with *, ? or [ in it, that no file bears as its name.
bool is_pattern(const std::string& path);

/// The files of a corpus, sorted by their paths: one file, all files of a folder and of those in it but hidden ones, or the
/// files that match a pattern (glob(7)). Throws InputError if there are none.
std::vector<std::filesystem::path> find_text_files(const std::string& path);

}  // namespace cosformer

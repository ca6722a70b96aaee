#pragma once
/// \file
/// The format of a data set from its files.

#include <filesystem>
#include <string_view>

namespace cosformer {

/// Name of the labelled format that `path` looks like; empty if it looks like none. Throws InputError if there is no `path`.
std::string_view guess_labelled_format(const std::filesystem::path& path);

}  // namespace cosformer

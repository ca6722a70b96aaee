#pragma once
/// \file
/// What to say of a path that leads nowhere.

#include <filesystem>
#include <string>

namespace cosformer {

/// The end of a message about a missing file or folder: where a relative path was looked for, and its neighbour of nearly
/// the same name if there is one: ` (looked for in /home/me); did you mean "runs/mine"?`. Empty if there is nothing to add.
std::string missing_path_hint(const std::filesystem::path& path);

}  // namespace cosformer

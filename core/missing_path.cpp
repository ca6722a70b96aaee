#include "core/missing_path.h"

#include <system_error>
#include <vector>

#include "core/error.h"
#include "core/nearest_name.h"

namespace cosformer {

std::string missing_path_hint(const std::filesystem::path& path) {
  constexpr std::size_t kMostNeighbours = 1000;
  const std::filesystem::path parent = path.parent_path();
  std::error_code error;
  std::string hint;
  if (path.is_relative()) {
    const std::filesystem::path current = std::filesystem::current_path(error);
    if (!error) hint = concat(" (looked for in ", current.string(), ")");
  }
  std::vector<std::string> neighbours;
  for (std::filesystem::directory_iterator it(parent.empty() ? "." : parent, error), end;
       !error && it != end && neighbours.size() < kMostNeighbours; it.increment(error)) {
    // The ending is no part of the likeness: none.toml is not nearly lost.toml.
    if (it->path().extension() == path.extension()) neighbours.push_back(it->path().stem().string());
  }
  const std::vector<std::string_view> names(neighbours.begin(), neighbours.end());
  if (const auto nearest = nearest_name(path.stem().string(), names)) {
    hint += concat("; did you mean \"", (parent / *nearest).string(), path.extension().string(), "\"?");
  }
  return hint;
}

}  // namespace cosformer

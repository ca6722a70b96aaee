#pragma once
/// \file
/// The Python files that an exported model brings along, as they stand in this folder.

#include <span>
#include <string_view>

namespace cosformer {

struct PythonSource {
  std::string_view name;
  std::string_view text;
};
/// Made by CMake from the files.
std::span<const PythonSource> python_sources();

}  // namespace cosformer

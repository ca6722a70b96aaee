#pragma once
/// \file
/// What a generator writes, in memory.

#include <map>
#include <string>
#include <vector>

#include "data/generators/generated_files.h"
#include "tests/data/data_support.h"

namespace cosformer::test {

class MemoryFiles : public GeneratedFiles {
 public:
  void append(std::string_view name, std::string_view bytes) override {
    // Once another file was begun, the former is complete.
    if (last_ != name && content.contains(std::string(name))) FAIL("went back to the file " << name);
    last_ = name;
    content[std::string(name)] += bytes;
  }

  /// Writes all files below a folder.
  void write_to(const ScratchFolder& folder) const {
    for (const auto& [name, bytes] : content) folder.write(name, bytes);
  }
  /// All names and contents in one vector, for comparisons.
  std::vector<char> all() const {
    std::vector<char> bytes;
    for (const auto& [name, file] : content) {
      bytes.insert(bytes.end(), name.begin(), name.end());
      bytes.insert(bytes.end(), file.begin(), file.end());
    }
    return bytes;
  }

  std::map<std::string, std::string> content;

 private:
  std::string last_;
};

}  // namespace cosformer::test

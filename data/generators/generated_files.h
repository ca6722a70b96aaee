#pragma once
/// \file
/// What every generator of a data set is given.

#include <cstdint>
#include <functional>
#include <string_view>

namespace cosformer {

/// Takes the files of a data set. Whoever owns it sees to it that they appear whole or not at all.
class GeneratedFiles {
 public:
  virtual ~GeneratedFiles() = default;
  /// Adds bytes to the end of the file `name`, a relative path with `/`, which the first call makes together with its
  /// folders. The calls for one file follow one another.
  virtual void append(std::string_view name, std::string_view bytes) = 0;
};

/// Is told from time to time how many of how many examples there are. What it throws ends the generator.
using GeneratorProgress = std::function<void(std::int64_t done, std::int64_t total)>;

}  // namespace cosformer

#pragma once
/// \file
/// What is wrong with the values of a config, as those who own the options report it.

#include <string>

namespace cosformer {

/// An option that does not fit the others.
struct OptionProblem {
  const char* key;      ///< the config key at fault, "optimizer.momentum"
  std::string message;  ///< one line that names the key
};

}  // namespace cosformer

#pragma once
/// \file
/// Exceptions and the one function that throws them.

#include <sstream>
#include <stdexcept>
#include <string>

namespace cosformer {

/// Base of everything the library throws on purpose.
struct Error : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// Shapes, dtypes or arguments of an operation that do not fit together: the caller's bug.
struct ShapeError : Error {
  using Error::Error;
};

/// A config, flag, data file or checkpoint that cannot be used: the user's input is at fault.
/// The message is one complete line; `main` prints it and exits with code 2.
struct InputError : Error {
  using Error::Error;
};

/// The concatenation of all parts, each written with `operator<<`.
template <class... Parts>
std::string concat(const Parts&... parts) {
  std::ostringstream text;
  (text << ... << parts);
  return text.str();
}

/// Throws `E` with the concatenated message unless `condition` holds.
template <class E, class... Parts>
void check(bool condition, const Parts&... parts) {
  if (!condition) [[unlikely]]
    throw E(concat(parts...));
}

}  // namespace cosformer

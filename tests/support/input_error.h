#pragma once
/// \file
/// The message of an InputError.

#include <string>

#include "core/error.h"

namespace cosformer::test {

/// What the InputError that `action` throws says; empty if it throws none. Other exceptions go through.
template <class Action>
std::string input_error_of(Action&& action) {
  try {
    action();
  } catch (const InputError& error) {
    return error.what();
  }
  return {};
}

}  // namespace cosformer::test

#pragma once
/// \file
/// How a failure is told: one line on standard error, and an exit code.

#include <exception>
#include <functional>
#include <string_view>

#include "core/communicator.h"

namespace cosformer {

/// Prints "error: MESSAGE" on standard error (or the message alone, if it says "error" already) and returns `code`.
int print_failure(std::string_view message, int code);
/// Prints what an exception says and returns the exit code for it: 2 if the input is at fault, else 1.
int report_failure(const std::exception_ptr& failure);

/// Runs a verb on all ranks that this process was launched with, and returns the exit code. If it fails on all of them
/// together, one line is printed; if it fails on one alone, that one ends all of them. Throws what the verb does if there
/// is one rank.
int run_on_ranks(const std::function<int(Communicator& ranks)>& verb);

}  // namespace cosformer

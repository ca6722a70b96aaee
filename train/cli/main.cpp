#include <exception>
#include <iostream>
#include <new>
#include <string_view>

#include "core/error.h"
#include "core/parallel.h"
#include "train/cli/verbs.h"

namespace {

constexpr int kFailure = 1;
constexpr int kInputAtFault = 2;

int fail(std::string_view message, int code) {
  // Messages about a file begin with its name.
  const bool labelled = message.find(": error: ") != std::string_view::npos;
  std::cerr << (labelled ? "" : "error: ") << message << '\n';
  return code;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    cosformer::initialize_threads();
    const int code = cosformer::run_program(argc, argv);
    std::cout.flush();
    return std::cout ? code : fail("standard output cannot be written", kFailure);
  } catch (const cosformer::InputError& error) {
    return fail(error.what(), kInputAtFault);
  } catch (const std::bad_alloc&) {
    return fail("out of memory", kFailure);
  } catch (const std::exception& error) {
    return fail(error.what(), kFailure);
  }
}

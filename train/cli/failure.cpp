#include "train/cli/failure.h"

#include <iostream>
#include <new>
#include <stdexcept>

#include "core/error.h"
#include "core/printable.h"
#include "train/loop/rank_agreement.h"

namespace cosformer {

namespace {

constexpr int kFailure = 1;
constexpr int kInputAtFault = 2;

}  // namespace

int print_failure(std::string_view message, int code) {
  // Messages about a file begin with its name.
  const bool labelled = message.find(": error: ") != std::string_view::npos;
  std::cerr << (labelled ? "" : "error: ") << visible(message) << std::endl;
  return code;
}

int report_failure(const std::exception_ptr& failure) {
  try {
    std::rethrow_exception(failure);
  } catch (const AgreedFailure& error) {
    const int code = error.input_at_fault() ? kInputAtFault : kFailure;
    const std::string_view message = error.what();
    return message.empty() ? code : print_failure(message, code);
  } catch (const InputError& error) {
    return print_failure(error.what(), kInputAtFault);
  } catch (const std::bad_alloc&) {
    return print_failure("out of memory", kFailure);
  } catch (const std::length_error&) {
    // What a container says to a size beyond its address space.
    return print_failure("out of memory", kFailure);
  } catch (const std::exception& error) {
    return print_failure(error.what(), kFailure);
  }
}

int run_on_ranks(const std::function<int(Communicator& ranks)>& verb) {
  const auto ranks = connect_ranks();
  if (ranks->is_alone()) return verb(*ranks);
  int code = 0;
  try {
    code = verb(*ranks);
  } catch (const AgreedFailure&) {
    code = report_failure(std::current_exception());
  } catch (...) {
    ranks->abort(report_failure(std::current_exception()));
  }
  // The launcher ends all ranks when the first has failed: not before rank 0 has spoken.
  ranks->gather_all({});
  return code;
}

}  // namespace cosformer

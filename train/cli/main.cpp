#include <unistd.h>

#include <exception>
#include <iostream>

#include "core/blas_guard.h"
#include "core/blas_kernels.h"
#include "core/blas_memory.h"
#include "core/cgroup_limits.h"
#include "core/error.h"
#include "core/parallel.h"
#include "core/printable.h"
#include "train/cli/failure.h"
#include "train/cli/process_start.h"
#include "train/cli/standard_output.h"
#include "train/cli/verbs.h"

namespace {

int run(int argc, char** argv) {
  try {
    cosformer::check<cosformer::InputError>(cosformer::num_threads() <= cosformer::kMaxThreads,
                                            "OMP_NUM_THREADS: expected at most ", cosformer::kMaxThreads, " threads, found ",
                                            cosformer::num_threads());
    cosformer::reserve_blas_buffers(1);  // for the products that tell the kernels apart
    if (const auto warning = cosformer::guard_blas()) std::cerr << "warning: " << cosformer::visible(*warning) << '\n';
    // Before any loop: OpenBLAS may be told to choose again, which must not happen beside other threads.
    if (const cosformer::BlasKernels& blas = cosformer::blas_kernels(); blas.weak() && !blas.asked.empty()) {
      std::cerr << "warning: OPENBLAS_CORETYPE=" << cosformer::visible(blas.asked) << ": kernels without "
                << cosformer::name_of(*blas.processor) << ", which this processor has\n";
    }
    cosformer::initialize_threads();
    return cosformer::run_program(argc, argv);
  } catch (...) {
    return cosformer::report_failure(std::current_exception());
  }
}

}  // namespace

int main(int argc, char** argv) {
  cosformer::prepare_process();
  using cosformer::StandardOutput;
  const bool as_is = ::isatty(STDOUT_FILENO) == 0 && cosformer::is_text_wanted(argc, argv);
  StandardOutput output(STDOUT_FILENO, as_is ? StandardOutput::Mode::as_is : StandardOutput::Mode::visible);
  std::streambuf* const before = std::cout.rdbuf(&output);
  const int code = run(argc, argv);
  const bool written = output.finish();
  std::cout.rdbuf(before);
  return written || code != 0 ? code : cosformer::print_failure("standard output cannot be written", 1);
}

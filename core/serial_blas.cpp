#include "core/serial_blas.h"

#include <omp.h>

namespace cosformer {

// OpenBLAS asks omp_get_max_threads() at each product (num_cpu_avail in its common_thread.h).
SerialBlas::SerialBlas() : threads_before_(omp_get_max_threads()) {
  if (threads_before_ != 1) omp_set_num_threads(1);
}

SerialBlas::~SerialBlas() {
  if (threads_before_ != 1) omp_set_num_threads(threads_before_);
}

}  // namespace cosformer

#include "core/blas_info.h"

#include <cblas.h>

namespace cosformer {

BlasInfo blas_info() {
  std::string version = openblas_get_config();
  version.erase(version.find_last_not_of(' ') + 1);
  return {version, openblas_get_corename(), openblas_get_parallel() == OPENBLAS_OPENMP};
}

}  // namespace cosformer

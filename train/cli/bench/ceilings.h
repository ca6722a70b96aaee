#pragma once
/// \file
/// What the machine can do at most: the divisors of every share.

#include <cstdint>
#include <optional>

namespace cosformer {

/// Floating-point operations a second of the best of several large float32 matrix products through
/// core/kernels/matmul/gemm.h, each run for about `seconds`, on the present number of threads.
double matmul_ceiling(double seconds);

/// Floating-point operations a second of independent fused multiply-adds on registers, on the present number of threads: no
/// program is faster. 0 if this processor has no AVX2 and FMA.
double fma_ceiling(double seconds);

/// Bytes a second to and from memory, on arrays far larger than the caches; the best of several runs.
struct MemoryCeilings {
  double read = 0;
  double fill = 0;
  double triad = 0;       ///< a = b + s·c: three arrays, 12 bytes per element
  double fresh_fill = 0;  ///< the first write to memory that the system has just given
};
MemoryCeilings memory_ceilings(double seconds);

/// `matmul_ceiling` for the share of a measurement: before and after it, in processes of their own, so that they do not
/// count as its memory. The better of both; or a figure that is known.
class CeilingAround {
 public:
  explicit CeilingAround(std::optional<double> known) : known_(known), before_(known ? 0 : measure()) {}
  /// Operations a second; the measurement is over.
  double finish() const;

 private:
  static double measure();
  std::optional<double> known_;
  double before_;
};

}  // namespace cosformer

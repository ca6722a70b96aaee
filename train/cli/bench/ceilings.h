#pragma once
/// \file
/// What the machine can do at most: the divisors of every share.

#include <nlohmann/json_fwd.hpp>
#include <optional>

namespace cosformer {

/// Floating-point operations a second of the best of several large float32 matrix products through
/// core/kernels/matmul/gemm.h, each run for about `seconds`, on the present number of threads.
double matmul_ceiling(double seconds);

/// Bytes a second to and from memory, on arrays far larger than the caches; the best of several runs.
struct MemoryCeilings {
  double read = 0;
  double fill = 0;
  double triad = 0;       ///< a = b + s·c: three arrays, 12 bytes per element
  double fresh_fill = 0;  ///< the first write to memory that the system has just given
};
MemoryCeilings memory_ceilings(double seconds);

/// Operations per second that shares of a measurement refer to.
struct Ceilings {
  double matmul = 0;  ///< `matmul_ceiling`
  double fma = 0;     ///< `measure_fma_peak` of train/loop/peak.h
};

/// Adds `peak_gflops`, `share_of_peak`, `fma_peak_gflops` and `share_of_fma_peak` to a result with `gflops`.
void add_shares(nlohmann::ordered_json& result, const Ceilings& ceilings);

/// The ceilings for the shares of a measurement: before and after it, in processes of their own, so that they do not
/// count as its memory. The better of both; a product ceiling that is known is taken as it is.
class CeilingAround {
 public:
  explicit CeilingAround(std::optional<double> known_matmul) : known_matmul_(known_matmul), before_(measure(known_matmul)) {}
  /// The measurement is over.
  Ceilings finish() const;

 private:
  static Ceilings measure(std::optional<double> known_matmul);
  std::optional<double> known_matmul_;
  Ceilings before_;
};

}  // namespace cosformer

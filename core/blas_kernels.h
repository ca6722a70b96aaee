#pragma once
/// \file
/// Which of OpenBLAS's sets of kernels computes this process's matrix products, and who chose it.
///
/// OpenBLAS chooses as it is loaded, from a list of the processors that it knows. For others, versions before 0.3.25 take
/// their SSE3 set "Prescott" (OpenBLAS issue 4267), several times slower than the processor.

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace cosformer {

/// The vector instructions of x86 by which sets of kernels differ, weakest first. avx2 includes FMA; avx512 is F, BW, CD, DQ
/// and VL.
enum class VectorLevel { sse, avx, avx2, avx512 };
/// "SSE", "AVX", "AVX2", "AVX-512".
const char* name_of(VectorLevel level);

/// The highest level that processor and system support; nothing on another architecture.
std::optional<VectorLevel> processor_vectors();

/// What a set of kernels, by OpenBLAS's name, needs; nothing for a name that is not known here (of a newer version, or
/// another architecture).
std::optional<VectorLevel> vectors_of_blas_kernels(std::string_view kernels);

/// What the choice depends on.
struct BlasSituation {
  std::optional<VectorLevel> processor;
  std::string kernels;             ///< in use now
  bool by_user = false;            ///< OPENBLAS_CORETYPE asked for them
  bool right = true;               ///< a product with them is right; not known (true) if the processor cannot run them
  std::vector<std::string> tried;  ///< asked for before, in vain or given up
};
enum class BlasAction {
  keep,
  take,    ///< other kernels
  refuse,  ///< the present ones cannot be used, and there are none to take
};
struct BlasChoice {
  BlasAction action = BlasAction::keep;
  std::string kernels = {};  ///< to take
};
/// Kernels of the processor's level, or the next best that compute right products. What the user asked for is never
/// replaced.
BlasChoice choose_blas_kernels(const BlasSituation& situation);

/// The library as `settle_blas_kernels` sees it.
struct BlasLibrary {
  std::function<std::string()> kernels;          ///< those in use
  std::function<void(const std::string&)> take;  ///< asks for others, perhaps in vain
  std::function<bool()> computes_right;          ///< products with those in use agree with plain loops
};

/// How the kernels were settled.
struct BlasKernels {
  std::string name;                     ///< in use
  std::string found;                    ///< in use before
  std::string asked;                    ///< the user's OPENBLAS_CORETYPE; empty if there is none
  std::vector<std::string> wrong = {};  ///< sets that computed wrong products
  std::optional<VectorLevel> processor = {};

  /// The processor has better instructions than these kernels use.
  bool weak() const;
};
/// "SkylakeX (OpenBLAS chose Prescott, without AVX-512)": the kernels in use, and why.
std::string describe(const BlasKernels& kernels);

/// Takes kernels by `choose_blas_kernels` until it keeps some. Throws InputError if the user's are wrong or need what the
/// processor lacks, Error if all are wrong.
BlasKernels settle_blas_kernels(const BlasLibrary& library, std::optional<VectorLevel> processor, const std::string& asked);

/// The OpenBLAS that this process is linked with. It is told again to choose, as at its start, by the functions that its own
/// start calls; if a build lacks them, `take` does nothing. `take` needs a process in which no other thread computes
/// products or reads the environment.
BlasLibrary linked_blas();

/// The kernels of this process, settled at the first call. A program calls it once at its start, before there are threads;
/// a user of the library who does not, has what OpenBLAS chose. Throws as above.
const BlasKernels& blas_kernels();

}  // namespace cosformer

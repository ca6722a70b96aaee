#include "core/blas_kernels.h"

#include <algorithm>
#include <cstdlib>

#include "core/error.h"
#include "tests/catch.h"
#include "tests/support/input_error.h"

namespace cosformer {
namespace {

constexpr VectorLevel kSse = VectorLevel::sse, kAvx = VectorLevel::avx, kAvx2 = VectorLevel::avx2,
                      kAvx512 = VectorLevel::avx512;
constexpr std::nullopt_t kOther = std::nullopt;  // no x86

std::string described(const BlasChoice& choice) {
  if (choice.action == BlasAction::keep) return "keep";
  return choice.action == BlasAction::refuse ? "refuse" : choice.kernels;
}

TEST_CASE("Kernels are chosen by what the processor has and by what was found") {
  struct Row {
    BlasSituation situation;
    const char* expected;
  };
  const Row rows[] = {
      // What OpenBLAS chose is right for the processor.
      {{.processor = kAvx512, .kernels = "SkylakeX"}, "keep"},
      {{.processor = kAvx512, .kernels = "Cooperlake"}, "keep"},
      {{.processor = kAvx2, .kernels = "Zen"}, "keep"},
      {{.processor = kSse, .kernels = "Nehalem"}, "keep"},
      // It did not know the processor.
      {{.processor = kAvx512, .kernels = "Prescott"}, "SkylakeX"},
      {{.processor = kAvx512, .kernels = "Haswell"}, "SkylakeX"},
      {{.processor = kAvx2, .kernels = "Prescott"}, "Haswell"},
      {{.processor = kAvx2, .kernels = "Sandybridge"}, "Haswell"},
      {{.processor = kAvx, .kernels = "Prescott"}, "Sandybridge"},
      // Kernels of a later version, and those of other architectures, are not second-guessed.
      {{.processor = kAvx512, .kernels = "DiamondRapids"}, "keep"},
      {{.processor = kOther, .kernels = "neoversen1"}, "keep"},
      {{.processor = kOther, .kernels = "armv8", .right = false}, "refuse"},
      // The better ones were wrong or not to be had.
      {{.processor = kAvx512, .kernels = "SkylakeX", .right = false}, "Haswell"},
      {{.processor = kAvx512, .kernels = "SkylakeX", .right = false, .tried = {"Haswell"}}, "Sandybridge"},
      {{.processor = kAvx512, .kernels = "Prescott", .tried = {"SkylakeX"}}, "Haswell"},
      {{.processor = kAvx512, .kernels = "Haswell", .tried = {"SkylakeX"}}, "keep"},
      {{.processor = kAvx512, .kernels = "Prescott", .tried = {"SkylakeX", "Haswell", "Sandybridge"}}, "keep"},
      {{.processor = kAvx512, .kernels = "Prescott", .right = false, .tried = {"SkylakeX", "Haswell", "Sandybridge"}},
       "refuse"},
      {{.processor = kAvx512, .kernels = "DiamondRapids", .right = false}, "SkylakeX"},
      // OpenBLAS chose what the processor cannot run.
      {{.processor = kAvx2, .kernels = "SkylakeX"}, "Haswell"},
      // The user's are kept or refused.
      {{.processor = kAvx512, .kernels = "Prescott", .by_user = true}, "keep"},
      {{.processor = kAvx2, .kernels = "SkylakeX", .by_user = true}, "refuse"},
      {{.processor = kAvx512, .kernels = "SkylakeX", .by_user = true, .right = false}, "refuse"},
  };
  for (const Row& row : rows) {
    INFO(row.situation.kernels << ", right " << row.situation.right << ", " << row.situation.tried.size() << " tried");
    CHECK(described(choose_blas_kernels(row.situation)) == row.expected);
  }
}

/// A library that begins with `kernels` and computes wrong products with those in `wrong`.
struct FakeLibrary {
  std::string kernels;
  std::vector<std::string> wrong = {};
  bool takes = true;
  int products = 0, taken = 0;

  BlasKernels settle(std::optional<VectorLevel> processor, const std::string& asked = {}) {
    const BlasLibrary library = {[this] { return kernels; },
                                 [this](const std::string& name) {
                                   ++taken;
                                   if (takes) kernels = name;
                                 },
                                 [this] {
                                   ++products;
                                   return std::ranges::find(wrong, kernels) == wrong.end();
                                 }};
    return settle_blas_kernels(library, processor, asked);
  }
};

TEST_CASE("Kernels that compute wrong products are given up for the next best, which may be the first again") {
  FakeLibrary library{.kernels = "Prescott", .wrong = {"SkylakeX"}};
  BlasKernels settled = library.settle(kAvx512);
  CHECK(settled.name == "Haswell");
  CHECK(settled.wrong == std::vector<std::string>{"SkylakeX"});
  CHECK(settled.weak());
  CHECK(describe(settled) == "Haswell (OpenBLAS chose Prescott, without AVX-512; wrong products: SkylakeX)");

  library = {.kernels = "Prescott", .wrong = {"SkylakeX", "Haswell", "Sandybridge"}};
  CHECK(library.settle(kAvx512).name == "Prescott");

  library = {.kernels = "SkylakeX", .wrong = {"SkylakeX", "Haswell", "Sandybridge", "Prescott"}};
  CHECK_THROWS_WITH(library.settle(kAvx512),
                    "OpenBLAS computes wrong products on this processor with each of its kernels "
                    "(SkylakeX, Haswell, Sandybridge, Prescott): another version is needed");
}

TEST_CASE("A library that takes no other kernels is asked once for each and left with its own") {
  FakeLibrary library{.kernels = "Prescott", .takes = false};
  const BlasKernels settled = library.settle(kAvx512);
  CHECK(settled.name == "Prescott");
  CHECK(settled.weak());
  CHECK(library.taken == 3);
}

TEST_CASE("Kernels that the processor cannot run compute nothing before they are replaced or refused") {
  FakeLibrary library{.kernels = "SkylakeX"};
  CHECK(library.settle(kAvx2).name == "Haswell");
  CHECK(library.products == 1);
  library = {.kernels = "SkylakeX"};
  CHECK(test::input_error_of([&] { library.settle(kAvx2, "SKYLAKEX"); }) ==
        "OPENBLAS_CORETYPE: SKYLAKEX needs AVX-512, which this processor lacks; it has AVX2 (unset the variable)");
  CHECK(library.products == 0);
  library = {.kernels = "Haswell", .wrong = {"Haswell"}};
  CHECK(test::input_error_of([&] { library.settle(kAvx2, "Haswell"); }) ==
        "OPENBLAS_CORETYPE: Haswell computes wrong products on this processor (unset the variable)");
}

TEST_CASE("What the user asked for stays, and is called weak where it is") {
  FakeLibrary library{.kernels = "Prescott"};
  const BlasKernels settled = library.settle(kAvx512, "prescott");
  CHECK(settled.name == "Prescott");
  CHECK(settled.weak());
  CHECK(library.taken == 0);
  CHECK(describe(settled) == "Prescott (OPENBLAS_CORETYPE=prescott)");
  CHECK_FALSE(library.settle(kSse, "prescott").weak());
  CHECK(describe(FakeLibrary{.kernels = "Zen"}.settle(kAvx2)) == "Zen (OpenBLAS's choice)");
}

TEST_CASE("OpenBLAS that chose Prescott takes the processor's kernels, and the environment stays as it was") {
  const std::optional<VectorLevel> processor = processor_vectors();
  const char* const set = std::getenv("OPENBLAS_CORETYPE");
  const std::string before = set == nullptr ? "" : set;
  const BlasLibrary library = linked_blas();
  if (!processor || !vectors_of_blas_kernels(library.kernels())) {
    WARN("skipped: not x86, or kernels of a later OpenBLAS");
    return;
  }
  library.take("Prescott");
  REQUIRE(library.kernels() == "Prescott");
  CHECK(library.computes_right());
  const BlasKernels settled = settle_blas_kernels(library, processor, "");
  CHECK(settled.found == "Prescott");
  CHECK(settled.wrong.empty());
  CHECK(vectors_of_blas_kernels(library.kernels()) == processor);
  CHECK(settled.name == library.kernels());
  CHECK_FALSE(settled.weak());
  const char* const after = std::getenv("OPENBLAS_CORETYPE");
  CHECK((after == nullptr) == (set == nullptr));
  CHECK(std::string(after == nullptr ? "" : after) == before);
}

}  // namespace
}  // namespace cosformer

// Which OpenBLAS the loader has found, and what is said of it.
#include "core/blas_guard.h"

#include "tests/catch.h"
#include "tests/support/input_error.h"

namespace cosformer {
namespace {

const std::string kExpected = "OpenBLAS 0.3.21";

TEST_CASE("the library that the program was built with is nothing to speak of") {
  CHECK_FALSE(difference_of_blas({"/usr/lib/libopenblas.so.0", kExpected, BlasThreads::openmp}, kExpected).has_value());
  CHECK_FALSE(guard_blas().has_value());
}

TEST_CASE("another OpenBLAS is named in one line with its file, its version and what was expected") {
  const auto threads = difference_of_blas({"/opt/b.so", kExpected, BlasThreads::own}, kExpected);
  REQUIRE(threads.has_value());
  CHECK(threads->starts_with("/opt/b.so: OpenBLAS 0.3.21 would start threads of its own and is kept to one per call"));
  const auto version = difference_of_blas({"/opt/b.so", "OpenBLAS 0.3.29", BlasThreads::openmp}, kExpected);
  REQUIRE(version.has_value());
  CHECK(version->starts_with("/opt/b.so: OpenBLAS 0.3.29, but this program was built with OpenBLAS 0.3.21"));
  const std::string serial = test::input_error_of([] {
    difference_of_blas({"/opt/b.so", kExpected, BlasThreads::none}, kExpected);
  });
  CHECK(serial.starts_with("/opt/b.so: OpenBLAS 0.3.21 is built for one thread, and several threads must not call it"));
}

TEST_CASE("name and version are what a description begins with") {
  CHECK(blas_name_and_version(" OpenBLAS 0.3.21 ") == "OpenBLAS 0.3.21");
  CHECK(blas_name_and_version("OpenBLAS 0.3.21 NO_LAPACKE DYNAMIC_ARCH") == "OpenBLAS 0.3.21");
  CHECK(blas_name_and_version("OpenBLAS") == "OpenBLAS");
  CHECK(blas_name_and_version("").empty());
}

}  // namespace
}  // namespace cosformer

#include "train/cli/bench/product_rows.h"

#include "core/kernels/matmul/gemm.h"
#include "train/cli/bench/random_tensor.h"

namespace cosformer {

namespace {

constexpr Transpose kNo = Transpose::no, kYes = Transpose::yes;

/// The shape that an operand (rows × columns) is stored in.
Shape stored(Transpose transpose, std::int64_t rows, std::int64_t columns) {
  return transpose == kYes ? Shape{columns, rows} : Shape{rows, columns};
}

/// C (m × n) = op(A) · op(B).
template <Transpose transpose_a, Transpose transpose_b, std::int64_t m, std::int64_t n, std::int64_t k>
PreparedOperator prepare_product() {
  const Tensor a = normal_tensor(stored(transpose_a, m, k), "product/a");
  const Tensor b = normal_tensor(stored(transpose_b, k, n), "product/b");
  Tensor c = Tensor::empty({m, n});
  return {.forward =
              [=]() mutable {
                gemm<float>(transpose_a, transpose_b, m, n, k, a.data<float>(), stored(transpose_a, m, k)[1],
                            b.data<float>(), stored(transpose_b, k, n)[1], false, c.data<float>(), n);
              },
          .forward_backward = {},
          .forward_work = {.flops = 2.0 * m * n * k},
          .forward_backward_work = {}};
}

constexpr OperatorRow kRows[] = {
    {"product_nn_2048", "2048 x 2048 x 2048", prepare_product<kNo, kNo, 2048, 2048, 2048>},
    {"product_nt_8192_2048_512", "8192 x 2048 x 512", prepare_product<kNo, kYes, 8192, 2048, 512>},
    {"product_nt_4096_1024_256", "4096 x 1024 x 256", prepare_product<kNo, kYes, 4096, 1024, 256>},
    {"product_nt_4096_256_256", "4096 x 256 x 256", prepare_product<kNo, kYes, 4096, 256, 256>},
    {"product_nn_4096_256_256", "4096 x 256 x 256", prepare_product<kNo, kNo, 4096, 256, 256>},
    {"product_tn_256_256_4096", "256 x 256 x 4096", prepare_product<kYes, kNo, 256, 256, 4096>},
    {"product_tn_256_1024_4096", "256 x 1024 x 4096", prepare_product<kYes, kNo, 256, 1024, 4096>},
    {"product_nt_65536_64_64", "65536 x 64 x 64", prepare_product<kNo, kYes, 65536, 64, 64>},
    {"product_nt_65536_128_64", "65536 x 128 x 64", prepare_product<kNo, kYes, 65536, 128, 64>},
    {"product_tn_64_64_65536", "64 x 64 x 65536", prepare_product<kYes, kNo, 64, 64, 65536>},
    {"product_nt_1024_3072_768", "1024 x 3072 x 768", prepare_product<kNo, kYes, 1024, 3072, 768>},
    {"product_tn_3072_768_1024", "3072 x 768 x 1024", prepare_product<kYes, kNo, 3072, 768, 1024>},
};

}  // namespace

std::span<const OperatorRow> product_rows() { return kRows; }

}  // namespace cosformer

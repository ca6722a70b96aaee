#include "core/kernels/embedding.h"

#include <algorithm>
#include <array>

#include "autograd/backward.h"
#include "autograd/ops.h"
#include "core/error.h"

namespace cosformer {

Variable embedding(const Variable& table, const Tensor& ids) {
  check<ShapeError>(table.shape().rank() == 2 && ids.rank() < Shape::kMaxRank, "[embedding] table of shape ", table.shape(),
                    " and ids of shape ", ids.shape());
  const std::int64_t vocab = table.dim(0), width = table.dim(1);
  const Tensor rows = table.value().contiguous(), indices = ids.contiguous();
  std::array<std::int64_t, Shape::kMaxRank> dims{};
  std::ranges::copy(ids.shape(), dims.begin());
  dims[static_cast<std::size_t>(ids.rank())] = width;
  Tensor out = Tensor::empty(Shape(std::span<const std::int64_t>(dims.data(), static_cast<std::size_t>(ids.rank()) + 1)),
                             table.dtype());
  dispatch_float(table.dtype(), [&]<class T>(T) {
    embedding_forward(rows.data<T>(), vocab, width, indices.data<std::int32_t>(), indices.size(), out.data<T>());
  });
  return Variable::from_operation("embedding", out, {&table},
                                  [indices, vocab, width](const Tensor& dout, InputGradients& inputs) {
                                    const Tensor dy = dout.contiguous();
                                    dispatch_float(dy.dtype(), [&]<class T>(T) {
                                      embedding_backward(vocab, width, indices.data<std::int32_t>(), indices.size(),
                                                         dy.data<T>(), inputs.gradient<T>(0));
                                    });
                                  });
}

}  // namespace cosformer

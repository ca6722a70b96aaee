#include "core/kernels/sinkhorn/sinkhorn.h"

#include <algorithm>

#include "autograd/backward.h"
#include "autograd/ops.h"
#include "autograd/ops/attention_operands.h"
#include "core/error.h"

namespace cosformer {

namespace {

TextBlocks text_of(const SharedPaddingMask& mask, std::int64_t batch, std::int64_t length, std::int64_t block_size,
                   std::int64_t blocks) {
  return {.batch = batch,
          .length = length,
          .block_size = block_size,
          .blocks = blocks,
          .real = mask ? mask->real.data() : nullptr,
          .positions = mask && !mask->positions.empty() ? mask->positions.data() : nullptr};
}

void check_text(const char* operation, const Variable& x, const SharedPaddingMask& mask, std::int64_t block_size,
                std::int64_t blocks) {
  check<ShapeError>(x.shape().rank() == 4 && block_size >= 1, '[', operation, "] x ", x.shape(),
                    " is not [B, S, H, D], or blocks of ", block_size, " tokens");
  check<ShapeError>(!mask || (mask->batch == x.dim(0) && mask->length == x.dim(1)), '[', operation,
                    "] a mask of another shape than [", x.dim(0), ", ", x.dim(1), ']');
  const std::int64_t length =
      mask && !mask->positions.empty() && mask->length > 0 ? *std::ranges::max_element(mask->positions) + 1 : x.dim(1);
  check<ShapeError>(length <= block_size * blocks, '[', operation, "] ", blocks, " blocks of ", block_size, " for ", length,
                    " positions");
}

}  // namespace

std::int64_t blocks_of(const SharedPaddingMask& mask, std::int64_t length, std::int64_t block_size) {
  return ((mask ? mask->full_length() : length) + block_size - 1) / block_size;
}

Variable sum_blocks(const Variable& x, const SharedPaddingMask& mask, std::int64_t block_size, std::int64_t blocks,
                    bool earlier) {
  check_text("sum_blocks", x, mask, block_size, blocks);
  const Tensor input = inner_contiguous(x.value());
  const std::int64_t batch = x.dim(0), length = x.dim(1), heads = x.dim(2), width = x.dim(3);
  Tensor out = Tensor::empty({batch, blocks, heads, width}, x.dtype());
  dispatch_float(x.dtype(), [&]<class T>(T) {
    sum_blocks_forward<T>(text_of(mask, batch, length, block_size, blocks), heads, width, earlier, heads_of<T>(input),
                          out.data<T>());
  });
  return Variable::from_operation("sum_blocks", out, {&x}, [=](const Tensor& dout, InputGradients& inputs) {
    const Tensor dy = dout.contiguous();
    dispatch_float(dy.dtype(), [&]<class T>(T) {
      sum_blocks_backward<T>(text_of(mask, batch, length, block_size, blocks), heads, width, earlier, dy.data<T>(),
                             inputs.gradient<T>(0));
    });
  });
}

Variable sinkhorn(const Variable& logits, const std::vector<std::int64_t>& counts, const SinkhornOptions& options) {
  const bool fits = logits.shape().rank() == 4 && logits.dim(3) >= logits.dim(1) &&
                    counts.size() == static_cast<std::size_t>(logits.dim(0)) &&
                    std::ranges::all_of(counts, [&](std::int64_t own) { return own >= 0 && own <= logits.dim(1); });
  check<ShapeError>(fits, "[sinkhorn] logits ", logits.shape(), " are not [B, N, H, N or more], or ", counts.size(),
                    " counts do not fit them");
  const Tensor input = logits.value().contiguous();
  const std::int64_t batch = logits.dim(0), blocks = logits.dim(1), heads = logits.dim(2), columns = logits.dim(3);
  Tensor out = Tensor::empty({batch, heads, blocks, blocks}, logits.dtype());
  dispatch_float(logits.dtype(), [&]<class T>(T) {
    sinkhorn_forward<T>(options, batch, blocks, heads, columns, counts, input.data<T>(), out.data<T>());
  });
  return Variable::from_operation("sinkhorn", out, {&logits}, [=](const Tensor& dout, InputGradients& inputs) {
    const Tensor dy = dout.contiguous();
    dispatch_float(dy.dtype(), [&]<class T>(T) {
      sinkhorn_backward<T>(options, batch, blocks, heads, columns, counts, input.data<T>(), dy.data<T>(),
                           inputs.gradient<T>(0));
    });
  });
}

Variable mix_blocks(const Variable& weights, const Variable& x, const SharedPaddingMask& mask, std::int64_t block_size) {
  const bool fits = weights.shape().rank() == 4 && x.shape().rank() == 4 && weights.dim(0) == x.dim(0) &&
                    weights.dim(1) == x.dim(2) && weights.dim(2) == weights.dim(3);
  check<ShapeError>(fits, "[mix_blocks] weights ", weights.shape(), " and x ", x.shape(),
                    " are not [B, H, N, N] and [B, S, H, D]");
  check_text("mix_blocks", x, mask, block_size, weights.dim(2));
  const Tensor w = weights.value().contiguous(), input = inner_contiguous(x.value());
  const std::int64_t batch = x.dim(0), length = x.dim(1), heads = x.dim(2), width = x.dim(3), blocks = weights.dim(2);
  Tensor out = Tensor::empty({batch, blocks * block_size, heads, width}, x.dtype());
  dispatch_float(x.dtype(), [&]<class T>(T) {
    mix_blocks_forward<T>(text_of(mask, batch, length, block_size, blocks), heads, width, w.data<T>(), heads_of<T>(input),
                          out.data<T>());
  });
  return Variable::from_operation("mix_blocks", out, {&weights, &x}, [=](const Tensor& dout, InputGradients& inputs) {
    const Tensor dy = dout.contiguous();
    dispatch_float(dy.dtype(), [&]<class T>(T) {
      mix_blocks_backward<T>(text_of(mask, batch, length, block_size, blocks), heads, width, w.data<T>(), heads_of<T>(input),
                             dy.data<T>(), inputs.gradient<T>(0), inputs.gradient<T>(1));
    });
  });
}

}  // namespace cosformer

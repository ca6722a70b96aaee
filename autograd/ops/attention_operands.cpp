#include "autograd/ops/attention_operands.h"

#include "core/error.h"

namespace cosformer {

AttentionSizes attention_sizes(const char* operation, const Variable& query, const Variable& key, const Variable& value,
                               const AttentionMask& mask) {
  const bool fits = query.shape().rank() == 4 && key.shape().rank() == 4 && value.shape().rank() == 4 &&
                    query.dim(0) == key.dim(0) && key.dim(0) == value.dim(0) && query.dim(2) == key.dim(2) &&
                    key.dim(2) == value.dim(2) && query.dim(3) == key.dim(3) && key.dim(1) == value.dim(1);
  check<ShapeError>(fits, '[', operation, "] query ", query.shape(), ", key ", key.shape(), " and value ", value.shape(),
                    " are not [B, T, H, D], [B, S, H, D] and [B, S, H, E]");
  const AttentionSizes sizes{query.dim(0), query.dim(1), key.dim(1), query.dim(2), query.dim(3), value.dim(3)};
  check<ShapeError>(!mask.causal || sizes.queries == sizes.keys, '[', operation, "] causal attention of ", sizes.queries,
                    " queries to ", sizes.keys, " keys");
  const auto check_mask = [&](const char* name, const SharedPaddingMask& padding, std::int64_t length) {
    check<ShapeError>(!padding || (padding->batch == sizes.batch && padding->length == length), '[', operation, "] ", name,
                      " mask of another shape than [", sizes.batch, ", ", length, ']');
  };
  check_mask("key", mask.key_mask, sizes.keys);
  check_mask("query", mask.query_mask, sizes.queries);
  return sizes;
}

AttentionVisibility visibility_of(const AttentionMask& mask, std::int64_t window) {
  const auto positions = [](const SharedPaddingMask& padding) {
    return padding && !padding->positions.empty() ? padding->positions.data() : nullptr;
  };
  return {.causal = mask.causal,
          .key_mask = mask.key_mask ? mask.key_mask->real.data() : nullptr,
          .window = window,
          .dropout = mask.dropout ? &*mask.dropout : nullptr,
          .query_positions = positions(mask.query_mask),
          .key_positions = positions(mask.key_mask)};
}

AttentionVisibility visibility_of(const AttentionMask& mask, const SoftmaxAttentionOptions& options) {
  AttentionVisibility visibility = visibility_of(mask, options.window);
  if (!options.distance_slopes.empty()) visibility.distance_slopes = options.distance_slopes.data();
  return visibility;
}

EndTensors end_tensors(const char* operation, const CarriedState& carried, const AttentionSizes& sizes, std::int64_t numbers,
                       DType dtype) {
  const Shape shape{sizes.batch, sizes.heads, numbers};
  EndTensors ends;
  if (carried.before.defined()) {
    check<ShapeError>(carried.before.shape() == shape && carried.before.dtype() == dtype, '[', operation, "] a state ",
                      carried.before.shape(), " of ", dtype_name(carried.before.dtype()), ", expected ", shape, " of ",
                      dtype_name(dtype));
    ends.before = carried.before.contiguous();
  }
  if (carried.behind != nullptr) ends.behind = Tensor::empty(shape, dtype);
  return ends;
}

Tensor inner_contiguous(const Tensor& x) { return x.stride(-1) == 1 || x.dim(-1) <= 1 ? x : x.contiguous(); }

}  // namespace cosformer

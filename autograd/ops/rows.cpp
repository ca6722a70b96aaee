#include "autograd/ops/rows.h"

#include "core/error.h"

namespace cosformer {

void check_norm(const char* operation, const Variable& x, const NormWeights& norm) {
  check<ShapeError>(
      x.shape().rank() >= 1 && norm.weight.shape() == Shape({x.dim(-1)}) && norm.bias.shape() == norm.weight.shape(), '[',
      operation, "] norm weight ", norm.weight.shape(), " and bias ", norm.bias.shape(), " for an input of shape ",
      x.shape());
}

void check_linear(const char* operation, const Variable& x, const LinearWeights& layer) {
  const Shape& weight = layer.weight.shape();
  check<ShapeError>(weight.rank() == 2 && x.shape().rank() >= 1 && x.dim(-1) == weight[1], '[', operation, "] input ",
                    x.shape(), " does not fit a weight of shape ", weight);
  check<ShapeError>(!layer.bias.defined() || layer.bias.shape() == Shape({weight[0]}), '[', operation, "] bias of shape ",
                    layer.bias.defined() ? layer.bias.shape() : Shape(), " for a weight of shape ", weight);
}

}  // namespace cosformer

#include <algorithm>
#include <utility>
#include <vector>

#include "autograd/backward.h"
#include "autograd/ops/rows.h"
#include "core/error.h"
#include "core/kernels/embedding.h"

namespace cosformer {

namespace {

/// Throws ShapeError unless the places are those of all rows of the result.
void check_parts(const std::vector<Variable>& parts, const std::vector<Tensor>& places, const Shape& shape) {
  check<ShapeError>(!parts.empty() && parts.size() == places.size() && shape.rank() >= 1, "[merge_rows] ", parts.size(),
                    " parts with ", places.size(), " lists of places");
  std::vector<std::uint8_t> taken(static_cast<std::size_t>(row_count(shape)));
  for (std::size_t i = 0; i < parts.size(); ++i) {
    check<ShapeError>(
        parts[i].shape().rank() >= 1 && parts[i].dim(-1) == shape[-1] && row_count(parts[i].shape()) == places[i].size(),
        "[merge_rows] a part of shape ", parts[i].shape(), " with ", places[i].size(), " places in ", shape);
    for (const std::int32_t place : places[i].span<std::int32_t>()) {
      const bool is_free = place >= 0 && std::cmp_less(place, taken.size()) && taken[static_cast<std::size_t>(place)] == 0;
      check<ShapeError>(is_free, "[merge_rows] place ", place, " of ", taken.size(), " rows is taken or is none");
      taken[static_cast<std::size_t>(place)] = 1;
    }
  }
  check<ShapeError>(std::ranges::find(taken, 0) == taken.end(), "[merge_rows] a row has no part");
}

}  // namespace

Variable merge_rows(const std::vector<Variable>& parts, const std::vector<Tensor>& places, const Shape& shape) {
  check_parts(parts, places, shape);
  const std::int64_t width = shape[-1];
  const DType dtype = parts.front().dtype();
  Tensor out = Tensor::empty(shape, dtype);
  dispatch_float(dtype, [&]<class T>(T) {
    for (std::size_t i = 0; i < parts.size(); ++i) {
      const Tensor rows = parts[i].value().contiguous();
      scatter_rows(rows.data<T>(), width, places[i].data<std::int32_t>(), places[i].size(), out.data<T>());
    }
  });
  std::vector<const Variable*> inputs;
  std::vector<Shape> shapes;
  for (const Variable& part : parts) {
    inputs.push_back(&part);
    shapes.push_back(part.shape());
  }
  const auto backward = [places, shapes, width](std::span<const Tensor> douts, InputGradients& gradients) {
    const Tensor dy = douts[0].contiguous();
    for (std::size_t i = 0; i < places.size(); ++i) {
      if (!gradients.wants(i)) continue;
      Tensor part = Tensor::empty(shapes[i], dy.dtype());
      dispatch_float(dy.dtype(), [&]<class T>(T) {
        embedding_forward(dy.data<T>(), row_count(dy.shape()), width, places[i].data<std::int32_t>(), places[i].size(),
                          part.data<T>());
      });
      gradients.add(i, part);
    }
  };
  return Variable::from_operation("merge_rows", std::vector<Tensor>{out}, inputs, backward).front();
}

}  // namespace cosformer

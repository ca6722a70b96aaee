#include "core/kernels/feature_attention/feature_attention.h"

#include "autograd/backward.h"
#include "autograd/ops.h"
#include "autograd/ops/attention_operands.h"
#include "core/error.h"

namespace cosformer {

namespace {

template <class T>
Heads<const T> gate_of(const Tensor& gate) {
  return gate.defined() ? heads_of<T>(gate) : Heads<const T>{};
}

}  // namespace

Variable unit_features(const Variable& x, const Variable& sigma, const Tensor& projection, UnitFeatures kind) {
  const Shape& shape = x.shape();
  const bool fits = shape.rank() == 4 && projection.rank() == 3 && projection.dim(0) == shape[2] &&
                    projection.dim(2) == shape[3] && sigma.shape() == Shape({shape[2], shape[3]});
  check<ShapeError>(fits, "[unit_features] sigma ", sigma.shape(), " and projection ", projection.shape(),
                    " for an input of shape ", shape);
  const UnitFeatureSizes sizes{x.dim(0), x.dim(1), x.dim(2), x.dim(3), projection.dim(1)};
  const Tensor input = inner_contiguous(x.value()), s = sigma.value().contiguous(), w = projection.contiguous();
  Tensor out =
      Tensor::empty({sizes.batch, sizes.length, sizes.heads, unit_features_width(kind, sizes.directions)}, x.dtype());
  dispatch_float(x.dtype(), [&]<class T>(T) {
    unit_features_forward<T>(sizes, kind, heads_of<T>(input), s.data<T>(), w.data<T>(), mutable_heads_of<T>(out));
  });
  return Variable::from_operation("unit_features", out, {&x, &sigma}, [=](const Tensor& dout, InputGradients& inputs) {
    const Tensor dy = inner_contiguous(dout);
    dispatch_float(input.dtype(), [&]<class T>(T) {
      unit_features_backward<T>(sizes, kind, heads_of<T>(input), s.data<T>(), w.data<T>(), heads_of<T>(out), heads_of<T>(dy),
                                inputs.gradient<T>(0), inputs.gradient<T>(1));
    });
  });
}

Variable feature_attention(const Variable& query, const Variable& key, const Variable& value, const Variable& gate,
                           const AttentionMask& mask, double floor, const CarriedState& carried) {
  const AttentionSizes sizes = attention_sizes("feature_attention", query, key, value, mask);
  check<ShapeError>(!mask.dropout, "[feature_attention] there are no weights that dropout could apply to");
  check<ShapeError>(mask.causal || (!carried.before.defined() && carried.behind == nullptr),
                    "[feature_attention] only causal attention goes on with a state");
  check<ShapeError>(!gate.defined() || (mask.causal && gate.shape() == key.shape().with_dim(3, 1)),
                    "[feature_attention] a gate needs causal attention and one number for each head and key");
  const Tensor q = inner_contiguous(query.value()), k = inner_contiguous(key.value()), v = inner_contiguous(value.value()),
               a = gate.defined() ? inner_contiguous(gate.value()) : Tensor();
  EndTensors ends = end_tensors("feature_attention", carried, sizes,
                                feature_attention_state_size(sizes.head_dim, sizes.value_dim), query.dtype());
  Tensor out = Tensor::empty({sizes.batch, sizes.queries, sizes.heads, sizes.value_dim}, query.dtype());
  Tensor normalizer = Tensor::empty({sizes.batch, sizes.heads, sizes.queries}, query.dtype());
  dispatch_float(query.dtype(), [&]<class T>(T) {
    feature_attention_forward<T>(sizes, visibility_of(mask), static_cast<T>(floor), heads_of<T>(q), heads_of<T>(k),
                                 heads_of<T>(v), gate_of<T>(a), mutable_heads_of<T>(out), normalizer.data<T>(),
                                 ends.states<T>());
  });
  if (carried.behind != nullptr) *carried.behind = ends.behind;
  return Variable::from_operation(
      "feature_attention", out, {&query, &key, &value, &gate},
      [sizes, mask, floor, q, k, v, a, out, normalizer, before = ends.before](const Tensor& dout, InputGradients& inputs) {
        const Tensor dy = inner_contiguous(dout);
        dispatch_float(q.dtype(), [&]<class T>(T) {
          feature_attention_backward<T>(sizes, visibility_of(mask), static_cast<T>(floor), heads_of<T>(q), heads_of<T>(k),
                                        heads_of<T>(v), gate_of<T>(a), heads_of<T>(out), normalizer.data<T>(),
                                        heads_of<T>(dy), inputs.gradient<T>(0), inputs.gradient<T>(1), inputs.gradient<T>(2),
                                        inputs.gradient<T>(3), numbers_of<T>(before));
        });
      });
}

}  // namespace cosformer

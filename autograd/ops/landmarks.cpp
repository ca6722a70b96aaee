// Nyström attention's own parts: means of segments, values moved to landmarks, and a filter over values.
#include <algorithm>
#include <vector>

#include "autograd/backward.h"
#include "autograd/ops.h"
#include "autograd/ops/attention_operands.h"
#include "core/error.h"
#include "core/kernels/nystrom/value_convolution.h"
#include "core/parallel.h"
#include "core/simd/row_loops.h"

namespace cosformer {

namespace {

/// Which segment each token of an item belongs to (-1: padding), and how many tokens a segment has.
struct Segments {
  Segments(std::int64_t b, std::int64_t length, std::int64_t count, const SharedPaddingMask& mask)
      : of_token(static_cast<std::size_t>(length), -1) {
    const std::int64_t tokens = mask ? mask->count(b) : length;
    const std::int64_t used = std::min(count, tokens);
    size.assign(static_cast<std::size_t>(used), 0);
    std::int64_t t = 0;
    for (std::int64_t s = 0; s < length; ++s) {
      if (mask && mask->real[static_cast<std::size_t>(b * length + s)] == 0) continue;
      const std::int64_t segment = ((t + 1) * used - 1) / tokens;
      of_token[static_cast<std::size_t>(s)] = segment;
      ++size[static_cast<std::size_t>(segment)];
      ++t;
    }
  }

  /// Calls visit(token, segment, share of a token in it) for each real token.
  template <class Visit>
  void for_each(Visit&& visit) const {
    for (std::size_t s = 0; s < of_token.size(); ++s) {
      if (of_token[s] < 0) continue;
      visit(static_cast<std::int64_t>(s), of_token[s],
            1.0 / static_cast<double>(size[static_cast<std::size_t>(of_token[s])]));
    }
  }

  std::vector<std::int64_t> of_token, size;
};

}  // namespace

Variable segment_means(const Variable& x, std::int64_t count, const SharedPaddingMask& mask) {
  check<ShapeError>(x.shape().rank() == 4 && count >= 1,
                    "[segment_means] expected [B, S, H, E] and at least 1 segment, found ", x.shape(), " and ", count);
  const std::int64_t batch = x.dim(0), length = x.dim(1), width = x.dim(2) * x.dim(3);
  check<ShapeError>(!mask || (mask->batch == batch && mask->length == length),
                    "[segment_means] a mask of another shape than [", batch, ", ", length, ']');
  const Tensor input = x.value().contiguous();
  Tensor out = Tensor::zeros({batch, count, x.dim(2), x.dim(3)}, x.dtype());
  dispatch_float(x.dtype(), [&]<class T>(T) {
    parallel_for(batch, [&](std::int64_t b) {
      Segments(b, length, count, mask).for_each([&](std::int64_t s, std::int64_t segment, double share) {
        loops<T>().add_scaled(static_cast<T>(share), input.data<T>() + (b * length + s) * width,
                              out.data<T>() + (b * count + segment) * width, width);
      });
    });
  });
  return Variable::from_operation(
      "segment_means", out, {&x}, [=, shape = x.shape()](const Tensor& dout, InputGradients& in) {
        const Tensor dy = dout.contiguous();
        dispatch_float(dy.dtype(), [&]<class T>(T) {
          T* dx = begin_sum(in.gradient<T>(0), shape.size());
          if (dx == nullptr) return;
          parallel_for(batch, [&](std::int64_t b) {
            Segments(b, length, count, mask).for_each([&](std::int64_t s, std::int64_t segment, double share) {
              loops<T>().add_scaled(static_cast<T>(share), dy.data<T>() + (b * count + segment) * width,
                                    dx + (b * length + s) * width, width);
            });
          });
        });
      });
}

Variable landmark_values(const Variable& query, const Variable& key, const Variable& summary,
                         std::span<const LandmarkCounts> counts, const LandmarkOptions& options) {
  // The summaries belong to the query landmarks, as values to keys.
  const AttentionSizes turned = attention_sizes("landmark_values", key, query, summary, {});
  const AttentionSizes sizes{turned.batch, turned.keys, turned.queries, turned.heads, turned.head_dim, turned.value_dim};
  check<ShapeError>(static_cast<std::int64_t>(counts.size()) == sizes.batch, "[landmark_values] ", counts.size(),
                    " counts for a batch of ", sizes.batch);
  const Tensor q = inner_contiguous(query.value()), k = inner_contiguous(key.value()), w = inner_contiguous(summary.value());
  Tensor out = Tensor::empty({sizes.batch, sizes.keys, sizes.heads, sizes.value_dim}, query.dtype());
  dispatch_float(query.dtype(), [&]<class T>(T) {
    landmark_values_forward<T>(sizes, counts, options, heads_of<T>(q), heads_of<T>(k), heads_of<T>(w),
                               mutable_heads_of<T>(out));
  });
  return Variable::from_operation(
      "landmark_values", out, {&query, &key, &summary},
      [=, own = std::vector<LandmarkCounts>(counts.begin(), counts.end())](const Tensor& dout, InputGradients& inputs) {
        const Tensor dy = inner_contiguous(dout);
        dispatch_float(q.dtype(), [&]<class T>(T) {
          landmark_values_backward<T>(sizes, own, options, heads_of<T>(q), heads_of<T>(k), heads_of<T>(w), heads_of<T>(dy),
                                      inputs.gradient<T>(0), inputs.gradient<T>(1), inputs.gradient<T>(2));
        });
      });
}

Variable choose_items(std::span<const std::uint8_t> first, const Variable& a, const Variable& b) {
  check<ShapeError>(a.shape() == b.shape() && a.shape().rank() >= 1 && static_cast<std::int64_t>(first.size()) == a.dim(0),
                    "[choose_items] ", first.size(), " choices between ", a.shape(), " and ", b.shape());
  const std::vector<std::uint8_t> choices(first.begin(), first.end());
  const auto copy_chosen = [choices](const Tensor& source, std::uint8_t choice, Tensor target) {
    for (std::size_t i = 0; i < choices.size(); ++i) {
      if ((choices[i] != 0) != (choice != 0)) continue;
      target.narrow(0, static_cast<std::int64_t>(i), 1).copy_from(source.narrow(0, static_cast<std::int64_t>(i), 1));
    }
  };
  Tensor out = Tensor::empty(a.shape(), a.dtype());
  copy_chosen(a.value(), 1, out);
  copy_chosen(b.value(), 0, out);
  return Variable::from_operation("choose_items", out, {&a, &b}, [copy_chosen](const Tensor& dout, InputGradients& inputs) {
    for (const std::size_t k : {0U, 1U}) {
      if (!inputs.wants(k)) continue;
      const Tensor dx = Tensor::zeros(dout.shape(), dout.dtype());
      copy_chosen(dout, k == 0 ? 1 : 0, dx);
      inputs.add(k, dx);
    }
  });
}

Variable value_convolution(const Variable& x, const Variable& filter, std::int64_t outputs, const AttentionMask& mask) {
  const std::int64_t heads = x.shape().rank() == 4 ? x.dim(2) : 0;
  check<ShapeError>(x.shape().rank() == 4 && filter.shape().rank() == 2 && filter.dim(0) == heads && filter.dim(1) % 2 == 1,
                    "[value_convolution] x ", x.shape(), " and filter ", filter.shape(),
                    " are not [B, S, H, E] and [H, K] with an odd K");
  const AttentionSizes sizes{x.dim(0), outputs, x.dim(1), heads, 0, x.dim(3)};
  const auto fits = [&](const SharedPaddingMask& own, std::int64_t length) {
    return !own || (own->batch == sizes.batch && own->length == length);
  };
  check<ShapeError>(outputs >= 0 && fits(mask.key_mask, sizes.keys) && fits(mask.query_mask, outputs),
                    "[value_convolution] a mask of another shape than ", sizes.keys, " tokens and ", outputs, " outputs");
  const Tensor input = inner_contiguous(x.value()), f = filter.value().contiguous();
  const std::int64_t taps = f.dim(1);
  Tensor out = Tensor::empty({sizes.batch, outputs, heads, sizes.value_dim}, x.dtype());
  dispatch_float(x.dtype(), [&]<class T>(T) {
    value_convolution_forward<T>(sizes, visibility_of(mask), taps, heads_of<T>(input), f.data<T>(),
                                 mutable_heads_of<T>(out));
  });
  return Variable::from_operation("value_convolution", out, {&x, &filter}, [=](const Tensor& dout, InputGradients& inputs) {
    const Tensor dy = inner_contiguous(dout);
    dispatch_float(input.dtype(), [&]<class T>(T) {
      value_convolution_backward<T>(sizes, visibility_of(mask), taps, heads_of<T>(input), f.data<T>(), heads_of<T>(dy),
                                    inputs.gradient<T>(0), inputs.gradient<T>(1));
    });
  });
}

}  // namespace cosformer

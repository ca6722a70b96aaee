#include "core/kernels/cross_entropy.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <memory>
#include <vector>

#include "core/error.h"
#include "core/kernels/elementwise.h"
#include "core/kernels/matmul/gemm.h"
#include "core/memory.h"
#include "core/parallel.h"
#include "core/simd/row_loops.h"

namespace cosformer {

namespace {

void check_targets(const std::int32_t* targets, std::int64_t rows, std::int64_t vocab) {
  for (std::int64_t r = 0; r < rows; ++r) {
    check<ShapeError>(targets[r] == kIgnoredTarget || (targets[r] >= 0 && targets[r] < vocab), "[cross_entropy] target ",
                      targets[r], " of row ", r, " is neither -1 nor in [0, ", vocab, ")");
  }
}

/// One row's loss and whether it is predicted.
struct RowLoss {
  double loss = 0;
  double log_sum_exp = 0;
  bool correct = false;
};

/// `sum_exp(shift)` returns Σ exp(z_j - shift); it may overwrite z with the summands.
template <class T, class SumExp>
RowLoss row_loss_of(const T* z, std::int64_t vocab, std::int64_t target, double smoothing, SumExp&& sum_exp) {
  const T largest = loops<T>().max(z, vocab);
  const T own = z[target];
  const double mean = smoothing == 0 ? 0 : static_cast<double>(loops<T>().sum(z, vocab)) / static_cast<double>(vocab);
  RowLoss row;
  row.correct = own == largest && std::find(z, z + target, largest) == z + target;
  row.log_sum_exp = static_cast<double>(largest) + std::log(static_cast<double>(sum_exp(largest)));
  row.loss = row.log_sum_exp - (1 - smoothing) * static_cast<double>(own) - smoothing * mean;
  return row;
}

/// Turns `scale` · softmax into the gradient: subtracts `scale` times the target distribution.
template <class T>
void subtract_target(T* z, std::int64_t vocab, std::int64_t target, double smoothing, double scale) {
  if (smoothing != 0) {
    const T share = static_cast<T>(scale * smoothing / static_cast<double>(vocab));
    for (std::int64_t j = 0; j < vocab; ++j) z[j] -= share;
  }
  z[target] -= static_cast<T>(scale * (1 - smoothing));
}

CrossEntropySum add_up(const std::vector<RowLoss>& rows) {
  CrossEntropySum sum;
  sum.counted = static_cast<std::int64_t>(rows.size());
  for (const RowLoss& row : rows) {
    sum.loss += row.loss;
    sum.correct += row.correct;
  }
  return sum;
}

std::vector<std::int64_t> counted_rows(const std::int32_t* targets, std::int64_t rows) {
  std::vector<std::int64_t> counted;
  counted.reserve(static_cast<std::size_t>(rows));
  for (std::int64_t r = 0; r < rows; ++r) {
    if (targets[r] != kIgnoredTarget) counted.push_back(r);
  }
  return counted;
}

/// Rows whose logits exist at one time. Fewer than 128 would make the three products slow: each passes over the whole weight
/// (50257 classes, width 768: 68 GFLOP/s with 32 rows, 91 with 160).
std::int64_t tile_rows(std::int64_t vocab, std::int64_t element_bytes) {
  constexpr std::int64_t kTileBytes = std::int64_t{16} << 20;
  constexpr std::int64_t kLeastRows = 128;
  const std::int64_t rows = kTileBytes / std::max<std::int64_t>(vocab * element_bytes, 1);
  return std::max(kLeastRows, rows / 32 * 32);
}

/// An array that lives for one call.
template <class T>
struct Scratch {
  explicit Scratch(std::int64_t size) : memory(allocate_block(static_cast<std::size_t>(size) * sizeof(T))) {}
  T* data() const { return reinterpret_cast<T*>(memory.get()); }
  std::shared_ptr<std::byte> memory;
};

}  // namespace

template <class T>
CrossEntropySum cross_entropy_forward(std::int64_t rows, std::int64_t vocab, const T* logits, const std::int32_t* targets,
                                      double label_smoothing, T* row_loss, T* log_sum_exp) {
  check_targets(targets, rows, vocab);
  std::fill_n(row_loss, rows, T{0});
  std::fill_n(log_sum_exp, rows, T{0});
  const std::vector<std::int64_t> counted = counted_rows(targets, rows);
  std::vector<RowLoss> results(counted.size());
  const std::int64_t grain = kElementwiseGrain / std::max<std::int64_t>(vocab, 1) + 1;
  parallel_ranges(static_cast<std::int64_t>(counted.size()), grain, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      const std::int64_t r = counted[static_cast<std::size_t>(i)];
      const T* z = logits + r * vocab;
      const RowLoss row = row_loss_of(z, vocab, targets[r], label_smoothing, [&](T shift) {
        constexpr std::int64_t kPiece = 2048;
        std::array<T, kPiece> exponentials;
        double sum = 0;
        for (std::int64_t j = 0; j < vocab; j += kPiece) {
          sum +=
              static_cast<double>(loops<T>().exp_sum(z + j, T{1}, shift, exponentials.data(), std::min(kPiece, vocab - j)));
        }
        return sum;
      });
      row_loss[r] = static_cast<T>(row.loss);
      log_sum_exp[r] = static_cast<T>(row.log_sum_exp);
      results[static_cast<std::size_t>(i)] = row;
    }
  });
  return add_up(results);
}

template <class T>
void cross_entropy_backward(std::int64_t rows, std::int64_t vocab, const T* logits, const std::int32_t* targets,
                            double label_smoothing, const T* log_sum_exp, T gradient_scale, const Gradient<T>& dlogits) {
  if (!dlogits.data) return;
  const std::int64_t grain = kElementwiseGrain / std::max<std::int64_t>(vocab, 1) + 1;
  parallel_ranges(rows, grain, [&](std::int64_t begin, std::int64_t end) {
    std::vector<T> scratch(static_cast<std::size_t>(dlogits.add ? vocab : 0));
    for (std::int64_t r = begin; r < end; ++r) {
      T* const target = dlogits.data + r * vocab;
      T* const d = dlogits.add ? scratch.data() : target;
      if (targets[r] == kIgnoredTarget) {
        begin_sum<T>({target, dlogits.add}, vocab);
        continue;
      }
      loops<T>().exp_sum(logits + r * vocab, T{1}, log_sum_exp[r], d, vocab);
      loops<T>().scale(gradient_scale, d, d, vocab);
      subtract_target(d, vocab, targets[r], label_smoothing, static_cast<double>(gradient_scale));
      if (dlogits.add) loops<T>().add_scaled(T{1}, d, target, vocab);
    }
  });
}

template <class T>
CrossEntropySum linear_cross_entropy(const LinearCrossEntropy<T>& input, T* row_loss,
                                     const LinearCrossEntropyGradients<T>* gradients) {
  const std::int64_t width = input.width, words = input.vocab, clusters = input.clusters, vocab = words + clusters;
  check_targets(input.targets, input.rows, vocab);
  const LinearCrossEntropyGradients<T> wanted = gradients ? *gradients : LinearCrossEntropyGradients<T>();
  const Gradient<T> dhidden = wanted.dhidden;
  T* const dweight = begin_sum(wanted.dweight, words * width);
  T* const dclusters = begin_sum(wanted.dcluster_weight, clusters * width);
  const Gradient<T> dbias = {begin_sum(wanted.dbias, vocab), true};
  if (row_loss) std::fill_n(row_loss, input.rows, T{0});

  const std::vector<std::int64_t> counted = counted_rows(input.targets, input.rows);
  const auto total = static_cast<std::int64_t>(counted.size());
  const bool all_counted = total == input.rows;
  if (!all_counted) begin_sum(dhidden, input.rows * width);

  const std::int64_t most = std::min(tile_rows(vocab, sizeof(T)), total);
  const Scratch<T> logits(most * vocab);
  // Hidden states of rows that do not follow one another, and their gradients.
  const Scratch<T> gathered(all_counted ? 0 : most * width), dgathered(all_counted || !dhidden.data ? 0 : most * width);
  std::vector<RowLoss> results(counted.size());

  for (std::int64_t begin = 0; begin < total; begin += most) {
    const std::int64_t count = std::min(most, total - begin);  // rows of this tile
    const std::int64_t* tile = counted.data() + begin;
    const T* hidden = input.hidden + begin * width;
    if (!all_counted) {
      for (std::int64_t i = 0; i < count; ++i)
        std::copy_n(input.hidden + tile[i] * width, width, gathered.data() + i * width);
      hidden = gathered.data();
    }
    gemm(Transpose::no, Transpose::yes, count, words, width, hidden, width, input.weight, width, false, logits.data(),
         vocab);
    if (clusters > 0) {
      gemm(Transpose::no, Transpose::yes, count, clusters, width, hidden, width, input.cluster_weight, width, false,
           logits.data() + words, vocab);
    }

    // Each row's logits become its loss, and scale · (softmax - target distribution) in place.
    parallel_ranges(count, kElementwiseGrain / vocab + 1, [&](std::int64_t first, std::int64_t last) {
      for (std::int64_t i = first; i < last; ++i) {
        T* z = logits.data() + i * vocab;
        const std::int32_t target = input.targets[tile[i]];
        if (input.bias) loops<T>().add_scaled(T{1}, input.bias, z, vocab);
        T sum = 0;
        const RowLoss row = row_loss_of(z, vocab, target, input.label_smoothing,
                                        [&](T shift) { return sum = loops<T>().exp_sum(z, T{1}, shift, z, vocab); });
        results[static_cast<std::size_t>(begin + i)] = row;
        if (row_loss) row_loss[tile[i]] = static_cast<T>(row.loss);
        if (!gradients) continue;
        loops<T>().scale(static_cast<T>(gradients->scale / static_cast<double>(sum)), z, z, vocab);
        subtract_target(z, vocab, target, input.label_smoothing, gradients->scale);
      }
    });

    if (dweight) {
      gemm(Transpose::yes, Transpose::no, words, width, count, logits.data(), vocab, hidden, width, true, dweight, width);
    }
    if (dclusters && clusters > 0) {
      gemm(Transpose::yes, Transpose::no, clusters, width, count, logits.data() + words, vocab, hidden, width, true,
           dclusters, width);
    }
    column_sums(logits.data(), count, vocab, vocab, dbias);
    if (dhidden.data) {
      T* target = all_counted ? dhidden.data + begin * width : dgathered.data();
      gemm(Transpose::no, Transpose::no, count, width, words, logits.data(), vocab, input.weight, width,
           all_counted && dhidden.add, target, width);
      if (clusters > 0) {
        gemm(Transpose::no, Transpose::no, count, width, clusters, logits.data() + words, vocab, input.cluster_weight, width,
             true, target, width);
      }
      if (!all_counted) {
        for (std::int64_t i = 0; i < count; ++i) {
          T* const row = dhidden.data + tile[i] * width;
          if (dhidden.add) loops<T>().add_scaled(T{1}, target + i * width, row, width);
          if (!dhidden.add) std::copy_n(target + i * width, width, row);
        }
      }
    }
  }
  return add_up(results);
}

#define COSFORMER_INSTANTIATE(T)                                                                                           \
  template CrossEntropySum cross_entropy_forward<T>(std::int64_t, std::int64_t, const T*, const std::int32_t*, double, T*, \
                                                    T*);                                                                   \
  template void cross_entropy_backward<T>(std::int64_t, std::int64_t, const T*, const std::int32_t*, double, const T*, T,  \
                                          const Gradient<T>&);                                                             \
  template CrossEntropySum linear_cross_entropy<T>(const LinearCrossEntropy<T>&, T*, const LinearCrossEntropyGradients<T>*);
COSFORMER_INSTANTIATE(float)
COSFORMER_INSTANTIATE(double)
#undef COSFORMER_INSTANTIATE

}  // namespace cosformer

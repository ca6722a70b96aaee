#pragma once
/// \file
/// Cross-entropy of logits with target classes, and the same from hidden states without storing the logits.
///
/// The loss of a row with target t is lse(z) - (1 - ε) z_t - ε mean(z), ε the label smoothing (Szegedy et al., 2016, as in
/// PyTorch). A target of -1 is ignored: loss 0, gradient 0. Letters: R rows, V classes, E width of hidden states.

#include <cstdint>

#include "core/kernels/gradient.h"

namespace cosformer {

/// A target that is not counted.
inline constexpr std::int32_t kIgnoredTarget = -1;

struct CrossEntropySum {
  double loss = 0;           ///< Σ of the rows' losses, in nats, added in double in the order of the rows
  std::int64_t counted = 0;  ///< rows whose target is not ignored
  std::int64_t correct = 0;  ///< counted rows whose largest logit (the first of equal ones) is the target's
};

/// Writes `row_loss` [R] and `log_sum_exp` [R] (which the backward pass needs; 0 if ignored). Throws ShapeError for a
/// target that is neither -1 nor in [0, V). float or double.
template <class T>
CrossEntropySum cross_entropy_forward(std::int64_t rows, std::int64_t vocab, const T* logits, const std::int32_t* targets,
                                      double label_smoothing, T* row_loss, T* log_sum_exp);

/// dlogits = gradient_scale · (softmax(logits) - target distribution). dlogits may be logits if it is written.
template <class T>
void cross_entropy_backward(std::int64_t rows, std::int64_t vocab, const T* logits, const std::int32_t* targets,
                            double label_smoothing, const T* log_sum_exp, T gradient_scale, const Gradient<T>& dlogits);

template <class T>
struct LinearCrossEntropy {
  std::int64_t rows = 0, width = 0, vocab = 0;
  const T* hidden = nullptr;              ///< [R, E]
  const T* weight = nullptr;              ///< [V, E]
  const T* bias = nullptr;                ///< [V] or null
  const std::int32_t* targets = nullptr;  ///< [R]
  double label_smoothing = 0;
  std::int64_t clusters = 0;          ///< C classes more, numbered V ... V + C - 1, with weights of their own
  const T* cluster_weight = nullptr;  ///< [C, E]; a bias then has V + C elements
};

/// The gradients of scale · Σ loss.
template <class T>
struct LinearCrossEntropyGradients {
  double scale = 1;
  Gradient<T> dhidden;          ///< [R, E]
  Gradient<T> dweight;          ///< [V, E]
  Gradient<T> dbias;            ///< [V + C]
  Gradient<T> dcluster_weight;  ///< [C, E]
};

/// Loss and, if `gradients` is not null, gradients of logits = hidden · weightᵀ + bias, by tiles of rows of which only
/// one tile of logits exists at a time (about 16 MiB, at least 128 rows). Ignored rows cost nothing. `row_loss` [R] may be
/// null. Throws ShapeError as above. Same bits on any number of threads.
template <class T>
CrossEntropySum linear_cross_entropy(const LinearCrossEntropy<T>& input, T* row_loss,
                                     const LinearCrossEntropyGradients<T>* gradients);

}  // namespace cosformer

#pragma once
/// \file
/// The loss of a decoder that predicts given tokens.

#include <cstdint>

#include "layers/model.h"

namespace cosformer::test {

/// Mean loss of predicting `targets` (int32 [B, T]) with a decoder.
inline Variable decoder_loss(const Model& model, const Tensor& ids, const Tensor& targets, const Pass& pass) {
  const Variable hidden = model.decode(ids, nullptr, {}, pass);
  const std::int64_t rows = ids.size();
  return linear_cross_entropy(reshape(hidden, {rows, hidden.dim(2)}), pass.use(model.output_weight()), Variable(),
                              targets.reshape({rows}), 1.0 / static_cast<double>(rows));
}

}  // namespace cosformer::test

#pragma once
/// \file
/// How far a decoder's attentions are from those of another one.

#include <vector>

#include "layers/model.h"

namespace cosformer {

/// What a transfer compares, and what it makes on the way.
struct TransferErrors {
  std::vector<Variable> layers;  ///< factor · Σ (student − teacher)², of each layer
  Variable teacher_hidden;       ///< what `teacher.decode` gives, without a graph
};

/// Runs the teacher over ids int32 [B, T]; each layer of the student sees the teacher's hidden states in front of that
/// layer, and is compared with it in what its attention gives to out_proj, [B, T, embed_dim]. The student's layers do not
/// see each other, and its embeddings, feed-forward blocks and last norm nothing at all. `places` int32 [R] are the rows of
/// [B · T] that count; undefined: all. The two have the same layers, of the same width. Source: Zhang et al., LoLCATs, ICLR
/// 2025, section 3.1, where outputs are compared in front of the output projection as well.
TransferErrors transfer_errors(const Model& student, const Model& teacher, const Tensor& ids, const Tensor& places,
                               double factor, const Pass& pass);

}  // namespace cosformer

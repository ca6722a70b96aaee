#pragma once
/// \file
/// A training step's loss of texts that are cut into parts, on the ranks of Pass::sequence.

#include <optional>
#include <string>

#include "layers/model.h"

namespace cosformer {

/// Why texts of a model cannot be cut: the key at fault, and what is wrong with it; nothing if they can. Throws InputError
/// for options that fit no attention.
struct CutProblem {
  std::string key, message;
};
std::optional<CutProblem> find_cut_problem(const ModelConfig& config);

/// `Model::token_loss` of a decoder's hidden states: ids and targets int32 [B, T]. Every member of the group gets the value,
/// and the first the gradients of all parameters.
Variable token_loss_in_parts(const Model& model, const Tensor& ids, const Tensor& targets, double factor, const Pass& pass);

/// `Model::classify` of an encoder's hidden states: ids int32 [B, T] -> [B, num_classes], in the same way.
Variable classify_in_parts(const Model& model, const Tensor& ids, const SharedPaddingMask& mask, const Pass& pass);

}  // namespace cosformer

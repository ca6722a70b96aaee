#pragma once
/// \file
/// A model's loss and scores of texts, whole or cut into parts for the ranks of Pass::sequence.

#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "core/option_problem.h"
#include "layers/model.h"

namespace cosformer {

/// Why texts of a model cannot be cut; nothing if they can. Throws InputError for options that fit no attention.
std::optional<OptionProblem> find_cut_problem(const ModelConfig& config);

// A pass with a `sequence` cuts texts, of a model that find_cut_problem allows. Every member of the group then gets the
// values, and the first the gradients of all parameters. A pass without one leaves them whole.

/// `Model::token_loss` of a decoder without an encoder: ids and targets int32 [B, T].
Variable decoder_loss(const Model& model, const Tensor& ids, const Tensor& targets, double factor, const Pass& pass);

/// `Model::classify` of an encoder's texts: ids int32 [B, T] -> [B, num_classes].
Variable class_scores(const Model& model, const Tensor& ids, const SharedPaddingMask& mask, const Pass& pass);

/// Figures of a decoder's hidden states [B, tokens, embed_dim], of the tokens from `first` on, that add up over a text.
using HiddenFigures = std::function<std::vector<double>(const Tensor& hidden, std::int64_t first)>;
/// Their sums over the texts ids int32 [B, T], in a pass without a graph.
std::vector<double> sum_over_hidden(const Model& model, const Tensor& ids, const Pass& pass, const HiddenFigures& figures);

}  // namespace cosformer

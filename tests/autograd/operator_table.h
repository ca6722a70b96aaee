#pragma once
/// \file
/// One row an operator: sample inputs, a plain reference in double, and inputs that must be refused.

#include <functional>
#include <span>
#include <string>
#include <vector>

#include "autograd/ops.h"

namespace cosformer::test {

using Values = std::vector<double>;

struct OperatorCase {
  std::string op;      ///< the function's name in autograd/ops.h
  std::string sample;  ///< what is special about this row
  std::vector<Shape> shapes;
  std::function<Variable(std::span<const Variable>)> apply;
  /// Plain loops that share no code with the kernels.
  std::function<Values(const std::vector<Values>&)> reference;
  double low = -1.5, high = 1.5;  ///< interval of the inputs' elements
  double kink_distance = 0;       ///< elements stay this far from 0
  double float_tolerance = 2e-6;
};

struct BadInput {
  std::string op;
  std::string sample;
  std::function<void()> call;  ///< must throw ShapeError whose message names the operator
};

std::vector<OperatorCase> operator_cases();
/// In operator_bad_inputs.cpp.
std::vector<BadInput> bad_inputs();

Tensor ids(const Shape& shape, std::vector<std::int32_t> values);
/// [3, 4] with padding in the middle, at the end and everywhere.
SharedPaddingMask some_mask();

/// A state [batch, heads, numbers] of doubles that a row's attention begins with, far from zeros
/// (operator_table_layers.cpp).
Tensor some_state(std::int64_t batch, std::int64_t heads, std::int64_t numbers);

/// Rows of losses (operator_table_losses.cpp), part of `operator_cases`.
std::vector<OperatorCase> loss_cases();

/// Attention's rows (operator_table_attention.cpp), part of `operator_cases`.
std::vector<OperatorCase> attention_cases();

/// Rows of sparse attention (operator_table_sparse.cpp) and of the two below, part of `operator_cases` and `bad_inputs`.
std::vector<OperatorCase> sparse_cases();
std::vector<BadInput> bad_sparse_inputs();

/// Rows of linear attention in parts (operator_table_parts.cpp), part of `operator_cases` and `bad_inputs`.
std::vector<OperatorCase> part_cases();
std::vector<BadInput> bad_part_inputs();

/// Rows of what synthesizers and shared queries and keys need (operator_table_synthesized.cpp).
std::vector<OperatorCase> synthesized_cases();
std::vector<BadInput> bad_synthesized_inputs();

/// Rows of sinkhorn attention (operator_table_sinkhorn.cpp).
std::vector<OperatorCase> sinkhorn_cases();
std::vector<BadInput> bad_sinkhorn_inputs();

/// Rows of what attentions with parameters are made of (operator_table_layers.cpp), part of `operator_cases` and
/// `bad_inputs`.
std::vector<OperatorCase> attention_layer_cases();
std::vector<BadInput> bad_attention_layer_inputs();

/// Rows of what Nyström attention is made of (operator_table_landmarks.cpp), part of `operator_cases` and `bad_inputs`.
std::vector<OperatorCase> landmark_cases();
std::vector<BadInput> bad_landmark_inputs();

/// Rows of what random feature attention is made of (operator_table_features.cpp), part of `operator_cases` and
/// `bad_inputs`.
std::vector<OperatorCase> feature_cases();
std::vector<BadInput> bad_feature_inputs();

/// Rows of what turns softmax into linear attention (operator_table_linearize.cpp), part of `operator_cases` and
/// `bad_inputs`.
std::vector<OperatorCase> linearize_cases();
std::vector<BadInput> bad_linearize_inputs();

/// Rows of the fused blocks (operator_table_fused.cpp), part of `operator_cases` and `bad_inputs`.
std::vector<OperatorCase> fused_cases();
std::vector<BadInput> bad_fused_inputs();

/// Rows of the parts of current models (operator_table_blocks.cpp), part of `operator_cases` and `bad_inputs`.
std::vector<OperatorCase> block_cases();
std::vector<BadInput> bad_block_inputs();

/// Rows of large vocabularies (operator_table_adaptive.cpp), part of `operator_cases` and `bad_inputs`.
std::vector<OperatorCase> adaptive_cases();
std::vector<BadInput> bad_adaptive_inputs();

}  // namespace cosformer::test

#pragma once
/// \file
/// What query, key and value go through between their projections and the attention.

#include <array>
#include <cstdint>
#include <memory>

#include "layers/attention/attention.h"
#include "layers/carried_texts.h"
#include "layers/model_config.h"

namespace cosformer {

/// In this order, each if a config asks for it: a short convolution of each channel (So et al., Primer, 2021, section 3.3;
/// `q_convolution`, `k_convolution` and `v_convolution`, weights [width, K]), rotary positions of queries and keys (Su et
/// al., RoFormer, 2021; before a feature map), and copies of heads of keys and values that several heads of queries share
/// (Ainslie et al., 2023). Queries and keys without a projection of their own are undefined before all that; behind it
/// queries stand in for keys, and values for both (AttentionSupport).
class HeadInputs {
 public:
  /// `scope` is that of the layer.
  HeadInputs(const Scope& scope, const AttentionConfig& config, std::int64_t num_heads, std::int64_t head_dim);

  /// Query and key of one text, or of two if there is neither convolution nor rotation: heads as they are projected -> as
  /// the attention takes them. `first` is where a part of a text begins.
  AttentionInputs of(const AttentionInputs& projected, const SharedPaddingMask& mask, const Pass& pass,
                     std::int64_t first = 0) const;
  /// Keys or values [B, S, kv_heads, D] -> [B, S, H, D].
  Variable all_heads(const Variable& heads) const;

  /// What stands behind the attention's state in Pass::layer_texts: the last K − 1 projected tokens [rows, K − 1, heads, D]
  /// of each convolution, "q_tail", "k_tail" and "v_tail".
  std::vector<CarriedPart> carried_parts(std::int64_t rows) const;

  /// Whether a token's inputs depend on the tokens before it.
  bool convolves() const { return convolutions_[2].defined(); }

  /// The state of `attention`, and what the inputs of the tokens to come need; it refers to this object.
  std::unique_ptr<AttentionState> start(std::unique_ptr<AttentionState> attention) const;

  /// Numbers that a forward pass keeps for its backward pass, per token.
  static double saved_numbers(const AttentionConfig& config, double width);

 private:
  friend class HeadInputsState;

  /// Query, key and value (0, 1, 2) behind their convolution, if there is one.
  Variable convolved(std::size_t side, const Variable& heads, const SharedPaddingMask& mask, const Pass& pass) const;
  Variable rotated(const Variable& heads, const SharedPaddingMask& mask, std::int64_t first) const;

  std::array<Variable, 3> convolutions_;  ///< of query, key and value; undefined without
  bool stands_in_;                        ///< queries or keys are undefined
  bool rotary_;
  double rotary_base_;
  std::int64_t head_dim_;
  std::int64_t copies_;  ///< heads of queries for each of keys
};

}  // namespace cosformer

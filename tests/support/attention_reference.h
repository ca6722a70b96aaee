#pragma once
/// \file
/// Attention by plain loops in double: the oracle of every form and of its gradients.
///
/// Operands are contiguous [B, length, H, width].

#include <cstdint>
#include <functional>
#include <vector>

namespace cosformer::test {

struct AttentionCase {
  std::int64_t batch = 1, queries = 1, keys = 1, heads = 1, head_dim = 1, value_dim = 1;
  bool causal = false;
  std::vector<std::uint8_t> key_mask = {};  ///< [B, S], empty = all real
  std::int64_t window = -1;
  std::vector<double> weight_factors = {};  ///< softmax: [B, H, T, S], what each weight is multiplied by; empty = 1
  std::vector<std::int32_t> query_positions = {}, key_positions = {};  ///< [B, T] and [B, S]; empty = 0, 1, 2, ...
  /// Softmax: whether head h of item b has query i look at key j, besides what `sees` says; empty = always.
  std::function<bool(std::int64_t b, std::int64_t h, std::int64_t i, std::int64_t j)> listed = {};
  std::vector<double> distance_slopes = {};  ///< softmax: [H], what scores lose per position between them; empty = 0
  bool l1_norm = false;                      ///< linear attention: divide by Σ|s_ij| instead of Σ s_ij
  bool undivided = false;                    ///< linear attention: divide by nothing

  /// Is key j of item b in sight of query i?
  bool sees(std::int64_t b, std::int64_t i, std::int64_t j) const;
  /// Does it also count for head h, by `listed`?
  bool counts(std::int64_t b, std::int64_t h, std::int64_t i, std::int64_t j) const;
  /// Where query i and key j of item b stand in their texts.
  std::int64_t query_position(std::int64_t b, std::int64_t i) const;
  std::int64_t key_position(std::int64_t b, std::int64_t j) const;
};

struct AttentionGradients {
  std::vector<double> dquery, dkey, dvalue;
};

/// φ and φ' of one number.
struct ReferenceFeature {
  std::function<double(double)> value, slope;
};

/// The functions of the table of core/kernels/scalar_function.h, by name.
ReferenceFeature reference_feature(const char* name);

/// r as plain formulas: cos of the difference of two angles, with steps of each item, or a power of the distance, with −log
/// γ of each head; nothing without re-weighting.
struct ReferenceReweighting {
  std::vector<double> query_steps, key_steps;
  std::vector<double> decays = {};
};

std::vector<double> reference_linear_attention(const AttentionCase& shape, const ReferenceFeature& feature,
                                               const ReferenceReweighting& reweighting, const std::vector<double>& query,
                                               const std::vector<double>& key, const std::vector<double>& value);
AttentionGradients reference_linear_attention_gradients(const AttentionCase& shape, const ReferenceFeature& feature,
                                                        const ReferenceReweighting& reweighting,
                                                        const std::vector<double>& query, const std::vector<double>& key,
                                                        const std::vector<double>& value, const std::vector<double>& dout);

std::vector<double> reference_softmax_attention(const AttentionCase& shape, double scale, const std::vector<double>& query,
                                                const std::vector<double>& key, const std::vector<double>& value);
AttentionGradients reference_softmax_attention_gradients(const AttentionCase& shape, double scale,
                                                         const std::vector<double>& query, const std::vector<double>& key,
                                                         const std::vector<double>& value, const std::vector<double>& dout);

}  // namespace cosformer::test

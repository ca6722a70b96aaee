#pragma once
/// \file
/// The constructors that the registry names.

#include "layers/attention/attention.h"
#include "layers/model_config.h"

namespace cosformer {

/// Linear attention with any feature map and re-weighting (linear_attention.cpp).
std::unique_ptr<Attention> make_linear_attention(const AttentionConfig& config, const AttentionSetting& setting);
/// Softmax attention in tiles, scale 1/sqrt(head_dim) (softmax_attention.cpp).
std::unique_ptr<Attention> make_softmax_attention(const AttentionConfig& config, const AttentionSetting& setting);
/// The same with the whole matrix stored.
std::unique_ptr<Attention> make_materialized_softmax_attention(const AttentionConfig& config,
                                                               const AttentionSetting& setting);
/// Softmax over the keys within `window` positions.
std::unique_ptr<Attention> make_local_attention(const AttentionConfig& config, const AttentionSetting& setting);

/// Softmax within blocks, the DiagAttention of TransNormer (sparse_attention.cpp; Qin et al., 2022, section 4.2).
std::unique_ptr<Attention> make_diagonal(const AttentionConfig& config, const AttentionSetting& setting);

/// Softmax attention to a text whose length is projected (linformer.cpp).
std::unique_ptr<Attention> make_linformer(const AttentionConfig& config, const AttentionSetting& setting);
/// Causal linear attention with a learned gate (gated.cpp).
std::unique_ptr<Attention> make_gated_linear_attention(const AttentionConfig& config, const AttentionSetting& setting);
/// Linear attention with a learned cosine for each channel (cosformer2.cpp).
std::unique_ptr<Attention> make_cosformer2(const AttentionConfig& config, const AttentionSetting& setting);
/// Causal linear attention by the delta rule (delta.cpp).
std::unique_ptr<Attention> make_delta_attention(const AttentionConfig& config, const AttentionSetting& setting);
/// The same on a state that decays.
std::unique_ptr<Attention> make_gated_delta_attention(const AttentionConfig& config, const AttentionSetting& setting);

/// Longformer: softmax over a window and global tokens (sparse_attention.cpp).
std::unique_ptr<Attention> make_longformer(const AttentionConfig& config, const AttentionSetting& setting);
/// BigBird: softmax over blocks nearby, first blocks and random ones.
std::unique_ptr<Attention> make_bigbird(const AttentionConfig& config, const AttentionSetting& setting);
/// Sparse transformers: fixed or strided.
std::unique_ptr<Attention> make_sparse(const AttentionConfig& config, const AttentionSetting& setting);
/// Reformer: softmax over tokens with the same hash, queries as keys (reformer.cpp).
std::unique_ptr<Attention> make_reformer(const AttentionConfig& config, const AttentionSetting& setting);
/// Sparse sinkhorn attention: the own block and one that a learned sorting puts beside it (sinkhorn.cpp).
std::unique_ptr<Attention> make_sinkhorn(const AttentionConfig& config, const AttentionSetting& setting);
/// Synthesizer: weights from each token or its position alone (synthesizer.cpp).
std::unique_ptr<Attention> make_synthesizer(const AttentionConfig& config, const AttentionSetting& setting);
/// Softmax attention through landmarks (nystrom.cpp).
std::unique_ptr<Attention> make_nystrom(const AttentionConfig& config, const AttentionSetting& setting);
/// Linear attention between random features of directions (rfa.cpp).
std::unique_ptr<Attention> make_rfa(const AttentionConfig& config, const AttentionSetting& setting);

}  // namespace cosformer

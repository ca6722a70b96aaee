#pragma once
/// \file
/// Position embeddings: learned, sinusoidal or none (rope acts within attention).

#include <optional>

#include "layers/basic_layers.h"
#include "layers/model_config.h"

namespace cosformer {

/// Adds what tells positions apart to embedded tokens.
class PositionEmbedding {
 public:
  /// `scope` is that of the stack ("decoder"); a learned table is "embed_positions.weight" (max_length, embed_dim).
  PositionEmbedding(const Scope& scope, Positions kind, std::int64_t max_length, std::int64_t embed_dim);

  /// x [B, T, embed_dim] + the embeddings of positions start .. start + T - 1. Throws InputError if a learned table is
  /// too short.
  Variable forward(const Variable& x, std::int64_t start, const Pass& pass) const;
  /// x [B, T, embed_dim] + the embeddings of `positions`, int32 [B, T].
  Variable forward_at(const Variable& x, const Tensor& positions, const Pass& pass) const;

 private:
  bool adds_to_tokens() const { return kind_ == Positions::learned || kind_ == Positions::sinusoidal; }
  /// The learned table. Throws InputError if it has fewer than `length` rows.
  Variable learned_table(std::int64_t length, const Pass& pass) const;

  Positions kind_;
  std::optional<Embedding> learned_;
};

/// Rows [start, start + length) of the sinusoidal table in fairseq's layout: with half = embed_dim / 2, column i < half is
/// sin(p · 10000^(-i / (half - 1))), column half + i the cosine; an odd last column is 0. Source: Vaswani et al., 2017.
Tensor sinusoidal_positions(std::int64_t start, std::int64_t length, std::int64_t embed_dim, DType dtype);

}  // namespace cosformer

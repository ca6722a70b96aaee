#pragma once
/// \file
/// The interface of every attention variant, and the registry that makes one from its config.

#include <memory>
#include <span>
#include <string>

#include "autograd/ops.h"
#include "layers/model_config.h"

namespace cosformer {

/// Attention of one token after the other, without a graph: for generation.
class AttentionState {
 public:
  virtual ~AttentionState() = default;
  /// The output for the next position: query, key [B, 1, H, D], value [B, 1, H, E] -> [B, 1, H, E].
  virtual Tensor step(const Tensor& query, const Tensor& key, const Tensor& value) = 0;
  /// Goes on with the items rows[0], rows[1], ... of the batch, which may repeat and be left out.
  virtual void select(std::span<const std::int64_t> rows) = 0;
};

/// Attention between projected heads. Immutable: one object serves several threads.
class Attention {
 public:
  virtual ~Attention() = default;
  /// query [B, T, H, D], key [B, S, H, D], value [B, S, H, E] (strided views) -> [B, T, H, E].
  virtual Variable forward(const Variable& query, const Variable& key, const Variable& value,
                           const AttentionMask& mask) const = 0;
  /// Causal attention over the tokens to come. Variants with a recurrent form hold a state of constant size, the others a
  /// key-value cache.
  virtual std::unique_ptr<AttentionState> start() const = 0;
  /// What `forward` gives the one query at `position` (from 0) of a text that attends to another, without a graph: query
  /// [B, 1, H, D], key [B, S, H, D], value [B, S, H, E] -> [B, 1, H, E]. Where the re-weighting depends on the length of the
  /// queries' text, which is not known while it is being written, that is taken to be max(position + 1, the item's keys).
  virtual Tensor attend_at(std::int64_t position, const Tensor& query, const Tensor& key, const Tensor& value,
                           const SharedPaddingMask& key_mask) const = 0;
  /// Floating-point operations of one head's forward pass over an item that the formula asks for (value dim = head_dim); a
  /// backward pass counts twice that.
  virtual double forward_flops(std::int64_t queries, std::int64_t keys, bool causal) const = 0;
  /// Numbers that one head's forward pass over an item keeps for its backward pass, besides query, key, value and output; the
  /// backward pass needs at most as many again while it runs.
  virtual double saved_numbers(std::int64_t queries, std::int64_t keys) const = 0;
  /// The same attention with similarities as they are; null where nothing re-weights them.
  virtual std::unique_ptr<Attention> without_reweighting() const { return nullptr; }
  /// Radians between neighbouring positions in the re-weighting cos(θ_i − θ_j) of a batch's first item; 0 where there is none.
  virtual double reweighting_angle(std::int64_t, std::int64_t, const AttentionMask&) const { return 0; }
};

/// What a variant may depend on besides its config.
struct AttentionSetting {
  std::int64_t num_heads = 1;
  std::int64_t head_dim = 1;
  std::int64_t causal_length = 1;  ///< M of a causal model whose re-weighting length is `auto`
  std::uint64_t seed = 0;          ///< of random features
  std::string path;                ///< the layer's place in the tree of names
};

/// Throws InputError for an unknown kind (with the nearest name) or options that do not fit it.
std::unique_ptr<Attention> make_attention(const AttentionConfig& config, const AttentionSetting& setting);

/// A registered kind, and one line on what it is.
struct AttentionKind {
  const char* name;
  const char* description;
  std::unique_ptr<Attention> (*make)(const AttentionConfig&, const AttentionSetting&);
};
std::span<const AttentionKind> attention_kinds();

}  // namespace cosformer

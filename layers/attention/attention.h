#pragma once
/// \file
/// The interface of every attention: a layer between projected heads that may own parameters.

#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "autograd/ops.h"
#include "layers/parameters.h"
#include "layers/pass.h"

namespace cosformer {

/// What attention is made from: the heads' projections, and what keys and values are projections of.
struct AttentionInputs {
  Variable query;       ///< [B, T, H, D], a strided view
  Variable key;         ///< [B, S, H, D]
  Variable value;       ///< [B, S, H, E]
  Variable input = {};  ///< [B, S, embed_dim], the layer's input; undefined for an attention that does not read it
};

/// Attention of one token after the other, without a graph: for generation.
class AttentionState {
 public:
  virtual ~AttentionState() = default;
  /// The output [B, 1, H, E] for the next position: inputs with T = S = 1.
  virtual Tensor step(const AttentionInputs& inputs) = 0;
  /// The outputs [B, T, H, E] for the next T positions; by default those of one `step` after the other.
  virtual Tensor steps(const AttentionInputs& inputs);
  /// Whether keys and values may come with fewer heads than queries, each of them for as many heads of queries.
  virtual bool takes_shared_heads() const { return false; }
  /// Goes on with the items rows[0], rows[1], ... of the batch, which may repeat and be left out.
  virtual void select(std::span<const std::int64_t> rows) = 0;
};

/// A re-weighting as a matrix, for looking at it.
struct ReweightingMatrix {
  std::string name;     ///< empty: there is none
  std::string formula;  ///< as a function of i − j
  std::string parameter;
  std::vector<double> parameters;  ///< the formula's parameter, of each head or one for all
  Tensor weights;                  ///< [1 or H, T, S] of the batch's first item; keys that are not seen have 0
};

class CutAttention;      // layers/attention/cut_attention.h
class CarriedAttention;  // layers/attention/carried_attention.h

/// What an attention may depend on besides its config.
struct AttentionSetting {
  Scope scope;  ///< the layer's place in the tree of names, where its parameters go
  std::int64_t num_heads = 1;
  std::int64_t head_dim = 1;
  std::int64_t embed_dim = 1;   ///< width of the layer's input
  std::int64_t max_length = 1;  ///< positions of the longest text
  /// Of random directions, rotations and blocks, which are part of what the parameters were trained for; nothing: the seed
  /// of the parameters.
  std::optional<std::uint64_t> seed = {};

  std::uint64_t draw_seed() const { return seed.value_or(scope.store().seed()); }
};

/// Attention between projected heads. Immutable but for its parameters: one object serves several threads.
class Attention {
 public:
  explicit Attention(const AttentionSetting& setting) : head_dim_(setting.head_dim) {}
  virtual ~Attention() = default;

  /// -> [B, T, H, E].
  virtual Variable forward(const AttentionInputs& inputs, const AttentionMask& mask, const Pass& pass) const = 0;
  /// Whether `forward` reads AttentionInputs::input.
  virtual bool reads_input() const { return false; }
  /// How it attends to a text in parts: AttentionSupport says whether it can. It is part of this object.
  virtual const CutAttention* cut() const { return nullptr; }
  /// How a training window goes on with the state of the one before: AttentionSupport says whether it can. It is part of
  /// this object.
  virtual const CarriedAttention* carried() const { return nullptr; }
  /// Whether the layer has to norm each head's output, which the attention has divided by nothing.
  virtual bool wants_norm() const { return false; }

  /// Causal attention over the tokens to come. By default `forward` of each query over the keys and values so far; an
  /// attention with a recurrent form has a state of constant size instead. Needs AttentionSupport::steps.
  virtual std::unique_ptr<AttentionState> start() const;
  /// How many positions back a query sees keys; negative: all. What is further back is not kept.
  virtual std::int64_t reach() const { return -1; }

  /// Floating-point operations of one head's forward pass over an item that the formula asks for (value dim = head_dim); a
  /// backward pass counts twice that. By default those of a matrix of weights.
  virtual double forward_flops(std::int64_t queries, std::int64_t keys, bool causal) const;
  /// Numbers that one head's forward pass over an item keeps for its backward pass, besides query, key, value and output;
  /// the backward pass needs at most as many again while it runs. By default those of a matrix of weights.
  virtual double saved_numbers(std::int64_t queries, std::int64_t keys, bool causal) const;
  /// Numbers that each thread at work on an item's heads holds for a while in the backward pass, beside the tensors.
  virtual double working_numbers(std::int64_t, std::int64_t, bool) const { return 0; }

  /// The same attention with similarities as they are; null if nothing re-weights them.
  virtual std::unique_ptr<Attention> without_reweighting() const { return nullptr; }
  /// What similarities are multiplied by.
  virtual ReweightingMatrix reweighting(std::int64_t, std::int64_t, const AttentionMask&) const { return {}; }

 protected:
  Attention(const Attention&) = default;
  Attention& operator=(const Attention&) = default;
  std::int64_t head_dim() const { return head_dim_; }

 private:
  std::int64_t head_dim_;
};

/// Generation by `forward` of one query over the keys and values of all tokens that it sees.
std::unique_ptr<AttentionState> start_with_cache(std::shared_ptr<const Attention> attention);

/// The mask of one query that stands at `position` of each item's text and sees all keys. `key_mask` may be null.
AttentionMask mask_of_query_at(std::int64_t position, std::int64_t batch, std::int64_t keys,
                               const SharedPaddingMask& key_mask, std::int64_t first_key_position = 0);

}  // namespace cosformer

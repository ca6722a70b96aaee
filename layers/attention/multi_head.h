#pragma once
/// \file
/// Multi-head attention: projections around one attention variant.

#include <memory>
#include <optional>
#include <span>
#include <string>

#include "layers/attention/cut_attention.h"
#include "layers/attention/head_inputs.h"
#include "layers/basic_layers.h"
#include "layers/carried_texts.h"
#include "layers/model_config.h"

namespace cosformer {

/// Keys and values of texts that are attended to again and again.
struct EncoderKeys {
  Tensor key, value;       ///< [B, S, H, D]
  Tensor input;            ///< [B, S, embed_dim], what they are projections of
  SharedPaddingMask mask;  ///< [B, S]; null if all are real

  /// Goes on with the items rows[0], rows[1], ... of the batch.
  void select(std::span<const std::int64_t> rows);
};

/// out_proj(attention(q_proj(x), k_proj(y), v_proj(y))). Heads are strided views of the projections: nothing is copied to
/// split or join them. Around the attention, if the config asks for it: what HeadInputs does; an RMS norm of each head's
/// output (`head_norm`, one weight for all heads); an output gate, attended ∘ f(gate_proj(x)) before out_proj (Sun et al.,
/// Retentive Network, 2023, eq. 8).
class MultiHeadAttention {
 public:
  /// `max_length` is the longest text's. Throws InputError if `num_heads` does not divide `embed_dim` or the attention's
  /// options are unusable.
  MultiHeadAttention(const Scope& scope, std::int64_t embed_dim, std::int64_t num_heads, const AttentionConfig& config,
                     std::int64_t max_length);

  /// x [B, T, embed_dim] asks, source [B, S, embed_dim] (x itself in self-attention) answers -> [B, T, embed_dim].
  Variable forward(const Variable& x, const Variable& source, const AttentionMask& mask, const Pass& pass) const;

  /// What stands between a layer's input and its attention.
  struct Heads {
    AttentionInputs inputs;
    Variable gate;  ///< [B, T, embed_dim]; undefined without one
  };
  /// `forward` in its pieces: x and source -> the attention's inputs, of a part of a text that begins at `first`;
  Heads heads_of(const Variable& x, const Variable& source, const SharedPaddingMask& mask, const Pass& pass,
                 std::int64_t first = 0) const;
  /// the attention between heads, recorded if the pass asks for it, of a text or of a part (CutAttention::attend);
  Variable attend(const AttentionInputs& inputs, const AttentionMask& mask, const Pass& pass) const;
  Variable attend_part(const AttentionInputs& inputs, const Variable& state, const SequencePart& part,
                       const Pass& pass) const;
  /// what out_proj reads of its output [B, T, H, E], [B, T, embed_dim]; `gate` is gate_proj's, if there is one;
  Variable join_heads(const Variable& attended, const Variable& gate, const Pass& pass) const;
  /// and out_proj's own output [B, T, embed_dim].
  Variable close(const Variable& attended, const Variable& gate, const Pass& pass) const {
    return out_proj_.forward(join_heads(attended, gate, pass), pass);
  }
  /// x + dropout(self-attention of norm(x)) in fused operations, for narrow rows and an attention that does not read the
  /// layer's input: what stands before the attention,
  Heads heads_of_norm(const Variable& x, const Norm& norm, const SharedPaddingMask& mask, const Pass& pass,
                      std::int64_t first = 0) const;
  /// and behind it.
  Variable close_residual(const Variable& attended, const Variable& gate, const Variable& x, const Dropout& dropout,
                          const Pass& pass) const;
  const CutAttention* cut() const { return attention_->cut(); }
  /// The attention's state, and what `head_inputs_` keeps, of `rows` texts in windows of `tokens` tokens.
  std::vector<CarriedPart> carried_parts(std::int64_t rows, std::int64_t tokens) const;
  /// Attention::reads_input.
  bool reads_input() const { return attention_->reads_input(); }

  std::unique_ptr<AttentionState> start() const { return head_inputs_.start(attention_->start()); }
  /// The next positions, x [B, T, embed_dim], in causal self-attention, without a graph.
  Tensor step(const Tensor& x, AttentionState& state) const;

  /// What `attend_to` sees of source [B, S, embed_dim].
  EncoderKeys keys_of(const Variable& source, const SharedPaddingMask& mask) const;
  /// `forward` of one position of a text that is being written, without a graph: x [B, 1, embed_dim]. A re-weighting that
  /// depends on the length of that text, which is not known yet, takes max(position + 1, the item's keys) for it.
  Tensor attend_to(const EncoderKeys& keys, const Tensor& x, std::int64_t position) const;

 private:
  Variable split_heads(const Variable& x) const;
  /// The gate of the layer's input [B, T, embed_dim]; undefined without one.
  Variable gate_of(const Variable& x, const Pass& pass) const;
  /// Queries of x, keys and values of source, before `head_inputs_`; undefined without a projection.
  AttentionInputs project(const Variable& x, const Variable& source, const Pass& pass) const;
  /// What `attend` takes: of a pass with packed texts heads as they are projected, else what `head_inputs_` makes of them.
  AttentionInputs prepare(const AttentionInputs& projected, const SharedPaddingMask& mask, const Pass& pass,
                          std::int64_t first) const;
  /// `attend` of a window that goes on with its texts.
  Variable go_on(const AttentionInputs& inputs, const AttentionMask& mask, const Pass& pass) const;
  /// `attend` of each packed text by itself.
  Variable attend_apart(const AttentionInputs& projected, const AttentionMask& mask, const Pass& pass) const;

  std::string path_;
  std::int64_t head_dim_;
  std::optional<Linear> q_proj_, k_proj_;  ///< none: see AttentionSupport
  Linear v_proj_, out_proj_;
  Dropout weight_dropout_;
  HeadInputs head_inputs_;
  std::unique_ptr<Attention> attention_;
  std::optional<Norm> head_norm_;
  std::optional<Linear> gate_proj_;
  ScalarFunction gate_function_ = ScalarFunction::silu;
};

}  // namespace cosformer

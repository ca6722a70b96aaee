#pragma once
/// \file
/// A stack of layers with its embeddings: an encoder or a decoder.

#include <memory>
#include <optional>
#include <span>
#include <variant>
#include <vector>

#include "layers/adaptive.h"
#include "layers/positions.h"
#include "layers/transformer_layer.h"

namespace cosformer {

enum class StackRole : std::uint8_t { encoder, decoder };

/// What a decoder remembers of the texts that it is writing: attention states of all layers, keys and values of what they
/// see of the encoder, and the position reached.
struct DecoderState {
  std::vector<std::unique_ptr<AttentionState>> layers;
  std::vector<EncoderKeys> encoder;  ///< by layer; none without an encoder
  std::int64_t position = 0;

  /// Goes on with the texts rows[0], rows[1], ... of the batch, which may repeat and be left out.
  void select(std::span<const std::int64_t> rows);
};

/// Token ids to hidden states: embeddings, positions, layers and, with pre-norm, a last norm.
class Transformer {
 public:
  /// `scope` is "encoder" or "decoder". `shared_embedding` is a table that another stack has made; undefined for one of its
  /// own.
  Transformer(const Scope& scope, const ModelConfig& config, StackRole role, bool attends_to_encoder,
              const Variable& shared_embedding = Variable());

  /// ids int32 [B, T] -> [B, T, embed_dim]. A decoder is causal. `mask` tells the real tokens of ids and where
  /// they stand.
  Variable forward(const Tensor& ids, const SharedPaddingMask& mask, const EncoderOutput& encoder, const Pass& pass) const;

  /// `forward` in its pieces, for a text that is cut: the layers' input for ids int32 [B, T] of a text from position `first`
  /// on;
  Variable embed_part(const Tensor& ids, const SharedPaddingMask& mask, std::int64_t first, const Pass& pass) const;
  std::span<const TransformerLayer> layers() const { return layers_; }
  /// and the last norm of the last layer's output, if there is one.
  Variable normed(const Variable& x, const Pass& pass) const { return layer_norm_ ? layer_norm_->forward(x, pass) : x; }

  /// The state before the first token; `encoder` is what a decoder of an encoder-decoder attends to.
  DecoderState start(const EncoderOutput& encoder = {}) const;
  /// The hidden states [B, T, embed_dim] of the next tokens, ids int32 [B, T]; T is 1 with an encoder.
  Tensor step(const Tensor& ids, DecoderState& state) const;

  /// The table of a model without bands. Throws Error if there are bands.
  const Variable& embedding_weight() const;
  /// The token embeddings in bands. Throws Error if there is one table.
  const AdaptiveEmbedding& adaptive_embedding() const;

 private:
  /// ids int32 [B, T] -> [B, T, embed_dim], without positions.
  Variable embed(const Tensor& ids, const Pass& pass) const;

  StackRole role_;
  double embedding_scale_;
  std::variant<Embedding, AdaptiveEmbedding> embed_tokens_;
  PositionEmbedding embed_positions_;
  Dropout dropout_;
  std::vector<TransformerLayer> layers_;
  std::optional<Norm> layernorm_embedding_, layer_norm_;
};

}  // namespace cosformer

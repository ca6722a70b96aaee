#pragma once
/// \file
/// What a forward pass needs to know besides its inputs.

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "autograd/variable.h"
#include "core/random.h"

namespace cosformer {

class SequenceGroup;  // layers/sequence/sequence_group.h
class PackedTexts;    // layers/packed_texts.h
struct CarriedTexts;  // layers/carried_texts.h
struct LayerTexts;
struct AttentionRecord;  // layers/attention/attention_weights.h

/// Handed down to every layer; a value, so that several passes with other settings can run at once.
struct Pass {
  bool training = false;          ///< dropout is on
  bool record_gradients = false;  ///< build a graph
  std::uint64_t seed = 0;         ///< of dropout
  std::uint64_t noise_index = 0;  ///< tells apart the dropout masks of steps, micro batches and shards
  std::int64_t step = 0;          ///< training steps before this one: what is drawn anew in training is a function of it
  bool recompute_layers = false;  ///< activations within a layer are not kept but computed again in the backward pass

  /// The ranks that share each text of a training step, which is then cut into parts; null: texts are whole.
  SequenceGroup* sequence = nullptr;

  /// The texts that stand one behind the other in each row, which do not see each other; null: a row is one text. Of a
  /// decoder without padding.
  std::shared_ptr<const PackedTexts> packed = nullptr;

  /// What the texts' window before has left, and where this one leaves its own; null: rows are texts of their own. Of a
  /// decoder whose texts are whole and have no padding. A layer's pass has its own part as well.
  const CarriedTexts* carried = nullptr;
  const LayerTexts* layer_texts = nullptr;

  /// Where every attention writes what it saw, in passes whose attention is to be looked at.
  std::map<std::string, AttentionRecord>* attention_records = nullptr;

  /// A parameter as this pass sees it: a leaf, or a constant if no graph is built.
  Variable use(const Variable& parameter) const { return record_gradients ? parameter : parameter.detach(); }

  /// The random numbers of the layer at `path` in this pass.
  Random noise(std::string_view path) const {
    return Random(seed, stream_id(path) + 0x9e3779b97f4a7c15ULL * (noise_index + 1));
  }
};

}  // namespace cosformer

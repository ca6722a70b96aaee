#pragma once
/// \file
/// A transformer layer over a text in parts.

#include "layers/sequence/part_graphs.h"
#include "layers/transformer_layer.h"

namespace cosformer {

/// The text that a layer sees: causal or not, and its tokens; a null mask means that all are real.
struct CutText {
  bool causal = false;
  SharedPaddingMask mask;

  /// A part with its tokens alone.
  SequencePart part(const SequenceGrid& grid, std::int64_t number) const;
};

/// The layer's output for each own part, as one operation: x [B, tokens of the part, embed_dim] each. Parts run side by
/// side up to their attention; then they get their states from what all parts hand on, and run on. The backward pass goes
/// the same way from its end. `layer` must outlive the graph and be one that can be cut (find_cut_problem).
std::vector<Variable> layer_in_parts(const CutPass& cut, const CutText& text, const TransformerLayer& layer,
                                     const std::vector<Variable>& x);

}  // namespace cosformer

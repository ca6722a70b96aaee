#pragma once
/// \file
/// What a decoder's layers have of texts that they read window by window in training (layers/attention/carried_attention.h).

#include <cstdint>
#include <string>
#include <vector>

#include "core/tensor.h"

namespace cosformer {

/// A tensor that a layer hands on from window to window.
struct CarriedPart {
  std::string name;  ///< "decoder.layers.0.self_attn.state", or "….q_tail" of a convolution
  Shape shape;       ///< [rows, ..]
};

/// What a layer reads of the window before, and where it writes what the next one reads: its CarriedParts in order, of the
/// rows of a pass. A layer that is computed again writes the same once more.
struct LayerTexts {
  std::vector<Tensor> before, after;
};

/// The same of all layers, for one pass.
struct CarriedTexts {
  std::int64_t first = 0;  ///< tokens of each text before the window
  std::vector<LayerTexts> layers;
};

class Transformer;

/// The states of rows of texts on both sides of a window. Rows start together, at their texts' first tokens.
class CarriedStates {
 public:
  /// Of `rows` rows, the states before a text's first token. Windows have `tokens` tokens.
  CarriedStates(const Transformer& decoder, std::int64_t rows, std::int64_t tokens, DType dtype);

  /// What a pass over the rows [first, first + count) reads and writes. Passes over other rows may run at once.
  CarriedTexts rows(std::int64_t first, std::int64_t count) const;
  /// The next window goes on with what this one has written: all its rows have been through.
  void advance();
  /// The next window begins texts anew.
  void restart();

  /// Tokens of each text before the next window.
  std::int64_t tokens_before() const { return tokens_before_; }
  /// What the next window reads, part by part; for a checkpoint, whose states stand behind so many tokens.
  const std::vector<CarriedPart>& parts() const { return parts_; }
  const std::vector<Tensor>& states() const { return before_; }
  void set_tokens_before(std::int64_t tokens) { tokens_before_ = tokens; }

 private:
  std::int64_t tokens_, tokens_before_ = 0;
  std::vector<CarriedPart> parts_;      ///< of all layers
  std::vector<std::size_t> ends_;       ///< behind the parts of each layer
  std::vector<Tensor> before_, after_;  ///< by part
};

/// Bytes of both sides of a float32 window, without allocating them.
std::int64_t carried_bytes(const Transformer& decoder, std::int64_t rows, std::int64_t tokens);

}  // namespace cosformer

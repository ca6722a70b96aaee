#pragma once
/// \file
/// Random directions of an attention layer, and Performer's features of them.

#include <cstdint>
#include <memory>
#include <string>

#include "autograd/ops.h"
#include "layers/attention/attention.h"
#include "layers/model_config.h"

namespace cosformer {

/// Orthogonal random directions [H, F, D] (float64): rows are orthogonal within blocks of D and have the norms of
/// normal vectors, a function of the setting's seed, the scope's path and the draw, counted from 0. Source: Choromanski et
/// al., ICLR 2021, section 2.4.
Tensor orthogonal_features(const AttentionSetting& setting, std::int64_t num_features, std::int64_t draw = 0);

/// Directions of a head: attention.num_features, whose 0 is the head's width d and whose kDLogD is d log d, the number with
/// which Performer's features come near softmax (Choromanski et al., section 2.4; rounded down, at least 1).
std::int64_t feature_count(const AttentionConfig& config, std::int64_t head_dim);

/// The directions of one layer, drawn anew every so many training steps. Copies share what they drew.
class RandomDirections {
 public:
  RandomDirections() = default;
  /// `redraw_every` = 0: the first draw serves all steps. Throws InputError if it is below 0.
  RandomDirections(const AttentionSetting& setting, std::int64_t count, std::int64_t redraw_every);

  explicit operator bool() const { return drawer_ != nullptr; }
  /// Directions of a head; 0 if there are none.
  std::int64_t count() const { return count_; }
  /// [H, F, D]: the draw of a training pass's step; the first one in any other pass, so that a model says the same wherever
  /// it is read.
  Tensor draw(DType dtype, const Pass& pass) const;

 private:
  class Drawer;
  std::int64_t count_ = 0;
  std::shared_ptr<Drawer> drawer_;
};

}  // namespace cosformer

#pragma once
/// \file
/// What attentions that keep a state per head ask of their sizes.

#include "core/error.h"
#include "core/kernels/attention/attention_types.h"

namespace cosformer::detail {

/// `name` stands in the messages. Throws ShapeError for attention that is not causal or has a window, and for empty heads.
inline void check_recurrence(const char* name, const AttentionSizes& sizes, const AttentionVisibility& visibility) {
  check<ShapeError>(visibility.causal && sizes.queries == sizes.keys, '[', name,
                    "] is causal, with as many keys as queries");
  check<ShapeError>(visibility.window < 0, '[', name, "] a window is not supported");
  check<ShapeError>(sizes.head_dim >= 1 && sizes.value_dim >= 1, '[', name, "] head_dim and value_dim must be at least 1");
}

}  // namespace cosformer::detail

#pragma once
/// \file
/// Where the tokens of a batch stand in their texts, as ids of rows of a table.

#include <cstdint>

#include "core/padding_mask.h"
#include "core/tensor.h"

namespace cosformer {

/// int32 [batch, length]. Throws InputError, with `reader` as the one that reads a row for each position, if a text is
/// longer than model.max_length = `most`.
Tensor text_positions(std::int64_t batch, std::int64_t length, const SharedPaddingMask& mask, std::int64_t most,
                      const char* reader);

}  // namespace cosformer

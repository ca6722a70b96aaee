#pragma once
/// \file
/// What stands in another order in every epoch of a text.

#include <cstdint>

namespace cosformer {

/// Windows of the text as it is; or also its documents, before the text is cut into windows.
enum class Shuffle : std::uint8_t { window, document };

}  // namespace cosformer

#pragma once
/// \file
/// The "normalizer" of a tokenizer.json.

#include <functional>
#include <string>
#include <string_view>

#include "data/tokenizers/huggingface/json_part.h"

namespace cosformer {

/// Valid UTF-8 -> valid UTF-8. Thread-safe.
using Normalizer = std::function<std::string(std::string_view)>;

/// Throws InputError that names a component or a setting that this program does not have.
Normalizer read_normalizer(const JsonPart& part);

}  // namespace cosformer

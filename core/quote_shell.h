#pragma once
/// \file
/// Commands that a message prints for a shell.

#include <string>

namespace cosformer {

/// `text` as one word of a shell: in single quotes if needed.
std::string quote_shell(const std::string& text);

}  // namespace cosformer

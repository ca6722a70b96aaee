/// \file
/// libFuzzer: any text is a state document that comes back from its own encoding, or an InputError of one line.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "core/checksum.h"
#include "core/error.h"
#include "train/store/checkpoint.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace cosformer;
  std::string text(reinterpret_cast<const char*>(data), size);
  // Texts that leave the checksum zero get the right one, else no change would ever come past it.
  const std::string zeros(32, '0');
  if (const std::size_t at = text.find(zeros); at != std::string::npos) {
    const std::string checksum = checksum_hex(text);
    text.replace(at, zeros.size(), checksum);
  }
  try {
    const StateDocument document = parse_state_document(text, "state.json");
    const std::string encoded = encode_state_document(document);
    // Compared as text: a NaN in the state is not equal to itself.
    if (encode_state_document(parse_state_document(encoded, "state.json")) != encoded) std::abort();
  } catch (const InputError& error) {
    const std::string_view message = error.what();
    if (!message.starts_with("state.json:") || message.find('\n') != std::string_view::npos) std::abort();
  }
  return 0;
}

/// \file
/// libFuzzer: any bytes are tensors that lie inside them, or an InputError of one line.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "core/error.h"
#include "train/store/safetensors.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace cosformer;
  try {
    const TensorFile file = parse_safetensors(std::as_bytes(std::span(data, size)), "fuzz.safetensors");
    std::int64_t elements = 0;
    for (const auto& [name, tensor] : file.tensors) elements += tensor.size();
    if (elements > static_cast<std::int64_t>(size)) std::abort();
  } catch (const InputError& error) {
    const std::string_view message = error.what();
    if (!message.starts_with("fuzz.safetensors: ") || message.find('\n') != std::string_view::npos) std::abort();
  }
  return 0;
}

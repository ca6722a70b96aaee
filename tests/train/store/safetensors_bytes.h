#pragma once
/// \file
/// Safetensors files that a test spells out.

#include <cstdint>
#include <cstring>
#include <span>
#include <string>

#include "train/store/safetensors.h"

namespace cosformer::test {

/// The bytes of a file with the header `json`.
inline std::string file_of(const std::string& json, const std::string& data) {
  const std::uint64_t length = json.size();
  std::string bytes(8, '\0');
  std::memcpy(bytes.data(), &length, 8);
  return bytes + json + data;
}

/// Reads bytes as the file "x.safetensors".
inline TensorFile parse(const std::string& bytes) {
  return parse_safetensors(std::as_bytes(std::span(bytes.data(), bytes.size())), "x.safetensors");
}

inline TensorFile parse(const std::string& json, const std::string& data) { return parse(file_of(json, data)); }

}  // namespace cosformer::test

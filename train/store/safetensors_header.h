#pragma once
/// \file
/// The header of a safetensors file: eight bytes with its length (little-endian), then JSON that says of each tensor its
/// dtype, its shape and where in the rest of the file its elements lie.
/// Source: the format's README (huggingface/safetensors); the limits are tighter than the reference's.

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "core/shape.h"
#include "core/tensor.h"

namespace cosformer {

inline constexpr std::uint64_t kMaxSafetensorsHeaderBytes = std::uint64_t{16} << 20;
inline constexpr std::size_t kMaxSafetensorsTensors = 100'000;
inline constexpr std::size_t kMaxTensorNameBytes = 512;

/// One entry of a header. `begin` and `end` count bytes from the end of the header.
struct TensorInfo {
  std::string name;
  std::string dtype;  ///< as the format spells it: "F32", "BF16", …
  Shape shape;
  std::uint64_t begin = 0;
  std::uint64_t end = 0;
};

struct SafetensorsHeader {
  std::vector<TensorInfo> tensors;  ///< in the order of their elements in the file
  std::map<std::string, std::string> metadata;
  std::uint64_t data_begin = 0;  ///< where in the file the elements begin
};

/// Bits of one element by the format's name of its dtype; 0 for a name the format does not know.
std::uint64_t safetensors_dtype_bits(std::string_view dtype);
/// The format's name of a dtype.
std::string_view safetensors_dtype_name(DType dtype);

/// Reads the JSON text of a header that is followed by `data_bytes` bytes. Nothing larger than the text is allocated. As the
/// reference does, it skips keys of a tensor that it does not know, and takes metadata that are null for none.
///
/// Throws InputError, one line with `file` and the tensor's name: malformed JSON, duplicate keys, metadata that are
/// not text, too many tensors, too long names, more than eight axes, an unknown dtype, sizes that overflow or differ
/// from the tensor's share of the file, shares that overlap, leave holes or do not end with the file.
SafetensorsHeader parse_safetensors_header(std::string_view json, std::uint64_t data_bytes, const std::string& file);

/// The length field and the JSON text, padded with blanks to a multiple of eight bytes. Same input, same bytes.
/// Throws Error if `parse_safetensors_header` would refuse the result for its size or its names.
std::string encode_safetensors_header(const SafetensorsHeader& header);

}  // namespace cosformer

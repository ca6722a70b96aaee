#pragma once
/// \file
/// CRC-32C (Castagnoli), the checksum of TensorFlow's record files.

#include <cstdint>
#include <string_view>

namespace cosformer {

/// CRC-32C: reflected polynomial 0x82f63b78, initial value and final exclusive-or of all ones. Source: RFC 3720, B.4.
std::uint32_t crc32c(std::string_view bytes);

/// The CRC as record files store it: rotated right by 15 bits, plus a constant, so that a record of records checks well.
std::uint32_t masked_crc32c(std::string_view bytes);

}  // namespace cosformer

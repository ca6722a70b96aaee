#include "train/store/crc32c.h"

#include <array>
#include <bit>

namespace cosformer {

namespace {

constexpr std::uint32_t kPolynomial = 0x82f63b78u;
constexpr std::uint32_t kMaskDelta = 0xa282ead8u;

/// The effect of one byte on the remainder.
constexpr std::array<std::uint32_t, 256> make_table() {
  std::array<std::uint32_t, 256> table{};
  for (std::uint32_t byte = 0; byte < 256; ++byte) {
    std::uint32_t value = byte;
    for (int bit = 0; bit < 8; ++bit) value = value & 1u ? value >> 1 ^ kPolynomial : value >> 1;
    table[byte] = value;
  }
  return table;
}

constexpr std::array<std::uint32_t, 256> kTable = make_table();

}  // namespace

std::uint32_t crc32c(std::string_view bytes) {
  std::uint32_t remainder = ~0u;
  for (const char c : bytes) remainder = kTable[(remainder ^ static_cast<unsigned char>(c)) & 0xffu] ^ remainder >> 8;
  return ~remainder;
}

std::uint32_t masked_crc32c(std::string_view bytes) { return std::rotr(crc32c(bytes), 15) + kMaskDelta; }

}  // namespace cosformer

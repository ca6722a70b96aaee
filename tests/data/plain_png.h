#pragma once
/// \file
/// PNG files made without libpng, of any kind.

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

namespace cosformer::test {

struct PlainPng {
  std::uint32_t width = 0;
  std::uint32_t height = 0;
  std::uint8_t depth = 8;
  std::uint8_t color = 0;  ///< 0 grey, 2 RGB, 3 palette, 4 grey with alpha, 6 RGB with alpha
  std::uint8_t interlace = 0;
};

inline std::string big_endian(std::uint32_t value) {
  return {static_cast<char>(value >> 24), static_cast<char>(value >> 16 & 255), static_cast<char>(value >> 8 & 255),
          static_cast<char>(value & 255)};
}

/// CRC of ISO 3309, bit by bit.
inline std::uint32_t plain_crc32(std::string_view bytes) {
  std::uint32_t crc = 0xFFFFFFFFU;
  for (const char c : bytes) {
    crc ^= static_cast<unsigned char>(c);
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1U) ? 0xEDB88320U : 0U);
  }
  return ~crc;
}

inline std::string png_chunk(std::string_view type, std::string_view content) {
  std::string body(type);
  body += content;
  std::string chunk = big_endian(static_cast<std::uint32_t>(content.size()));
  chunk += body;
  chunk += big_endian(plain_crc32(body));
  return chunk;
}

/// A PNG whose rows hold `samples` as they are, in one stored block of deflate: at most 65,535 bytes with a filter byte a
/// row.
inline std::string plain_png(const PlainPng& kind, std::string_view samples) {
  std::string rows;
  const std::size_t row_bytes = kind.height == 0 ? 0 : samples.size() / kind.height;
  for (std::uint32_t row = 0; row < kind.height; ++row)
    rows += '\0' + std::string(samples.substr(row * row_bytes, row_bytes));
  std::uint32_t a = 1, b = 0;  // Adler-32
  for (const char c : rows) {
    a = (a + static_cast<unsigned char>(c)) % 65521;
    b = (b + a) % 65521;
  }
  const auto size = static_cast<std::uint16_t>(rows.size());
  const auto low = [](unsigned value) { return static_cast<char>(value & 255); };
  std::string stream = {0x78, 0x01, 0x01, low(size), low(size >> 8), low(~unsigned{size}), low(~unsigned{size} >> 8)};
  stream += rows + big_endian((b << 16) | a);
  std::string header = big_endian(kind.width) + big_endian(kind.height);
  for (const std::uint8_t value : {kind.depth, kind.color, std::uint8_t{0}, std::uint8_t{0}, kind.interlace}) {
    header += static_cast<char>(value);
  }
  std::string bytes = "\x89PNG\r\n\x1a\n";
  for (const std::string& chunk : {png_chunk("IHDR", header), png_chunk("IDAT", stream), png_chunk("IEND", "")})
    bytes += chunk;
  return bytes;
}

}  // namespace cosformer::test

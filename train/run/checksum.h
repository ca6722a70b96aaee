#pragma once
/// \file
/// XXH3-128, the checksum of checkpoint files: it finds accidents, not forgery.

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace cosformer {

/// A checksum of bytes that come piece by piece.
class Checksum {
 public:
  Checksum();
  ~Checksum();
  Checksum(const Checksum&) = delete;
  Checksum& operator=(const Checksum&) = delete;

  void update(std::span<const std::byte> bytes);
  /// XXH3-128 of the bytes so far, in xxhsum's notation: 32 small hexadecimal digits.
  std::string hex() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// Checksum of a whole text.
std::string checksum_hex(std::string_view text);

}  // namespace cosformer

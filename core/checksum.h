#pragma once
/// \file
/// XXH3-128, the checksum of checkpoints and the identity of data: it finds accidents, not forgery.

#include <cstddef>
#include <cstdint>
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

/// Size and checksum of some bytes: equal for equal bytes, wherever they lie. What xxhsum -H2 prints of a file with them.
struct Digest {
  std::uint64_t bytes = 0;
  std::string xxh3_128;
  friend bool operator==(const Digest&, const Digest&) = default;
};
Digest digest_of(std::string_view text);

/// The digest of bytes that come piece by piece.
class DigestBuilder {
 public:
  void add(std::span<const std::byte> bytes) {
    checksum_.update(bytes);
    bytes_ += bytes.size();
  }
  void add(std::string_view text) { add(std::as_bytes(std::span(text.data(), text.size()))); }
  /// A number as its 8 bytes.
  void add(std::int64_t number) { add(std::as_bytes(std::span(&number, 1))); }
  Digest digest() const { return {bytes_, checksum_.hex()}; }

 private:
  Checksum checksum_;
  std::uint64_t bytes_ = 0;
};

}  // namespace cosformer

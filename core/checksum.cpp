#include "core/checksum.h"

#include <xxhash.h>

#include <new>

namespace cosformer {

struct Checksum::State {
  XXH3_state_t* xxh = XXH3_createState();
  State() {
    if (!xxh || XXH3_128bits_reset(xxh) == XXH_ERROR) throw std::bad_alloc();
  }
  ~State() { XXH3_freeState(xxh); }
  State(const State&) = delete;
  State& operator=(const State&) = delete;
};

Checksum::Checksum() : state_(std::make_unique<State>()) {}
Checksum::~Checksum() = default;

void Checksum::update(std::span<const std::byte> bytes) { XXH3_128bits_update(state_->xxh, bytes.data(), bytes.size()); }

std::string Checksum::hex() const {
  XXH128_canonical_t canonical;
  XXH128_canonicalFromHash(&canonical, XXH3_128bits_digest(state_->xxh));
  std::string text;
  for (const unsigned char byte : canonical.digest) {
    text += "0123456789abcdef"[byte >> 4];
    text += "0123456789abcdef"[byte & 15];
  }
  return text;
}

std::string checksum_hex(std::string_view text) {
  Checksum checksum;
  checksum.update(std::as_bytes(std::span(text.data(), text.size())));
  return checksum.hex();
}

Digest digest_of(std::string_view text) { return {text.size(), checksum_hex(text)}; }

}  // namespace cosformer

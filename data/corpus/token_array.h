#pragma once
/// \file
/// Token ids of a text, in memory or in a file that is mapped.

#include <cstdint>
#include <memory>
#include <span>
#include <utility>
#include <vector>

namespace cosformer {

/// Copies share the ids, which are never changed.
class TokenArray {
 public:
  TokenArray() = default;
  explicit TokenArray(std::vector<std::int32_t> tokens) {
    auto owner = std::make_shared<const std::vector<std::int32_t>>(std::move(tokens));
    tokens_ = *owner;
    owner_ = std::move(owner);
  }
  /// `tokens` live as long as `owner`.
  TokenArray(std::span<const std::int32_t> tokens, std::shared_ptr<const void> owner)
      : tokens_(tokens), owner_(std::move(owner)) {}

  std::span<const std::int32_t> span() const { return tokens_; }
  std::size_t size() const { return tokens_.size(); }
  auto begin() const { return tokens_.begin(); }
  auto end() const { return tokens_.end(); }

 private:
  std::span<const std::int32_t> tokens_;
  std::shared_ptr<const void> owner_;
};

}  // namespace cosformer

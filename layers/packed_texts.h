#pragma once
/// \file
/// Texts that stand one behind the other in the rows of a batch.

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "autograd/variable.h"
#include "core/padding_mask.h"

namespace cosformer {

/// Where texts begin and end in rows that are full of them, and the way of a row-wise tensor [B, T, ...] to batches in which
/// each text is an item of its own, and back. What works on padded batches works on packed ones in this way, with the same
/// results: nothing can cross from one text to the next.
///
/// Texts share a batch with those up to twice as long, so that less than half of it is padding.
class PackedTexts {
 public:
  /// Rows of `length` positions; `starts` are, for each row, the places but the first at which texts begin, rising.
  PackedTexts(std::span<const std::vector<std::int64_t>> starts, std::int64_t length);

  /// The place of each token in its text, int32 [B, T].
  const Tensor& positions() const { return positions_; }
  /// `each` of every batch of texts. It gets its number, its padding (null: none), and what turns x [B, T, ...], a tensor of
  /// the rows, into [texts, longest, ...]; it returns such a tensor. Together these are the result, [B, T, ...].
  using Take = std::function<Variable(const Variable& x)>;
  using Each = std::function<Variable(std::int64_t batch, const SharedPaddingMask& mask, const Take& take)>;
  Variable apart(const Each& each) const;

 private:
  struct Batch {
    Tensor rows;             ///< int32 [texts, longest]: the row-wise place of each token; of padding, the text's last
    SharedPaddingMask mask;  ///< null: all texts are equally long
    Tensor real;             ///< int32 [n]: the real places of [texts · longest]; undefined without a mask
    Tensor places;           ///< int32 [n]: where these stand in the rows
  };

  std::int64_t batch_, length_;
  Tensor positions_;
  std::vector<Batch> batches_;
};

/// Null if every row is one text.
std::shared_ptr<const PackedTexts> pack_texts(std::span<const std::vector<std::int64_t>> starts, std::int64_t length);

}  // namespace cosformer

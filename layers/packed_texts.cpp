#include "layers/packed_texts.h"

#include <algorithm>
#include <bit>
#include <map>
#include <numeric>

#include "autograd/ops.h"
#include "core/error.h"

namespace cosformer {

namespace {

/// A text by its place in [rows · length].
struct Text {
  std::int64_t begin, length;
};

Tensor as_tensor(const Shape& shape, const std::vector<std::int32_t>& values) {
  return Tensor::from<std::int32_t>(shape, std::span<const std::int32_t>(values));
}

/// `shape` with other first axes.
Shape with_first_axes(const Shape& shape, std::int64_t first, std::int64_t second) {
  return shape.with_dim(0, first).with_dim(1, second);
}

/// [A, B, ...] as rows [A · B, width].
Variable as_rows(const Variable& x) {
  const std::int64_t rows = x.dim(0) * x.dim(1);
  return reshape(x, {rows, x.value().size() / std::max<std::int64_t>(rows, 1)});
}

}  // namespace

PackedTexts::PackedTexts(std::span<const std::vector<std::int64_t>> starts, std::int64_t length)
    : batch_(std::ssize(starts)), length_(length) {
  std::map<int, std::vector<Text>> by_size;
  std::vector<std::int32_t> positions(static_cast<std::size_t>(batch_ * length));
  for (std::int64_t row = 0; row < batch_; ++row) {
    std::vector<std::int64_t> ends = starts[static_cast<std::size_t>(row)];
    ends.push_back(length);
    std::int64_t begin = 0;
    for (const std::int64_t end : ends) {
      check<ShapeError>(end > begin && end <= length, "[packed texts] a text from ", begin, " to ", end, " in a row of ",
                        length);
      const Text text{row * length + begin, end - begin};
      by_size[static_cast<int>(std::bit_width(static_cast<std::uint64_t>(text.length - 1)))].push_back(text);
      std::iota(positions.begin() + text.begin, positions.begin() + text.begin + text.length, 0);
      begin = end;
    }
  }
  positions_ = as_tensor({batch_, length}, positions);
  for (const auto& size_and_texts : by_size) {
    const std::vector<Text>& texts = size_and_texts.second;
    const std::int64_t longest = std::ranges::max(texts, {}, &Text::length).length, count = std::ssize(texts);
    std::vector<std::int32_t> rows, real, places;
    std::vector<std::int64_t> lengths;
    for (const Text& text : texts) {
      lengths.push_back(text.length);
      for (std::int64_t t = 0; t < longest; ++t) {
        const auto place = static_cast<std::int32_t>(text.begin + std::min(t, text.length - 1));
        if (t < text.length) {
          real.push_back(static_cast<std::int32_t>(rows.size()));
          places.push_back(place);
        }
        rows.push_back(place);
      }
    }
    Batch batch{as_tensor({count, longest}, rows), nullptr, {}, as_tensor({std::ssize(places)}, places)};
    if (real.size() < rows.size()) {
      batch.mask = padding_mask_from_lengths(lengths, longest);
      batch.real = as_tensor({std::ssize(real)}, real);
    }
    batches_.push_back(std::move(batch));
  }
}

Variable PackedTexts::apart(const Each& each) const {
  std::vector<Variable> parts;
  std::vector<Tensor> places;
  Shape shape;
  for (std::size_t i = 0; i < batches_.size(); ++i) {
    const Batch& batch = batches_[i];
    const Take take = [&](const Variable& x) {
      if (!x.defined()) return x;
      check<ShapeError>(x.dim(0) == batch_ && x.dim(1) == length_, "[packed texts] rows of shape ", x.shape(), ", expected ",
                        batch_, " of ", length_);
      const Shape items = with_first_axes(x.shape(), batch.rows.dim(0), batch.rows.dim(1));
      return reshape(embedding(as_rows(x), batch.rows), items);
    };
    const Variable out = each(static_cast<std::int64_t>(i), batch.mask, take);
    shape = with_first_axes(out.shape(), batch_, length_);
    const Variable rows = as_rows(out);
    parts.push_back(batch.mask ? embedding(rows, batch.real) : rows);
    places.push_back(batch.places);
  }
  return reshape(merge_rows(parts, places, {batch_ * length_, parts.front().dim(1)}), shape);
}

std::shared_ptr<const PackedTexts> pack_texts(std::span<const std::vector<std::int64_t>> starts, std::int64_t length) {
  if (std::ranges::all_of(starts, [](const auto& row) { return row.empty(); })) return nullptr;
  return std::make_shared<const PackedTexts>(starts, length);
}

}  // namespace cosformer

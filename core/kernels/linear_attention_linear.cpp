#include <algorithm>

#include "core/kernels/linear_attention_head.h"
#include "core/parallel.h"
#include "core/simd.h"

namespace cosformer::detail {

namespace {

/// Rows that are in scratch at once.
constexpr std::int64_t kTile = 128;

/// Where there are fewer groups of heads than this, each length is cut into segments, so that every core has work.
constexpr std::int64_t kFewGroups = 16;
constexpr std::int64_t kLeastSegment = 512;

/// Heads of one item that go over their tiles side by side: their rows lie next to each other in memory.
constexpr std::int64_t kGroup = 4;

/// The cut of one length: pieces of groups × segments, numbered segment by segment within a group.
struct Segments {
  Segments(std::int64_t groups, std::int64_t length) {
    const std::int64_t wanted = groups >= kFewGroups ? 1 : (kFewGroups + groups - 1) / groups;
    const std::int64_t most = std::max<std::int64_t>(1, length / kLeastSegment);
    const std::int64_t rows = (length + std::min(wanted, most) - 1) / std::min(wanted, most);
    size = std::max(kTile, (rows + kTile - 1) / kTile * kTile);
    count = std::max<std::int64_t>(1, (length + size - 1) / size);
  }
  /// Calls `visit(begin, count)` for the tiles of a segment.
  template <class Visit>
  void for_each_tile(std::int64_t segment, std::int64_t length, Visit&& visit) const {
    const std::int64_t end = std::min((segment + 1) * size, length);
    for (std::int64_t begin = segment * size; begin < end; begin += kTile) visit(begin, std::min(kTile, end - begin));
  }

  std::int64_t size = 0;
  std::int64_t count = 0;
};

/// One matrix for each piece of heads × segments, summed over the segments in their order.
template <class T>
class PartialSums {
 public:
  PartialSums(std::int64_t heads, std::int64_t segments, std::int64_t rows, std::int64_t columns)
      : all_(heads * segments * rows, columns), segments_(segments), rows_(rows), columns_(columns) {}

  Rows<T> piece(std::int64_t head, std::int64_t segment) const { return all_.from((head * segments_ + segment) * rows_); }
  /// Leaves the sum of all pieces of a head in its first piece.
  void sum(std::int64_t head) const {
    const Rows<T> first = piece(head, 0);
    for (std::int64_t segment = 1; segment < segments_; ++segment) {
      const Rows<T> other = piece(head, segment);
      for (std::int64_t row = 0; row < rows_; ++row) row_add_scaled(T{1}, other[row], first[row], columns_);
    }
  }

 private:
  Scratch<T> all_;
  std::int64_t segments_, rows_, columns_;
};

/// Neighbouring heads of one item.
template <class T>
class Group {
 public:
  Group(std::span<const LinearHead<T>> all, std::int64_t first, std::int64_t size) : all_(all), first_(first), size_(size) {}

  std::int64_t first() const { return first_; }
  std::int64_t size() const { return size_; }
  /// Any head: sizes are those of all.
  const LinearHead<T>& shape() const { return all_.front(); }
  /// Calls `visit(h, head)`; h counts the heads of all items.
  template <class Visit>
  void for_each_head(Visit&& visit) const {
    for (std::int64_t h = first_; h < first_ + size_; ++h) visit(h, all_[static_cast<std::size_t>(h)]);
  }
  /// Calls `visit(h, head, begin, count)` for the tiles of a segment, all heads tile by tile.
  template <class Visit>
  void for_each_tile(const Segments& segments, std::int64_t segment, std::int64_t length, Visit&& visit) const {
    segments.for_each_tile(segment, length, [&](std::int64_t begin, std::int64_t count) {
      for_each_head([&](std::int64_t h, const LinearHead<T>& head) { visit(h, head, begin, count); });
    });
  }

 private:
  std::span<const LinearHead<T>> all_;
  std::int64_t first_, size_;
};

/// All heads in groups.
template <class T>
class Groups {
 public:
  Groups(std::span<const LinearHead<T>> heads, std::int64_t heads_per_item)
      : heads_(heads), heads_per_item_(heads_per_item), per_item_((heads_per_item + kGroup - 1) / kGroup) {}

  std::int64_t count() const { return std::ssize(heads_) / heads_per_item_ * per_item_; }
  /// Calls `body(group, segment)` for every piece, in parallel.
  template <class Body>
  void for_each_piece(const Segments& segments, Body&& body) const {
    parallel_for(count() * segments.count, [&](std::int64_t piece) {
      const std::int64_t group = piece / segments.count, item = group / per_item_, first = group % per_item_ * kGroup;
      body(Group<T>(heads_, item * heads_per_item_ + first, std::min(kGroup, heads_per_item_ - first)),
           piece % segments.count);
    });
  }

 private:
  std::span<const LinearHead<T>> heads_;
  std::int64_t heads_per_item_, per_item_;
};

/// Σ_j k̃_jᵀ v_j (W × E) and, in the row below, Σ_j k̃_j: the keys of a group's heads from one segment.
template <class T>
void sum_keys(const Group<T>& group, const Segments& segments, std::int64_t segment, const PartialSums<T>& all_sums) {
  const std::int64_t D = group.shape().head_dim, E = group.shape().value_dim, W = group.shape().parts() * D;
  const Scratch<T> phi_k(kTile, D), rotated_k(kTile, W), values(kTile, E);
  group.for_each_head([&](std::int64_t h, const LinearHead<T>&) {
    const Rows<T> sums = all_sums.piece(h, segment);
    zero_rows(W, E, sums);
    zero_rows(1, W, sums.from(W));
  });
  group.for_each_tile(segments, segment, group.shape().keys,
                      [&](std::int64_t h, const LinearHead<T>& head, std::int64_t begin, std::int64_t count) {
                        const Rows<T> sums = all_sums.piece(h, segment);
                        feature_rows(head.map, count, D, head.key.from(begin), head.mask_from(begin), phi_k.rows());
                        copy_rows(count, E, head.value.from(begin), head.mask_from(begin), values.rows());
                        rotate_rows<T>(count, D, phi_k.rows(), head.key_angles.from(begin), rotated_k.rows());
                        multiply<T>(W, E, count, Factor<T>::transposed(rotated_k.rows()), values.rows(), true, sums);
                        add_rows<T>(count, W, rotated_k.rows(), sums[W]);
                      });
}

/// Outputs of one segment of queries from the sums over all keys.
template <class T>
void read_sums(const Group<T>& group, const Segments& segments, std::int64_t segment, const PartialSums<T>& all_sums,
               std::span<const LinearHeadOutput<T>> outputs) {
  const std::int64_t D = group.shape().head_dim, E = group.shape().value_dim, W = group.shape().parts() * D;
  const Scratch<T> phi_q(kTile, D), rotated_q(kTile, W), results(kTile, E);
  group.for_each_tile(segments, segment, group.shape().queries,
                      [&](std::int64_t h, const LinearHead<T>& head, std::int64_t begin, std::int64_t count) {
                        const Rows<const T> sums = all_sums.piece(h, 0);
                        const LinearHeadOutput<T>& output = outputs[static_cast<std::size_t>(h)];
                        feature_rows<T>(head.map, count, D, head.query.from(begin), nullptr, phi_q.rows());
                        rotate_rows<T>(count, D, phi_q.rows(), head.query_angles.from(begin), rotated_q.rows());
                        multiply<T>(count, E, W, rotated_q.rows(), sums, false, results.rows());
                        T normalizers[kTile], inverses[kTile];
                        row_dots<T>(count, W, rotated_q.rows(), {sums[W], 0}, normalizers);
                        for (std::int64_t i = 0; i < count; ++i) {
                          *output.normalizer[begin + i] = normalizers[i];
                          inverses[i] = 1 / guarded(normalizers[i]);
                        }
                        scale_rows<T>(count, E, inverses, results.rows(), output.out.from(begin));
                      });
}

/// The same sums as Σ_j [v_j | 1]~ᵀ φ(k_j) (X × D), as the gradient of the queries reads them.
template <class T>
void save_sums(const LinearHead<T>& head, Rows<const T> sums, T* saved) {
  const std::int64_t D = head.head_dim, E = head.value_dim, parts = head.parts();
  const Rows<T> rows{saved, D};
  for (std::int64_t part = 0; part < parts; ++part) {
    transpose<T>(D, E, sums.from(part * D), rows.from(part * E));
    copy_rows<T>(1, D, sums.from(parts * D, part * D), nullptr, rows.from(parts * E + part));
  }
}

/// dquery of one segment; this segment's part of Σ_i [a_i | b_i]~ᵀ φ(q_i) (X × D).
template <class T>
void query_gradient(const Group<T>& group, const Segments& segments, std::int64_t segment,
                    std::span<const LinearHeadGradients<T>> all_gradients, const PartialSums<T>& all_sums) {
  const std::int64_t D = group.shape().head_dim, E = group.shape().value_dim, X = group.shape().parts() * (E + 1);
  const Scratch<T> phi_q(kTile, D), a(kTile, E + 1), rotated_a(kTile, X), dphi_q(kTile, D);
  group.for_each_head([&](std::int64_t h, const LinearHead<T>&) { zero_rows(X, D, all_sums.piece(h, segment)); });
  group.for_each_tile(segments, segment, group.shape().queries,
                      [&](std::int64_t h, const LinearHead<T>& head, std::int64_t begin, std::int64_t count) {
                        const LinearHeadGradients<T>& gradients = all_gradients[static_cast<std::size_t>(h)];
                        const Rows<const T> key_sums{gradients.saved, D};
                        const Rows<T> sums = all_sums.piece(h, segment);
                        feature_rows<T>(head.map, count, D, head.query.from(begin), nullptr, phi_q.rows());
                        extended_gradient_rows<T>(gradients, begin, count, E, a.rows());
                        rotate_extended_rows<T>(count, E, a.rows(), head.query_angles.from(begin), rotated_a.rows());
                        multiply<T>(count, D, X, rotated_a.rows(), key_sums, false, dphi_q.rows());
                        multiply<T>(X, D, count, Factor<T>::transposed(rotated_a.rows()), phi_q.rows(), true, sums);
                        feature_gradient_rows<T>(head.map, count, D, head.query.from(begin), nullptr, dphi_q.rows(),
                                                 gradients.dquery.from(begin));
                      });
}

/// dkey and dvalue of one segment from the sums over all queries.
template <class T>
void key_value_gradient(const Group<T>& group, const Segments& segments, std::int64_t segment,
                        const PartialSums<T>& all_sums, std::span<const LinearHeadGradients<T>> all_gradients) {
  const std::int64_t parts = group.shape().parts();
  const std::int64_t D = group.shape().head_dim, E = group.shape().value_dim, W = parts * D, X = parts * (E + 1);
  const Scratch<T> phi_k(kTile, D), rotated_k(kTile, W), values(kTile, E + 1), rotated_values(kTile, X);
  const Scratch<T> dphi_k(kTile, D), dvalues(kTile, E), all_value_sums(group.size() * W, E);
  const auto value_sums_of = [&](std::int64_t h) { return all_value_sums.from((h - group.first()) * W); };
  // The same sums for the values, Σ_i q̃_iᵀ a_i (W × E).
  group.for_each_head([&](std::int64_t h, const LinearHead<T>&) {
    for (std::int64_t part = 0; part < parts; ++part) {
      transpose<T>(E, D, all_sums.piece(h, 0).from(part * E), value_sums_of(h).from(part * D));
    }
  });
  group.for_each_tile(segments, segment, group.shape().keys,
                      [&](std::int64_t h, const LinearHead<T>& head, std::int64_t begin, std::int64_t count) {
                        const LinearHeadGradients<T>& gradients = all_gradients[static_cast<std::size_t>(h)];
                        const Rows<const T> sums = all_sums.piece(h, 0), value_sums = value_sums_of(h);
                        const std::uint8_t* mask = head.mask_from(begin);
                        feature_rows(head.map, count, D, head.key.from(begin), mask, phi_k.rows());
                        extended_value_rows(count, E, head.value.from(begin), mask, values.rows());
                        rotate_rows<T>(count, D, phi_k.rows(), head.key_angles.from(begin), rotated_k.rows());
                        rotate_extended_rows<T>(count, E, values.rows(), head.key_angles.from(begin), rotated_values.rows());
                        multiply<T>(count, D, X, rotated_values.rows(), sums, false, dphi_k.rows());
                        multiply<T>(count, E, W, rotated_k.rows(), value_sums, false, dvalues.rows());
                        feature_gradient_rows<T>(head.map, count, D, head.key.from(begin), mask, dphi_k.rows(),
                                                 gradients.dkey.from(begin));
                        copy_rows<T>(count, E, dvalues.rows(), mask, gradients.dvalue.from(begin));
                      });
}

}  // namespace

template <class T>
void linear_forward(std::span<const LinearHead<T>> heads, std::int64_t heads_per_item,
                    std::span<const LinearHeadOutput<T>> outputs) {
  const LinearHead<T>& shape = heads[0];
  const auto count = static_cast<std::int64_t>(heads.size());
  const std::int64_t W = shape.parts() * shape.head_dim;
  const Groups<T> groups(heads, heads_per_item);
  const Segments key_cut(groups.count(), shape.keys), query_cut(groups.count(), shape.queries);
  const PartialSums<T> sums(count, key_cut.count, W + 1, std::max(W, shape.value_dim));
  groups.for_each_piece(key_cut,
                        [&](const Group<T>& group, std::int64_t segment) { sum_keys(group, key_cut, segment, sums); });
  parallel_for(count, [&](std::int64_t h) {
    sums.sum(h);
    T* saved = outputs[static_cast<std::size_t>(h)].saved;
    if (saved != nullptr) save_sums<T>(heads[static_cast<std::size_t>(h)], sums.piece(h, 0), saved);
  });
  groups.for_each_piece(query_cut, [&](const Group<T>& group, std::int64_t segment) {
    read_sums<T>(group, query_cut, segment, sums, outputs);
  });
}

template <class T>
void linear_backward(std::span<const LinearHead<T>> heads, std::int64_t heads_per_item,
                     std::span<const LinearHeadGradients<T>> gradients) {
  const LinearHead<T>& shape = heads[0];
  const auto count = static_cast<std::int64_t>(heads.size());
  const Groups<T> groups(heads, heads_per_item);
  const Segments key_cut(groups.count(), shape.keys), query_cut(groups.count(), shape.queries);
  const PartialSums<T> query_sums(count, query_cut.count, shape.parts() * (shape.value_dim + 1), shape.head_dim);
  groups.for_each_piece(query_cut, [&](const Group<T>& group, std::int64_t segment) {
    query_gradient<T>(group, query_cut, segment, gradients, query_sums);
  });
  parallel_for(count, [&](std::int64_t h) { query_sums.sum(h); });
  groups.for_each_piece(key_cut, [&](const Group<T>& group, std::int64_t segment) {
    key_value_gradient<T>(group, key_cut, segment, query_sums, gradients);
  });
}

template void linear_forward<float>(std::span<const LinearHead<float>>, std::int64_t,
                                    std::span<const LinearHeadOutput<float>>);
template void linear_forward<double>(std::span<const LinearHead<double>>, std::int64_t,
                                     std::span<const LinearHeadOutput<double>>);
template void linear_backward<float>(std::span<const LinearHead<float>>, std::int64_t,
                                     std::span<const LinearHeadGradients<float>>);
template void linear_backward<double>(std::span<const LinearHead<double>>, std::int64_t,
                                      std::span<const LinearHeadGradients<double>>);

}  // namespace cosformer::detail

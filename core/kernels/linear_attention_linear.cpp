#include <algorithm>

#include "core/kernels/linear_attention_head.h"
#include "core/parallel.h"
#include "core/simd.h"

namespace cosformer::detail {

namespace {

/// Rows that are in scratch at once.
constexpr std::int64_t kTile = 128;

/// Where there are fewer heads than this, each length is cut into segments, so that every core has work.
constexpr std::int64_t kFewHeads = 16;
constexpr std::int64_t kLeastSegment = 512;

/// The cut of one length: pieces of heads × segments, numbered segment by segment within a head.
struct Segments {
  Segments(std::int64_t heads, std::int64_t length) {
    const std::int64_t wanted = heads >= kFewHeads ? 1 : (kFewHeads + heads - 1) / heads;
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

/// Σ_j k̃_jᵀ v_j (W × E) and, in the row below, Σ_j k̃_j: one head's keys from one segment.
template <class T>
void sum_keys(const LinearHead<T>& head, const Segments& segments, std::int64_t segment, Rows<T> sums) {
  const std::int64_t D = head.head_dim, E = head.value_dim, W = head.parts() * D;
  const Scratch<T> phi_k(kTile, D), rotated_k(kTile, W), values(kTile, E);
  zero_rows(W, E, sums);
  zero_rows(1, W, sums.from(W));
  segments.for_each_tile(segment, head.keys, [&](std::int64_t begin, std::int64_t count) {
    feature_rows(head.map, count, D, head.key.from(begin), head.mask_from(begin), phi_k.rows());
    copy_rows(count, E, head.value.from(begin), head.mask_from(begin), values.rows());
    rotate_rows<T>(count, D, phi_k.rows(), head.key_angles.from(begin), rotated_k.rows());
    multiply<T>(W, E, count, Factor<T>::transposed(rotated_k.rows()), values.rows(), true, sums);
    add_rows<T>(count, W, rotated_k.rows(), sums[W]);
  });
}

/// Outputs of one segment of queries from the sums over all keys.
template <class T>
void read_sums(const LinearHead<T>& head, const Segments& segments, std::int64_t segment, Rows<const T> sums,
               const LinearHeadOutput<T>& output) {
  const std::int64_t D = head.head_dim, E = head.value_dim, W = head.parts() * D;
  const Scratch<T> phi_q(kTile, D), rotated_q(kTile, W), results(kTile, E);
  segments.for_each_tile(segment, head.queries, [&](std::int64_t begin, std::int64_t count) {
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
void query_gradient(const LinearHead<T>& head, const Segments& segments, std::int64_t segment, Rows<const T> key_sums,
                    const LinearHeadGradients<T>& gradients, Rows<T> sums) {
  const std::int64_t D = head.head_dim, E = head.value_dim, X = head.parts() * (E + 1);
  const Scratch<T> phi_q(kTile, D), a(kTile, E + 1), rotated_a(kTile, X), dphi_q(kTile, D);
  zero_rows(X, D, sums);
  segments.for_each_tile(segment, head.queries, [&](std::int64_t begin, std::int64_t count) {
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
void key_value_gradient(const LinearHead<T>& head, const Segments& segments, std::int64_t segment, Rows<const T> sums,
                        const LinearHeadGradients<T>& gradients) {
  const std::int64_t D = head.head_dim, E = head.value_dim, W = head.parts() * D, X = head.parts() * (E + 1);
  const Scratch<T> phi_k(kTile, D), rotated_k(kTile, W), values(kTile, E + 1), rotated_values(kTile, X);
  const Scratch<T> dphi_k(kTile, D), dvalues(kTile, E), value_sums(W, E);
  // The same sums for the values, Σ_i q̃_iᵀ a_i (W × E).
  for (std::int64_t part = 0; part < head.parts(); ++part) {
    transpose<T>(E, D, sums.from(part * E), value_sums.from(part * D));
  }
  segments.for_each_tile(segment, head.keys, [&](std::int64_t begin, std::int64_t count) {
    const std::uint8_t* mask = head.mask_from(begin);
    feature_rows(head.map, count, D, head.key.from(begin), mask, phi_k.rows());
    extended_value_rows(count, E, head.value.from(begin), mask, values.rows());
    rotate_rows<T>(count, D, phi_k.rows(), head.key_angles.from(begin), rotated_k.rows());
    rotate_extended_rows<T>(count, E, values.rows(), head.key_angles.from(begin), rotated_values.rows());
    multiply<T>(count, D, X, rotated_values.rows(), sums, false, dphi_k.rows());
    multiply<T>(count, E, W, rotated_k.rows(), value_sums.rows(), false, dvalues.rows());
    feature_gradient_rows<T>(head.map, count, D, head.key.from(begin), mask, dphi_k.rows(), gradients.dkey.from(begin));
    copy_rows<T>(count, E, dvalues.rows(), mask, gradients.dvalue.from(begin));
  });
}

/// Calls `body(head, segment)` for every piece, in parallel.
template <class Body>
void for_each_piece(std::int64_t heads, const Segments& segments, Body&& body) {
  parallel_for(heads * segments.count, [&](std::int64_t piece) { body(piece / segments.count, piece % segments.count); });
}

}  // namespace

template <class T>
void linear_forward(std::span<const LinearHead<T>> heads, std::span<const LinearHeadOutput<T>> outputs) {
  const LinearHead<T>& shape = heads[0];
  const auto count = static_cast<std::int64_t>(heads.size());
  const std::int64_t W = shape.parts() * shape.head_dim;
  const auto head = [&](std::int64_t h) -> const LinearHead<T>& { return heads[static_cast<std::size_t>(h)]; };
  const Segments key_cut(count, shape.keys), query_cut(count, shape.queries);
  const PartialSums<T> sums(count, key_cut.count, W + 1, std::max(W, shape.value_dim));
  for_each_piece(count, key_cut,
                 [&](std::int64_t h, std::int64_t segment) { sum_keys(head(h), key_cut, segment, sums.piece(h, segment)); });
  parallel_for(count, [&](std::int64_t h) {
    sums.sum(h);
    T* saved = outputs[static_cast<std::size_t>(h)].saved;
    if (saved != nullptr) save_sums<T>(head(h), sums.piece(h, 0), saved);
  });
  for_each_piece(count, query_cut, [&](std::int64_t h, std::int64_t segment) {
    read_sums<T>(head(h), query_cut, segment, sums.piece(h, 0), outputs[static_cast<std::size_t>(h)]);
  });
}

template <class T>
void linear_backward(std::span<const LinearHead<T>> heads, std::span<const LinearHeadGradients<T>> gradients) {
  const LinearHead<T>& shape = heads[0];
  const auto count = static_cast<std::int64_t>(heads.size());
  const std::int64_t X = shape.parts() * (shape.value_dim + 1);
  const auto head = [&](std::int64_t h) -> const LinearHead<T>& { return heads[static_cast<std::size_t>(h)]; };
  const auto gradient = [&](std::int64_t h) -> const LinearHeadGradients<T>& {
    return gradients[static_cast<std::size_t>(h)];
  };
  const Segments key_cut(count, shape.keys), query_cut(count, shape.queries);
  const PartialSums<T> query_sums(count, query_cut.count, X, shape.head_dim);
  for_each_piece(count, query_cut, [&](std::int64_t h, std::int64_t segment) {
    const Rows<const T> key_sums{gradient(h).saved, shape.head_dim};
    query_gradient<T>(head(h), query_cut, segment, key_sums, gradient(h), query_sums.piece(h, segment));
  });
  parallel_for(count, [&](std::int64_t h) { query_sums.sum(h); });
  for_each_piece(count, key_cut, [&](std::int64_t h, std::int64_t segment) {
    key_value_gradient<T>(head(h), key_cut, segment, query_sums.piece(h, 0), gradient(h));
  });
}

template void linear_forward<float>(std::span<const LinearHead<float>>, std::span<const LinearHeadOutput<float>>);
template void linear_forward<double>(std::span<const LinearHead<double>>, std::span<const LinearHeadOutput<double>>);
template void linear_backward<float>(std::span<const LinearHead<float>>, std::span<const LinearHeadGradients<float>>);
template void linear_backward<double>(std::span<const LinearHead<double>>, std::span<const LinearHeadGradients<double>>);

}  // namespace cosformer::detail

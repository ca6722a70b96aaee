#include <algorithm>

#include "core/kernels/linear_attention/schedule.h"
#include "core/parallel.h"

namespace cosformer::detail {

namespace {

/// Σ_j k̃_jᵀ v_j (W × E) and, in the row below, Σ_j k̃_j: the keys of a group's heads from one segment.
template <class T>
void sum_keys(const Group<T>& group, const Segments& segments, std::int64_t segment, const PartialSums<T>& all_sums) {
  const std::int64_t D = group.shape().head_dim, E = group.shape().value_dim, W = group.shape().parts() * D;
  const ScratchMatrix<T> phi_k(kTile, D), rotated_k(kTile, W), values(kTile, E);
  group.for_each_head([&](std::int64_t h, const LinearHead<T>&) {
    const MatrixView<T> sums = all_sums.piece(h, segment);
    zero_rows(W, E, sums);
    zero_rows(1, W, sums.from(W));
  });
  group.for_each_tile(
      segments, segment, group.shape().keys,
      [&](const HeadTile<T>& tile, simd::UpcomingRows& upcoming) {
        const auto& [h, head, begin, count] = tile;
        expect_rows(upcoming, count, D, head.key.from(begin));
        expect_rows(upcoming, count, E, head.value.from(begin));
      },
      [&](const HeadTile<T>& tile, simd::UpcomingRows& upcoming) {
        const auto& [h, head, begin, count] = tile;
        const MatrixView<T> sums = all_sums.piece(h, segment);
        feature_rows(head.map, count, D, head.key.from(begin), head.mask_from(begin), phi_k.view());
        copy_rows(count, E, head.value.from(begin), head.mask_from(begin), values.view());
        rotate_rows<T>(count, D, phi_k.view(), head.key_factors.from(begin), rotated_k.view());
        multiply<T>(W, E, count, Factor<T>::transposed(rotated_k.view()), values.view(), true, sums,
                    {.upcoming = &upcoming});
        add_rows<T>(count, W, rotated_k.view(), sums[W]);
      });
}

/// Outputs of one segment of queries from the sums over all keys.
template <class T>
void read_sums(const Group<T>& group, const Segments& segments, std::int64_t segment, const PartialSums<T>& all_sums,
               std::span<const LinearHeadOutput<T>> outputs) {
  const std::int64_t D = group.shape().head_dim, E = group.shape().value_dim, W = group.shape().parts() * D;
  const ScratchMatrix<T> phi_q(kTile, D), rotated_q(kTile, W), results(kTile, E);
  group.for_each_tile(
      segments, segment, group.shape().queries,
      [&](const HeadTile<T>& tile, simd::UpcomingRows& upcoming) {
        const auto& [h, head, begin, count] = tile;
        expect_rows(upcoming, count, D, head.query.from(begin));
        expect_rows(upcoming, count, E, outputs[static_cast<std::size_t>(h)].out.from(begin));
      },
      [&](const HeadTile<T>& tile, simd::UpcomingRows& upcoming) {
        const auto& [h, head, begin, count] = tile;
        const MatrixView<const T> sums = all_sums.piece(h, 0);
        const LinearHeadOutput<T>& output = outputs[static_cast<std::size_t>(h)];
        feature_rows<T>(head.map, count, D, head.query.from(begin), nullptr, phi_q.view());
        rotate_rows<T>(count, D, phi_q.view(), head.query_factors.from(begin), rotated_q.view());
        multiply<T>(count, E, W, rotated_q.view(), sums, false, results.view(), {.upcoming = &upcoming});
        T normalizers[kTile], inverses[kTile];
        row_dots<T>(count, W, rotated_q.view(), {sums[W], 0}, normalizers);
        for (std::int64_t i = 0; i < count; ++i) {
          const T normalizer = *output.normalizer[begin + i] = normalizer_of_sum(head, normalizers[i]);
          inverses[i] = 1 / guarded(normalizer);
        }
        scale_rows<T>(count, E, inverses, results.view(), output.out.from(begin));
      });
}

/// The same sums as Σ_j [v_j | 1]~ᵀ φ(k_j) (X × D), as the gradient of the queries reads them.
template <class T>
void save_sums(const LinearHead<T>& head, MatrixView<const T> sums, T* saved) {
  const std::int64_t D = head.head_dim, E = head.value_dim, parts = head.parts();
  const MatrixView<T> rows{saved, D};
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
  const ScratchMatrix<T> phi_q(kTile, D), a(kTile, E + 1), rotated_a(kTile, X), dphi_q(kTile, D);
  group.for_each_head([&](std::int64_t h, const LinearHead<T>&) { zero_rows(X, D, all_sums.piece(h, segment)); });
  group.for_each_tile(
      segments, segment, group.shape().queries,
      [&](const HeadTile<T>& tile, simd::UpcomingRows& upcoming) {
        const auto& [h, head, begin, count] = tile;
        const LinearHeadGradients<T>& gradients = all_gradients[static_cast<std::size_t>(h)];
        expect_rows(upcoming, count, D, head.query.from(begin));
        expect_rows(upcoming, count, E, gradients.dout.from(begin));
        expect_rows(upcoming, count, E, gradients.out.from(begin));
        expect_rows(upcoming, count, D, gradients.dquery.from(begin));
      },
      [&](const HeadTile<T>& tile, simd::UpcomingRows& upcoming) {
        const auto& [h, head, begin, count] = tile;
        const LinearHeadGradients<T>& gradients = all_gradients[static_cast<std::size_t>(h)];
        const MatrixView<const T> key_sums{gradients.saved, D};
        const MatrixView<T> sums = all_sums.piece(h, segment);
        feature_rows<T>(head.map, count, D, head.query.from(begin), nullptr, phi_q.view());
        extended_gradient_rows<T>(gradients, begin, count, E, a.view());
        rotate_extended_rows<T>(count, E, a.view(), head.query_factors.from(begin), rotated_a.view());
        multiply<T>(count, D, X, rotated_a.view(), key_sums, false, dphi_q.view(), {.upcoming = &upcoming});
        multiply<T>(X, D, count, Factor<T>::transposed(rotated_a.view()), phi_q.view(), true, sums, {.upcoming = &upcoming});
        feature_gradient_rows<T>(head.map, count, D, head.query.from(begin), nullptr, dphi_q.view(),
                                 gradients.dquery.from(begin));
      });
}

/// dkey and dvalue of one segment from the sums over all queries.
template <class T>
void key_value_gradient(const Group<T>& group, const Segments& segments, std::int64_t segment,
                        const PartialSums<T>& all_sums, std::span<const LinearHeadGradients<T>> all_gradients) {
  const std::int64_t parts = group.shape().parts();
  const std::int64_t D = group.shape().head_dim, E = group.shape().value_dim, W = parts * D, X = parts * (E + 1);
  const ScratchMatrix<T> phi_k(kTile, D), rotated_k(kTile, W), values(kTile, E + 1), rotated_values(kTile, X);
  const ScratchMatrix<T> dphi_k(kTile, D), dvalues(kTile, E), all_value_sums(group.size() * W, E);
  const auto value_sums_of = [&](std::int64_t h) { return all_value_sums.from((h - group.first()) * W); };
  // The same sums for the values, Σ_i q̃_iᵀ a_i (W × E).
  group.for_each_head([&](std::int64_t h, const LinearHead<T>&) {
    for (std::int64_t part = 0; part < parts; ++part) {
      transpose<T>(E, D, all_sums.piece(h, 0).from(part * E), value_sums_of(h).from(part * D));
    }
  });
  group.for_each_tile(
      segments, segment, group.shape().keys,
      [&](const HeadTile<T>& tile, simd::UpcomingRows& upcoming) {
        const auto& [h, head, begin, count] = tile;
        const LinearHeadGradients<T>& gradients = all_gradients[static_cast<std::size_t>(h)];
        expect_rows(upcoming, count, D, head.key.from(begin));
        expect_rows(upcoming, count, E, head.value.from(begin));
        expect_rows(upcoming, count, D, gradients.dkey.from(begin));
        expect_rows(upcoming, count, E, gradients.dvalue.from(begin));
      },
      [&](const HeadTile<T>& tile, simd::UpcomingRows& upcoming) {
        const auto& [h, head, begin, count] = tile;
        const LinearHeadGradients<T>& gradients = all_gradients[static_cast<std::size_t>(h)];
        const MatrixView<const T> sums = all_sums.piece(h, 0), value_sums = value_sums_of(h);
        const std::uint8_t* mask = head.mask_from(begin);
        feature_rows(head.map, count, D, head.key.from(begin), mask, phi_k.view());
        extended_value_rows(count, E, head.value.from(begin), mask, values.view());
        rotate_rows<T>(count, D, phi_k.view(), head.key_factors.from(begin), rotated_k.view());
        rotate_extended_rows<T>(count, E, values.view(), head.key_factors.from(begin), rotated_values.view());
        multiply<T>(count, D, X, rotated_values.view(), sums, false, dphi_k.view(), {.upcoming = &upcoming});
        multiply<T>(count, E, W, rotated_k.view(), value_sums, false, dvalues.view(), {.upcoming = &upcoming});
        feature_gradient_rows<T>(head.map, count, D, head.key.from(begin), mask, dphi_k.view(), gradients.dkey.from(begin));
        copy_rows<T>(count, E, dvalues.view(), mask, gradients.dvalue.from(begin));
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

template <class T>
void linear_key_sums(std::span<const LinearHead<T>> heads, std::int64_t heads_per_item, T* all) {
  const LinearHead<T>& shape = heads[0];
  const std::int64_t W = shape.parts() * shape.head_dim, size = shape.state_size();
  const Groups<T> groups(heads, heads_per_item);
  const Segments cut(groups.count(), shape.keys);
  const PartialSums<T> sums(std::ssize(heads), cut.count, W + 1, std::max(W, shape.value_dim));
  groups.for_each_piece(cut, [&](const Group<T>& group, std::int64_t segment) { sum_keys(group, cut, segment, sums); });
  parallel_for(std::ssize(heads), [&](std::int64_t h) {
    sums.sum(h);
    save_sums<T>(heads[static_cast<std::size_t>(h)], sums.piece(h, 0), all + h * size);
  });
}

template <class T>
void linear_read_sums(std::span<const LinearHead<T>> heads, std::int64_t heads_per_item, const T* all,
                      std::span<const LinearHeadOutput<T>> outputs) {
  const LinearHead<T>& shape = heads[0];
  const std::int64_t D = shape.head_dim, E = shape.value_dim, parts = shape.parts(), W = parts * D;
  const Groups<T> groups(heads, heads_per_item);
  const Segments cut(groups.count(), shape.queries);
  const PartialSums<T> sums(std::ssize(heads), 1, W + 1, std::max(W, E));
  parallel_for(std::ssize(heads), [&](std::int64_t h) {
    const MatrixView<const T> rows{all + h * shape.state_size(), D};
    const MatrixView<T> own = sums.piece(h, 0);
    for (std::int64_t part = 0; part < parts; ++part) {
      transpose<T>(E, D, rows.from(part * E), own.from(part * D));
      copy_rows<T>(1, D, rows.from(parts * E + part), nullptr, own.from(W, part * D));
    }
  });
  groups.for_each_piece(
      cut, [&](const Group<T>& group, std::int64_t segment) { read_sums<T>(group, cut, segment, sums, outputs); });
}

template <class T>
void linear_query_gradient(std::span<const LinearHead<T>> heads, std::int64_t heads_per_item,
                           std::span<const LinearHeadGradients<T>> gradients, T* dsums) {
  const LinearHead<T>& shape = heads[0];
  const std::int64_t D = shape.head_dim, X = shape.state_size() / D;
  const Groups<T> groups(heads, heads_per_item);
  const Segments cut(groups.count(), shape.queries);
  const PartialSums<T> sums(std::ssize(heads), cut.count, X, D);
  groups.for_each_piece(
      cut, [&](const Group<T>& group, std::int64_t segment) { query_gradient<T>(group, cut, segment, gradients, sums); });
  parallel_for(std::ssize(heads), [&](std::int64_t h) {
    sums.sum(h);
    copy_rows<T>(X, D, sums.piece(h, 0), nullptr, {dsums + h * X * D, D});
  });
}

template <class T>
void linear_key_value_gradient(std::span<const LinearHead<T>> heads, std::int64_t heads_per_item, const T* dsums,
                               std::span<const LinearHeadGradients<T>> gradients) {
  const LinearHead<T>& shape = heads[0];
  const std::int64_t D = shape.head_dim, X = shape.state_size() / D;
  const Groups<T> groups(heads, heads_per_item);
  const Segments cut(groups.count(), shape.keys);
  const PartialSums<T> sums(std::ssize(heads), 1, X, D);
  parallel_for(std::ssize(heads), [&](std::int64_t h) {
    copy_rows<T>(X, D, {dsums + h * X * D, D}, nullptr, sums.piece(h, 0));
  });
  groups.for_each_piece(cut, [&](const Group<T>& group, std::int64_t segment) {
    key_value_gradient<T>(group, cut, segment, sums, gradients);
  });
}

#define COSFORMER_INSTANTIATE(T)                                                                                           \
  template void linear_forward<T>(std::span<const LinearHead<T>>, std::int64_t, std::span<const LinearHeadOutput<T>>);     \
  template void linear_backward<T>(std::span<const LinearHead<T>>, std::int64_t, std::span<const LinearHeadGradients<T>>); \
  template void linear_key_sums<T>(std::span<const LinearHead<T>>, std::int64_t, T*);                                      \
  template void linear_read_sums<T>(std::span<const LinearHead<T>>, std::int64_t, const T*,                                \
                                    std::span<const LinearHeadOutput<T>>);                                                 \
  template void linear_query_gradient<T>(std::span<const LinearHead<T>>, std::int64_t,                                     \
                                         std::span<const LinearHeadGradients<T>>, T*);                                     \
  template void linear_key_value_gradient<T>(std::span<const LinearHead<T>>, std::int64_t, const T*,                       \
                                             std::span<const LinearHeadGradients<T>>);
COSFORMER_INSTANTIATE(float)
COSFORMER_INSTANTIATE(double)
#undef COSFORMER_INSTANTIATE

}  // namespace cosformer::detail

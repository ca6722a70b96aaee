#include <algorithm>

#include "core/kernels/linear_attention/chunk_reweighting.h"
#include "core/kernels/linear_attention/head.h"

namespace cosformer::detail {

namespace {

using simd::Band;

/// Calls `visit(begin, count)` for each chunk, in order.
template <class Visit>
void for_each_chunk(std::int64_t length, std::int64_t chunk_size, Visit&& visit) {
  for (std::int64_t begin = 0; begin < length; begin += chunk_size) visit(begin, std::min(chunk_size, length - begin));
}

template <class Visit>
void for_each_chunk_from_end(std::int64_t length, std::int64_t chunk_size, Visit&& visit) {
  for (std::int64_t begin = (length - 1) / chunk_size * chunk_size; begin >= 0; begin -= chunk_size) {
    visit(begin, std::min(chunk_size, length - begin));
  }
}

/// Where a pass over the chunks stands.
struct Place {
  std::int64_t head, begin;
};

/// The place after (head, begin), heads first; `step` is ±C.
Place following(std::int64_t head, std::int64_t heads, std::int64_t begin, std::int64_t step) {
  return head + 1 < heads ? Place{head + 1, begin} : Place{0, begin + step};
}

/// The state before a head's first token as the forward pass reads it: Σ k̃ᵀ v (W × E) and Σ k̃.
template <class T>
void read_state(const LinearHead<T>& head, MatrixView<T> values, T* ones) {
  const std::int64_t D = head.head_dim, E = head.value_dim, parts = head.parts();
  if (head.state == nullptr) {
    zero_rows(parts * D, E, values);
    std::fill(ones, ones + parts * D, T{0});
    return;
  }
  const MatrixView<const T> state{head.state, D};
  for (std::int64_t part = 0; part < parts; ++part) {
    transpose<T>(E, D, state.from(part * E), values.from(part * D));
    copy_rows<T>(1, D, state.from(parts * E + part), nullptr, {ones + part * D, D});
  }
}

}  // namespace

template <class T>
void chunked_forward(std::span<const LinearHead<T>> heads, std::int64_t chunk_size,
                     std::span<const LinearHeadOutput<T>> outputs) {
  const LinearHead<T>& shape = heads.front();
  const std::int64_t length = shape.queries, D = shape.head_dim, E = shape.value_dim, W = shape.parts() * D;
  const std::int64_t C = std::min(chunk_size, length), H = std::ssize(heads);
  const ChunkReweighting<T> reweighting(heads, C);
  // One product gives the outputs of a chunk: [q̃ | scores] · [state ; v]. `ones` gives the normalisers: [Σ k̃ | 1 … 1]. Each
  // head has its own state, and room for v below it.
  const ScratchMatrix<T> left(C, W + C), rights(H * (W + C), E), phi_q(C, D), phi_k(C, D), turned_k(D, C), rotated_k(C, W),
      sums(C, E);
  const ScratchMatrix<T> ones(H, W + C), normalizers(2, C);
  for (std::int64_t h = 0; h < H; ++h) {
    read_state(heads[static_cast<std::size_t>(h)], rights.from(h * (W + C)), ones[h]);
    std::fill(ones[h] + W, ones[h] + W + C, T{1});
  }
  for_each_chunk(length, C, [&](std::int64_t begin, std::int64_t count) {
    for (std::int64_t h = 0; h < H; ++h) {
      const LinearHead<T>& head = heads[static_cast<std::size_t>(h)];
      const LinearHeadOutput<T>& output = outputs[static_cast<std::size_t>(h)];
      simd::UpcomingRows upcoming;
      if (const Place next = following(h, H, begin, C); next.begin < length) {
        const LinearHead<T>& other = heads[static_cast<std::size_t>(next.head)];
        const std::int64_t rows = std::min(C, length - next.begin);
        expect_rows(upcoming, rows, D, other.query.from(next.begin));
        expect_rows(upcoming, rows, D, other.key.from(next.begin));
        expect_rows(upcoming, rows, E, other.value.from(next.begin));
        expect_rows(upcoming, rows, E, outputs[static_cast<std::size_t>(next.head)].out.from(next.begin));
      }
      const MatrixView<T> scores = left.from(0, W), right = rights.from(h * (W + C)), values = right.from(W);
      feature_rows<T>(head.map, count, D, head.query.from(begin), nullptr, phi_q.view());
      feature_rows(head.map, count, D, head.key.from(begin), head.mask_from(begin), phi_k.view());
      copy_rows(count, E, head.value.from(begin), head.mask_from(begin), values);
      transpose<T>(count, D, phi_k.view(), turned_k.view());
      multiply<T>(count, count, D, phi_q.view(), turned_k.view(), false, scores,
                  {.band = Band::lower_columns, .upcoming = &upcoming});
      weigh_diagonals(count, count, reweighting.lower(h), scores);
      // The first chunk of a text has no state.
      const std::int64_t skipped = begin > 0 || head.state != nullptr ? 0 : W;
      if (skipped == 0) rotate_rows<T>(count, D, phi_q.view(), reweighting.queries(h, begin), left.view());
      multiply<T>(count, E, W + count - skipped, left.from(0, skipped), right.from(skipped), false, sums.view(),
                  {.band = Band::lower_inner, .fixed = W - skipped, .upcoming = &upcoming});
      row_dots<T>(count, W + count - skipped, left.from(0, skipped), {ones[h] + skipped, 0}, normalizers[0]);
      for (std::int64_t i = 0; i < count; ++i) {
        const T normalizer = *output.normalizer[begin + i] = normalizer_of_sum(head, normalizers[0][i]);
        normalizers[1][i] = 1 / guarded(normalizer);
      }
      scale_rows<T>(count, E, normalizers[1], sums.view(), output.out.from(begin));
      if (begin + count == length) continue;
      rotate_rows<T>(count, D, phi_k.view(), reweighting.keys(h, begin), rotated_k.view());
      reweighting.carry(h, W, E, right);
      reweighting.carry(h, 1, W, {ones[h], 0});
      multiply<T>(W, E, count, Factor<T>::transposed(rotated_k.view()), values, true, right, {.upcoming = &upcoming});
      add_rows<T>(count, W, rotated_k.view(), ones[h]);
    }
  });
}

namespace {

/// dquery, from the prefix state kept as Σ [v | 1]~ᵀ φ(k), (E + 1) parts × D. Leaves the normalisers' gradients in `b`, a
/// row per head.
template <class T>
void chunked_query_gradient(std::span<const LinearHead<T>> heads, std::int64_t C, const ChunkReweighting<T>& reweighting,
                            std::span<const LinearHeadGradients<T>> all_gradients, MatrixView<T> b) {
  const LinearHead<T>& shape = heads.front();
  const std::int64_t D = shape.head_dim, E = shape.value_dim, X = shape.parts() * (E + 1), H = std::ssize(heads);
  // [ã⁺ | dscores] · [state ; φ(k)], a state for each head
  const ScratchMatrix<T> left(C, X + C), rights(H * (X + C), D), values(C, E + 1), turned_values(E + 1, C), a(C, E + 1),
      rotated_values(C, X);
  const ScratchMatrix<T> dphi_q(C, D);
  for (std::int64_t h = 0; h < H; ++h) {
    const T* state = heads[static_cast<std::size_t>(h)].state;
    if (state == nullptr) {
      zero_rows(X, D, rights.from(h * (X + C)));
    } else {
      copy_rows<T>(X, D, {state, D}, nullptr, rights.from(h * (X + C)));
    }
  }
  for_each_chunk(shape.queries, C, [&](std::int64_t begin, std::int64_t count) {
    for (std::int64_t h = 0; h < H; ++h) {
      const LinearHead<T>& head = heads[static_cast<std::size_t>(h)];
      const LinearHeadGradients<T>& gradients = all_gradients[static_cast<std::size_t>(h)];
      simd::UpcomingRows upcoming;
      if (const Place next = following(h, H, begin, C); next.begin < shape.queries) {
        const LinearHead<T>& other = heads[static_cast<std::size_t>(next.head)];
        const LinearHeadGradients<T>& others = all_gradients[static_cast<std::size_t>(next.head)];
        const std::int64_t rows = std::min(C, shape.queries - next.begin);
        expect_rows(upcoming, rows, D, other.key.from(next.begin));
        expect_rows(upcoming, rows, E, other.value.from(next.begin));
        expect_rows(upcoming, rows, E, others.dout.from(next.begin));
        expect_rows(upcoming, rows, E, others.out.from(next.begin));
        expect_rows(upcoming, rows, D, other.query.from(next.begin));
        expect_rows(upcoming, rows, D, others.dquery.from(next.begin));
      }
      const MatrixView<T> dscores = left.from(0, X), right = rights.from(h * (X + C)), phi_k = right.from(X);
      feature_rows(head.map, count, D, head.key.from(begin), head.mask_from(begin), phi_k);
      extended_value_rows(count, E, head.value.from(begin), head.mask_from(begin), values.view());
      normalizer_gradients(gradients, begin, count, E, b[h] + begin);
      extended_gradient_rows<T>(gradients, begin, count, E, b[h] + begin, a.view());
      transpose<T>(count, E + 1, values.view(), turned_values.view());
      multiply<T>(count, count, E + 1, a.view(), turned_values.view(), false, dscores,
                  {.band = Band::lower_columns, .upcoming = &upcoming});
      weigh_diagonals(count, count, reweighting.lower(h), dscores);
      const std::int64_t skipped = begin > 0 || head.state != nullptr ? 0 : X;
      if (skipped == 0) rotate_extended_rows<T>(count, E, a.view(), reweighting.queries(h, begin), left.view());
      multiply<T>(count, D, X + count - skipped, left.from(0, skipped), right.from(skipped), false, dphi_q.view(),
                  {.band = Band::lower_inner, .fixed = X - skipped, .upcoming = &upcoming});
      feature_gradient_rows<T>(head.map, count, D, head.query.from(begin), nullptr, dphi_q.view(),
                               gradients.dquery.from(begin));
      if (begin + count == head.queries) continue;
      rotate_extended_rows<T>(count, E, values.view(), reweighting.keys(h, begin), rotated_values.view());
      reweighting.carry(h, X, D, right);
      multiply<T>(X, D, count, Factor<T>::transposed(rotated_values.view()), phi_k, true, right, {.upcoming = &upcoming});
    }
  });
}

/// dkey and dvalue, from the normalisers' gradients and the suffix state Σ [a | b]~ᵀ φ(q), (E + 1) parts × D, and its
/// transpose without b, Σ q̃ᵀ a.
template <class T>
void chunked_key_value_gradient(std::span<const LinearHead<T>> heads, std::int64_t C, const ChunkReweighting<T>& reweighting,
                                std::span<const LinearHeadGradients<T>> all_gradients, MatrixView<const T> b) {
  const LinearHead<T>& shape = heads.front();
  const std::int64_t D = shape.head_dim, E = shape.value_dim, W = shape.parts() * D, X = shape.parts() * (E + 1);
  const std::int64_t H = std::ssize(heads);
  // [dscoresᵀ | ṽ⁺] · [φ(q) ; state] and [scoresᵀ | k̃] · [a ; stateᵀ]. Only the last chunk may be short, and it has no
  // state; each head has its own.
  const ScratchMatrix<T> key_left(C, C + X), key_rights(H * (C + X), D), value_left(C, C + W),
      value_rights(H * (C + W), E + 1);
  const ScratchMatrix<T> phi_k(C, D), turned_q(D, C), values(C, E + 1), turned_a(E + 1, C), rotated_a(C, X), dphi_k(C, D),
      dvalues(C, E);
  const MatrixView<T> dscores = key_left.view(), scores = value_left.view();
  for (std::int64_t h = 0; h < H; ++h) zero_rows(X, D, key_rights.from(h * (C + X) + C));
  for_each_chunk_from_end(shape.queries, C, [&](std::int64_t begin, std::int64_t count) {
    for (std::int64_t h = 0; h < H; ++h) {
      const LinearHead<T>& head = heads[static_cast<std::size_t>(h)];
      const LinearHeadGradients<T>& gradients = all_gradients[static_cast<std::size_t>(h)];
      simd::UpcomingRows upcoming;
      if (const Place next = following(h, H, begin, -C); next.begin >= 0) {
        const LinearHead<T>& other = heads[static_cast<std::size_t>(next.head)];
        const LinearHeadGradients<T>& others = all_gradients[static_cast<std::size_t>(next.head)];
        expect_rows(upcoming, C, D, other.query.from(next.begin));
        expect_rows(upcoming, C, D, other.key.from(next.begin));
        expect_rows(upcoming, C, E, other.value.from(next.begin));
        expect_rows(upcoming, C, E, others.dout.from(next.begin));
        expect_rows(upcoming, C, D, others.dkey.from(next.begin));
        expect_rows(upcoming, C, E, others.dvalue.from(next.begin));
      }
      const MatrixView<T> phi_q = key_rights.from(h * (C + X)), a = value_rights.from(h * (C + W));
      const MatrixView<T> state = phi_q.from(C), turned_state = a.from(C);
      const std::uint8_t* mask = head.mask_from(begin);
      const bool has_state = begin + count < head.queries;
      feature_rows<T>(head.map, count, D, head.query.from(begin), nullptr, phi_q);
      feature_rows(head.map, count, D, head.key.from(begin), mask, phi_k.view());
      extended_value_rows(count, E, head.value.from(begin), mask, values.view());
      extended_gradient_rows<T>(gradients, begin, count, E, b[h] + begin, a);
      transpose<T>(count, E + 1, a, turned_a.view());
      transpose<T>(count, D, phi_q, turned_q.view());
      multiply<T>(count, count, E + 1, values.view(), turned_a.view(), false, dscores,
                  {.band = Band::upper_columns, .upcoming = &upcoming});
      multiply<T>(count, count, D, phi_k.view(), turned_q.view(), false, scores,
                  {.band = Band::upper_columns, .upcoming = &upcoming});
      weigh_diagonals(count, count, reweighting.upper(h), dscores);
      weigh_diagonals(count, count, reweighting.upper(h), scores);
      if (has_state) {
        rotate_extended_rows<T>(count, E, values.view(), reweighting.keys(h, begin), key_left.from(0, C));
        rotate_rows<T>(count, D, phi_k.view(), reweighting.keys(h, begin), value_left.from(0, C));
      }
      multiply<T>(count, D, has_state ? C + X : count, dscores, phi_q, false, dphi_k.view(),
                  {.band = Band::upper_inner, .upcoming = &upcoming});
      multiply<T>(count, E, has_state ? C + W : count, scores, a, false, dvalues.view(),
                  {.band = Band::upper_inner, .upcoming = &upcoming});
      feature_gradient_rows<T>(head.map, count, D, head.key.from(begin), mask, dphi_k.view(), gradients.dkey.from(begin));
      copy_rows<T>(count, E, dvalues.view(), mask, gradients.dvalue.from(begin));
      if (begin == 0 && gradients.dstate == nullptr) continue;
      rotate_extended_rows<T>(count, E, a, reweighting.queries(h, begin), rotated_a.view());
      reweighting.carry(h, X, D, state);
      multiply<T>(X, D, count, Factor<T>::transposed(rotated_a.view()), phi_q, true, state, {.upcoming = &upcoming});
      if (begin == 0) {
        copy_rows<T>(X, D, state, nullptr, {gradients.dstate, D});
        continue;
      }
      for (std::int64_t part = 0; part < head.parts(); ++part) {
        transpose<T>(E, D, state.from(part * E), turned_state.from(part * D));
      }
    }
  });
}

}  // namespace

template <class T>
void chunked_backward(std::span<const LinearHead<T>> heads, std::int64_t chunk_size,
                      std::span<const LinearHeadGradients<T>> gradients) {
  const std::int64_t C = std::min(chunk_size, heads.front().queries);
  const ChunkReweighting<T> reweighting(heads, C);
  const ScratchMatrix<T> b(std::ssize(heads), heads.front().queries);
  chunked_query_gradient<T>(heads, C, reweighting, gradients, b.view());
  chunked_key_value_gradient<T>(heads, C, reweighting, gradients, b.view());
}

template void chunked_forward<float>(std::span<const LinearHead<float>>, std::int64_t,
                                     std::span<const LinearHeadOutput<float>>);
template void chunked_forward<double>(std::span<const LinearHead<double>>, std::int64_t,
                                      std::span<const LinearHeadOutput<double>>);
template void chunked_backward<float>(std::span<const LinearHead<float>>, std::int64_t,
                                      std::span<const LinearHeadGradients<float>>);
template void chunked_backward<double>(std::span<const LinearHead<double>>, std::int64_t,
                                       std::span<const LinearHeadGradients<double>>);

}  // namespace cosformer::detail

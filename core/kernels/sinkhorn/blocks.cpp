#include <algorithm>

#include "core/kernels/attention/attention_gradients.h"
#include "core/kernels/attention/attention_tiles.h"
#include "core/kernels/sinkhorn/sinkhorn.h"
#include "core/parallel.h"

namespace cosformer {

namespace {

using detail::Factor;
using detail::MatrixView;
using detail::multiply;
using detail::rows_of;
using detail::ScratchMatrix;

/// The real tokens of an item by their place: row r · N + n of the table is the token at place r of block n, or -1.
std::vector<std::int64_t> tokens_by_place(const TextBlocks& text, std::int64_t b) {
  std::vector<std::int64_t> table(static_cast<std::size_t>(text.blocks * text.block_size), -1);
  for (std::int64_t t = 0; t < text.length; ++t) {
    if (!text.is_real(b, t)) continue;
    const std::int64_t position = text.position(b, t);
    table[static_cast<std::size_t>(position % text.block_size * text.blocks + position / text.block_size)] = t;
  }
  return table;
}

/// The tokens at one place of all blocks, as rows; zeros where there is none.
template <class T>
void load_place(const std::int64_t* tokens, std::int64_t blocks, std::int64_t width, MatrixView<const T> x,
                MatrixView<T> rows) {
  for (std::int64_t n = 0; n < blocks; ++n) {
    if (tokens[n] < 0) {
      std::fill_n(rows[n], width, T{0});
    } else {
      std::copy_n(x[tokens[n]], width, rows[n]);
    }
  }
}

}  // namespace

template <class T>
void sum_blocks_forward(const TextBlocks& text, std::int64_t heads, std::int64_t width, bool earlier, Heads<const T> x,
                        T* out) {
  std::fill_n(out, text.batch * text.blocks * heads * width, T{0});
  parallel_for(text.batch * heads, [&](std::int64_t task) {
    const std::int64_t b = task / heads, h = task % heads;
    const auto sums = [&](std::int64_t n) { return out + ((b * text.blocks + n) * heads + h) * width; };
    for (std::int64_t t = 0; t < text.length; ++t) {
      const std::int64_t n = text.position(b, t) / text.block_size + (earlier ? 1 : 0);
      if (text.is_real(b, t) && n < text.blocks) loops<T>().add_scaled(T{1}, rows_of(x, b, h)[t], sums(n), width);
    }
    for (std::int64_t n = 1; earlier && n < text.blocks; ++n) loops<T>().add_scaled(T{1}, sums(n - 1), sums(n), width);
  });
}

template <class T>
void sum_blocks_backward(const TextBlocks& text, std::int64_t heads, std::int64_t width, bool earlier, const T* dout,
                         const Gradient<T>& dx) {
  const detail::WrittenGradient<T> written(dx, text.batch, text.length, heads, width);
  parallel_for(text.batch * heads, [&](std::int64_t task) {
    const std::int64_t b = task / heads, h = task % heads;
    // d of block n: its own, or the sum of those of all later blocks.
    ScratchMatrix<T> d(text.blocks + 1, width);
    d.fill_zero();
    for (std::int64_t n = text.blocks; n-- > 0;) {
      const T* own = dout + ((b * text.blocks + n) * heads + h) * width;
      if (earlier) {
        // Row n becomes Σ over blocks behind n; row n - 1 takes block n's as well.
        if (n > 0) {
          std::copy_n(d[n], width, d[n - 1]);
          loops<T>().add_scaled(T{1}, own, d[n - 1], width);
        }
      } else {
        std::copy_n(own, width, d[n]);
      }
    }
    const MatrixView<T> rows = rows_of(written.heads(), b, h);
    for (std::int64_t t = 0; t < text.length; ++t) {
      if (text.is_real(b, t)) {
        std::copy_n(d[text.position(b, t) / text.block_size], width, rows[t]);
      } else {
        std::fill_n(rows[t], width, T{0});
      }
    }
  });
  written.finish();
}

template <class T>
void mix_blocks_forward(const TextBlocks& text, std::int64_t heads, std::int64_t width, const T* weights, Heads<const T> x,
                        T* out) {
  const std::int64_t N = text.blocks, size = text.block_size;
  parallel_for(text.batch * heads, [&](std::int64_t task) {
    const std::int64_t b = task / heads, h = task % heads;
    const std::vector<std::int64_t> tokens = tokens_by_place(text, b);
    const MatrixView<const T> own{weights + task * N * N, N};
    const ScratchMatrix<T> rows(N, width);
    for (std::int64_t r = 0; r < size; ++r) {
      load_place<T>(tokens.data() + r * N, N, width, rows_of(x, b, h), rows.view());
      // Places r of the blocks lie `size` rows of the result apart.
      const MatrixView<T> mixed{out + ((b * N * size + r) * heads + h) * width, size * heads * width};
      multiply<T>(N, width, N, own, rows.view(), false, mixed);
    }
  });
}

template <class T>
void mix_blocks_backward(const TextBlocks& text, std::int64_t heads, std::int64_t width, const T* weights, Heads<const T> x,
                         const T* dout, const Gradient<T>& dweights, const Gradient<T>& dx) {
  const std::int64_t N = text.blocks, size = text.block_size;
  const detail::WrittenGradient<T> written(dx, text.batch, text.length, heads, width);
  T* sums = begin_sum(dweights, text.batch * heads * N * N);
  parallel_for(text.batch * heads, [&](std::int64_t task) {
    const std::int64_t b = task / heads, h = task % heads;
    const std::vector<std::int64_t> tokens = tokens_by_place(text, b);
    const MatrixView<const T> own{weights + task * N * N, N};
    const ScratchMatrix<T> rows(N, width), turned(width, N), drows(N, width);
    const MatrixView<T> to = rows_of(written.heads(), b, h);
    detail::zero_rows<T>(text.length, width, to);
    for (std::int64_t r = 0; r < size; ++r) {
      const MatrixView<const T> d{dout + ((b * N * size + r) * heads + h) * width, size * heads * width};
      if (sums != nullptr) {
        load_place<T>(tokens.data() + r * N, N, width, rows_of(x, b, h), rows.view());
        detail::transpose<T>(N, width, rows.view(), turned.view());
        multiply<T>(N, N, width, d, turned.view(), true, MatrixView<T>{sums + task * N * N, N});
      }
      multiply<T>(N, width, N, Factor<T>::transposed(own), d, false, drows.view());
      for (std::int64_t n = 0; n < N; ++n) {
        const std::int64_t t = tokens[static_cast<std::size_t>(r * N + n)];
        if (t >= 0) std::copy_n(drows[n], width, to[t]);
      }
    }
  });
  written.finish();
}

#define COSFORMER_INSTANTIATE(T)                                                                                           \
  template void sum_blocks_forward<T>(const TextBlocks&, std::int64_t, std::int64_t, bool, Heads<const T>, T*);            \
  template void sum_blocks_backward<T>(const TextBlocks&, std::int64_t, std::int64_t, bool, const T*, const Gradient<T>&); \
  template void mix_blocks_forward<T>(const TextBlocks&, std::int64_t, std::int64_t, const T*, Heads<const T>, T*);        \
  template void mix_blocks_backward<T>(const TextBlocks&, std::int64_t, std::int64_t, const T*, Heads<const T>, const T*,  \
                                       const Gradient<T>&, const Gradient<T>&);
COSFORMER_INSTANTIATE(float)
COSFORMER_INSTANTIATE(double)
#undef COSFORMER_INSTANTIATE

}  // namespace cosformer

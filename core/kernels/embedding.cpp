#include "core/kernels/embedding.h"

#include <algorithm>

#include "core/error.h"
#include "core/parallel.h"
#include "core/simd/row_loops.h"

namespace cosformer {

void check_ids(const std::int32_t* ids, std::int64_t count, std::int64_t vocab) {
  for (std::int64_t i = 0; i < count; ++i) {
    check<ShapeError>(ids[i] >= 0 && ids[i] < vocab, "[embedding] id ", ids[i], " at position ", i,
                      " lies outside a table of ", vocab, " rows");
  }
}

template <class T>
void embedding_forward(const T* table, std::int64_t vocab, std::int64_t width, const std::int32_t* ids, std::int64_t count,
                       T* y) {
  check_ids(ids, count, vocab);
  parallel_ranges(count, kElementwiseGrain / std::max<std::int64_t>(width, 1) + 1,
                  [&](std::int64_t begin, std::int64_t end) {
                    for (std::int64_t i = begin; i < end; ++i) std::copy_n(table + ids[i] * width, width, y + i * width);
                  });
}

template <class T>
void embedding_backward(std::int64_t vocab, std::int64_t width, const std::int32_t* ids, std::int64_t count, const T* dy,
                        const Gradient<T>& dtable) {
  T* const table = begin_sum(dtable, vocab * width);
  if (!table) return;
  // Each piece owns some columns of the whole table: no two write one element, whatever ids repeat.
  constexpr std::int64_t kColumns = 64;
  parallel_ranges(width, kColumns, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = 0; i < count; ++i) {
      loops<T>().add_scaled(T{1}, dy + i * width + begin, table + ids[i] * width + begin, end - begin);
    }
  });
}

template <class T>
void scatter_rows(const T* x, std::int64_t width, const std::int32_t* rows, std::int64_t count, T* y) {
  parallel_ranges(count, kElementwiseGrain / std::max<std::int64_t>(width, 1) + 1,
                  [&](std::int64_t begin, std::int64_t end) {
                    for (std::int64_t i = begin; i < end; ++i) std::copy_n(x + i * width, width, y + rows[i] * width);
                  });
}

#define COSFORMER_INSTANTIATE(T)                                                                                   \
  template void embedding_forward<T>(const T*, std::int64_t, std::int64_t, const std::int32_t*, std::int64_t, T*); \
  template void embedding_backward<T>(std::int64_t, std::int64_t, const std::int32_t*, std::int64_t, const T*,     \
                                      const Gradient<T>&);                                                         \
  template void scatter_rows<T>(const T*, std::int64_t, const std::int32_t*, std::int64_t, T*);
COSFORMER_INSTANTIATE(float)
COSFORMER_INSTANTIATE(double)
#undef COSFORMER_INSTANTIATE

}  // namespace cosformer

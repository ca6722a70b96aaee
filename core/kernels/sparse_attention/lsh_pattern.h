#pragma once
/// \file
/// Reformer's pattern: queries look at keys with the same hash (Kitaev et al., 2020, section 2).

#include <cstdint>
#include <memory>
#include <vector>

#include "core/kernels/attention/attention_types.h"
#include "core/kernels/sparse_attention/sparse_pattern.h"

namespace cosformer {

/// How vectors are hashed: in each round x gets the number of the largest element of [x R, -x R], for one random R or, with
/// many buckets, for two whose numbers together are the bucket's.
struct LshSizes {
  std::int64_t rounds = 1;
  /// Buckets by the two random matrices: 1 for none, else even.
  std::int64_t first = 1, second = 1;

  std::int64_t buckets() const { return first * second; }
  /// Columns that the matrices of a round have in all.
  std::int64_t columns() const { return first / 2 + second / 2; }
};
/// Sizes of at least `buckets` buckets, a power of two; two matrices if there are more than 64.
LshSizes lsh_sizes(std::int64_t rounds, std::int64_t buckets);

/// Buckets of all rows of x [B, length, H, D] in all rounds, as [B, H, rounds, length]. `matrices` holds the random
/// matrices, [H, D, rounds · columns]: a round's columns follow one another, those of its first matrix come first.
template <class T>
std::vector<std::int32_t> lsh_buckets(const LshSizes& lsh, std::int64_t batch, std::int64_t length, std::int64_t heads,
                                      std::int64_t head_dim, Heads<const T> x, const T* matrices);

/// The buckets of all queries and keys.
struct LshBuckets {
  LshSizes lsh;
  std::int64_t heads = 0, queries = 0, keys = 0;
  std::int64_t chunk = 64;
  std::shared_ptr<const std::vector<std::int32_t>> of_queries, of_keys;  ///< as `lsh_buckets` gives them
};

/// In each round the keys of a bucket stand in the order of their positions, cut into chunks. A query stands among the keys
/// of its bucket by its own position, and sees those of its chunk and of the chunk before, without itself: the key at its
/// own position counts only if it sees no other. A key that it sees in n rounds counts once: its score is lowered by log n
/// in each of them (equation 4 and appendix A).
///
/// The paper cuts the sorted text of a round, so that a chunk may have the end of a bucket and the begin of the next; of
/// these a query sees its own bucket's. Here each bucket is cut by itself: then what a query sees does not depend on tokens
/// behind it.
SharedSparsePattern make_lsh_pattern(LshBuckets buckets);

/// What `pairs` is of a text whose buckets are of equal size.
double lsh_pairs(const LshSizes& lsh, std::int64_t chunk, std::int64_t queries, std::int64_t keys, bool causal);

}  // namespace cosformer

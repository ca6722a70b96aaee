#include "core/kernels/sparse_attention/lsh_pattern.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "core/kernels/sparse_attention/sparse_attention.h"
#include "core/random.h"
#include "tests/catch.h"
#include "tests/support/random_values.h"
#include "tests/support/require_close.h"

namespace cosformer::test {

namespace {

constexpr std::int64_t kHeads = 2, kDim = 3;

/// Buckets by plain loops: the largest of [x R, -x R] of each matrix.
std::int32_t plain_bucket(const LshSizes& lsh, const double* x, const double* matrices, std::int64_t round) {
  std::int64_t bucket = 0, column = round * lsh.columns();
  for (const std::int64_t size : {lsh.first, lsh.second}) {
    std::vector<double> sides;
    for (std::int64_t c = 0; c < size / 2; ++c, ++column) {
      double sum = 0;
      for (std::int64_t d = 0; d < kDim; ++d) sum += x[d] * matrices[d * lsh.rounds * lsh.columns() + column];
      sides.push_back(sum);
    }
    const std::size_t half = sides.size();
    for (std::size_t c = 0; c < half; ++c) sides.push_back(-sides[c]);
    const auto largest = half == 0 ? 0 : std::ranges::max_element(sides) - sides.begin();
    bucket = bucket * size + largest;
  }
  return static_cast<std::int32_t>(bucket);
}

struct Case {
  LshSizes lsh;
  std::int64_t chunk = 2, batch = 2, length = 40;
  bool causal = false;
  std::vector<std::uint8_t> key_mask = {};
  std::vector<double> x, value, matrices;

  Case(const LshSizes& own, std::int64_t own_chunk, bool own_causal) : lsh(own), chunk(own_chunk), causal(own_causal) {
    x = random_values<double>(batch * length * kHeads * kDim, 1);
    value = random_values<double>(batch * length * kHeads * kDim, 2);
    matrices = random_values<double>(kHeads * kDim * lsh.rounds * std::max<std::int64_t>(1, lsh.columns()), 3);
  }
  const double* row(const std::vector<double>& all, std::int64_t b, std::int64_t t, std::int64_t h) const {
    return all.data() + ((b * length + t) * kHeads + h) * kDim;
  }
  Heads<const double> heads(const std::vector<double>& all) const {
    return {all.data(), length * kHeads * kDim, kHeads * kDim, kDim};
  }
  bool real(std::int64_t b, std::int64_t t) const {
    return key_mask.empty() || key_mask[static_cast<std::size_t>(b * length + t)] != 0;
  }
  std::int32_t bucket(std::int64_t b, std::int64_t t, std::int64_t h, std::int64_t round) const {
    return plain_bucket(lsh, row(x, b, t, h), matrices.data() + h * kDim * lsh.rounds * lsh.columns(), round);
  }
  /// Real tokens before t with its bucket.
  std::int64_t place(std::int64_t b, std::int64_t t, std::int64_t h, std::int64_t round) const {
    std::int64_t count = 0;
    for (std::int64_t s = 0; s < t; ++s) count += real(b, s) && bucket(b, s, h, round) == bucket(b, t, h, round) ? 1 : 0;
    return count;
  }
};

/// The paper's equations round by round: o = Σ_r exp(z_r - z) o_r.
std::vector<double> plain_attention(const Case& own) {
  std::vector<double> out(own.x.size());
  for (std::int64_t b = 0; b < own.batch; ++b) {
    for (std::int64_t h = 0; h < kHeads; ++h) {
      for (std::int64_t i = 0; i < own.length; ++i) {
        const auto sees = [&](std::int64_t j, std::int64_t round) {
          if (!own.real(b, j) || (own.causal && j > i) || own.bucket(b, i, h, round) != own.bucket(b, j, h, round))
            return false;
          const std::int64_t distance = own.place(b, i, h, round) / own.chunk - own.place(b, j, h, round) / own.chunk;
          return distance == 0 || distance == 1;
        };
        std::vector<double> sums(kDim);
        double all = 0;
        for (std::int64_t round = 0; round < own.lsh.rounds; ++round) {
          for (std::int64_t j = 0; j < own.length; ++j) {
            if (!sees(j, round)) continue;
            double times = 0, score = 0;
            for (std::int64_t other = 0; other < own.lsh.rounds; ++other) times += sees(j, other) ? 1 : 0;
            for (std::int64_t d = 0; d < kDim; ++d) score += own.row(own.x, b, i, h)[d] * own.row(own.x, b, j, h)[d];
            // Far enough below all others, and not so far that a lone one vanishes.
            const double weight = std::exp(score - (i == j ? 300 : std::log(times)));
            all += weight;
            for (std::int64_t d = 0; d < kDim; ++d)
              sums[static_cast<std::size_t>(d)] += weight * own.row(own.value, b, j, h)[d];
          }
        }
        for (std::int64_t d = 0; d < kDim && all > 0; ++d) {
          out[static_cast<std::size_t>(((b * own.length + i) * kHeads + h) * kDim + d)] =
              sums[static_cast<std::size_t>(d)] / all;
        }
      }
    }
  }
  return out;
}

}  // namespace

TEST_CASE("Hashes number the largest side of random directions") {
  for (const LshSizes& lsh : {LshSizes{3, 8, 1}, LshSizes{2, 4, 6}, LshSizes{2, 1, 1}}) {
    const Case own(lsh, 2, false);
    const std::vector<std::int32_t> buckets =
        lsh_buckets<double>(lsh, own.batch, own.length, kHeads, kDim, own.heads(own.x), own.matrices.data());
    std::size_t place = 0;
    for (std::int64_t b = 0; b < own.batch; ++b)
      for (std::int64_t h = 0; h < kHeads; ++h)
        for (std::int64_t round = 0; round < lsh.rounds; ++round)
          for (std::int64_t t = 0; t < own.length; ++t) REQUIRE(buckets[place++] == own.bucket(b, t, h, round));
  }
}

TEST_CASE("Buckets are a power of two, and many of them two numbers") {
  CHECK(lsh_sizes(1, 1).buckets() == 1);
  CHECK(lsh_sizes(1, 5).buckets() == 8);
  CHECK(lsh_sizes(1, 64).second == 1);
  CHECK((lsh_sizes(1, 100).first == 16 && lsh_sizes(1, 100).second == 8));
  CHECK(lsh_sizes(1, 4096).columns() == 64);
}

TEST_CASE("Attention by hashes is that of its equations, round by round") {
  const bool causal = GENERATE(true, false);
  for (const LshSizes& lsh : {LshSizes{1, 4, 1}, LshSizes{3, 4, 1}, LshSizes{2, 1, 1}, LshSizes{2, 2, 2}}) {
    for (const bool masked : {false, true}) {
      Case own(lsh, 3, causal);
      for (std::int64_t j = 0; masked && j < own.batch * own.length; ++j)
        own.key_mask.push_back(j % 5 == 2 || j > 70 ? 0 : 1);
      const auto buckets = std::make_shared<const std::vector<std::int32_t>>(
          lsh_buckets<double>(lsh, own.batch, own.length, kHeads, kDim, own.heads(own.x), own.matrices.data()));
      const SharedSparsePattern pattern =
          make_lsh_pattern({lsh, kHeads, own.length, own.length, own.chunk, buckets, buckets});
      const AttentionSizes sizes{own.batch, own.length, own.length, kHeads, kDim, kDim};
      std::vector<double> out(own.x.size()), sums(own.x.size() / kDim);
      sparse_attention_forward<double>(sizes, {.causal = causal, .key_mask = masked ? own.key_mask.data() : nullptr},
                                       *pattern, 1.0, own.heads(own.x), own.heads(own.x), own.heads(own.value),
                                       {out.data(), own.length * kHeads * kDim, kHeads * kDim, kDim}, sums.data());
      CAPTURE(causal, masked, lsh.rounds, lsh.first, lsh.second);
      require_close("out", plain_attention(own), out, {.rel = 1e-10, .abs = 1e-12});
    }
  }
}

TEST_CASE("Attention by hashes has a query see at most two chunks in each round, whatever the length") {
  const auto listed = [](std::int64_t length) {
    const LshSizes lsh = lsh_sizes(2, 2 * length / 64);
    const auto x = random_values<double>(length * kHeads * kDim, 1);
    std::vector<double> matrices;
    const Random random(4, "matrices");
    for (std::int64_t i = 0; i < kHeads * kDim * lsh.rounds * lsh.columns(); ++i) {
      matrices.push_back(random.normal(static_cast<std::uint64_t>(i)));
    }
    const auto buckets = std::make_shared<const std::vector<std::int32_t>>(lsh_buckets<double>(
        lsh, 1, length, kHeads, kDim, {x.data(), length * kHeads * kDim, kHeads * kDim, kDim}, matrices.data()));
    double pairs = 0;
    const AttentionSizes sizes{1, length, length, kHeads, kDim, kDim};
    make_lsh_pattern({lsh, kHeads, length, length, 64, buckets, buckets})
        ->for_each_tile(SparseItem(sizes, {}, 0), 0, [&](const SparseTile& tile) {
          pairs += static_cast<double>(tile.queries.size() * tile.keys.size());
        });
    return pairs;
  };
  for (const std::int64_t length : {512, 2048, 8192}) {
    CAPTURE(length);
    CHECK(listed(length) <= 2.0 * 128 * static_cast<double>(length));
    CHECK(listed(length) >= static_cast<double>(length));
  }
}

}  // namespace cosformer::test

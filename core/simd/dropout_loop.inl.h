#pragma once
/// \file
/// Dropout: Philox counters on vectors; included by row_loops.inl.h.

#include "core/simd/vectors.inl.h"

namespace {

using cosformer::DropoutMask;

typedef std::uint32_t Words __attribute__((vector_size(sizeof(Floats))));

/// The high and low halves of factor · x, lane by lane.
COSFORMER_INLINE void multiply_wide(std::uint32_t factor, Words x, Words* high, Words* low) {
  constexpr std::uint64_t kLow = 0xffffffffU;
  const Wide even = multiply_low_halves(reinterpret_cast<Wide>(x), factor);
  const Wide odd = multiply_low_halves(reinterpret_cast<Wide>(x) >> 32, factor);
  *high = reinterpret_cast<Words>((even >> 32) | (odd & ~kLow));
  *low = reinterpret_cast<Words>((even & kLow) | (odd << 32));
}

/// kLanes Philox blocks side by side: words[w] holds word w of the blocks with the counters `block` + lane.
COSFORMER_INLINE void philox_blocks(const DropoutMask& mask, std::uint64_t block, Words (&words)[4]) {
  // Counters start at a multiple of 16, so that their lower halves do not overflow within a vector.
  words[0] = reinterpret_cast<Words>(kLaneIndex) + static_cast<std::uint32_t>(block);
  words[1] = Words{} + static_cast<std::uint32_t>(block >> 32);
  words[2] = words[3] = Words{};
  std::uint32_t key0 = mask.key[0], key1 = mask.key[1];
  for (int round = 0; round < 10; ++round) {
    Words high0, low0, high1, low1;
    multiply_wide(0xD2511F53U, words[0], &high0, &low0);
    multiply_wide(0xCD9E8D57U, words[2], &high1, &low1);
    words[0] = high1 ^ words[1] ^ key0;
    words[1] = low1;
    words[2] = high0 ^ words[3] ^ key1;
    words[3] = low0;
    key0 += 0x9E3779B9U;
    key1 += 0xBB67AE85U;
  }
}

/// x · factor, and 0 if the factor is 0, whatever x is.
Floats dropped(Floats x, Floats factor) { return factor == 0.0F ? Floats{} : x * factor; }

void row_dropout(const DropoutMask& mask, int64_t first, const float* x, float* y, int64_t n) {
  const float scale = static_cast<float>(mask.scale);
  for (int64_t i = 0; i < n;) {
    // 64 elements share 16 blocks; `skip` of them lie before this row.
    const int64_t skip = (first + i) % 64, count = smaller(64 - skip, n - i);
    const std::uint64_t block = static_cast<std::uint64_t>((first + i) / 64) * 16;
    float factors[64];
    for (std::uint64_t part = 0; part < 16; part += kLanes) {
      Words words[4];
      philox_blocks(mask, block + part, words);
      for (std::uint64_t w = 0; w < 4; ++w)
        store(factors + 16 * w + part, words[w] < mask.threshold ? Floats{} : splat(scale));
    }
    if (count == 64) {
      for (int64_t j = 0; j < 64; j += kLanes) store(y + i + j, dropped(load(x + i + j), load(factors + j)));
    } else {
      for (int64_t j = 0; j < count; ++j) y[i + j] = factors[skip + j] == 0.0F ? 0.0F : x[i + j] * factors[skip + j];
    }
    i += count;
  }
}

}  // namespace

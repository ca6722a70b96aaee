#pragma once
/// \file
/// The published patterns of sparse attention. All go by positions in a text, so that one token is read as all at once.

#include <cstdint>
#include <span>
#include <vector>

#include "core/kernels/sparse_attention/sparse_pattern.h"
#include "core/random.h"

namespace cosformer {

/// Longformer: the keys within `window` positions, and the first `global_tokens` of a text, which all see and which see all
/// (Beltagy et al., 2020, section 3.1).
struct WindowPatternOptions {
  std::int64_t window = 256;
  std::int64_t global_tokens = 1;
};
/// Throws InputError for a negative option, and so do the others for options that make no sense.
SharedSparsePattern make_window_pattern(const WindowPatternOptions& options);

/// BigBird: a text in blocks. The queries of a block see the blocks next to it, the first blocks, which see all, and some at
/// random (Zaheer et al., 2020, section 2 and appendix D).
struct BlockPatternOptions {
  std::int64_t block_size = 64;
  std::int64_t window_blocks = 3;  ///< odd: the own block and as many on each side
  std::int64_t global_blocks = 2;
  std::int64_t random_blocks = 3;
  Random random = Random(0, "bigbird");
};
SharedSparsePattern make_block_pattern(const BlockPatternOptions& options);

/// The blocks that head h draws for the queries of a block, rising: as many as asked for of those below `blocks` that are
/// neither global nor in the window; all of these if there are fewer. A function of the stream, head and block alone.
std::vector<std::int64_t> random_blocks(const BlockPatternOptions& options, std::int64_t h, std::int64_t query_block,
                                        std::int64_t blocks);

/// The patterns of sparse transformers by name.
struct FactorizedPatternKind {
  const char* name;
  bool strided;
};
std::span<const FactorizedPatternKind> sparse_patterns();

/// The two patterns of sparse transformers, merged in each head (Child et al., 2019, section 4.3). Made for causal
/// attention; without it a query looks ahead as it looks back.
struct FactorizedPatternOptions {
  bool strided = false;       ///< the last `stride` keys and every stride-th before; otherwise fixed blocks
  std::int64_t stride = 128;  ///< l, also the length of the fixed blocks
  /// Fixed blocks: c, the keys of every other block that a query sees. Head h takes the c last ones but h · c.
  std::int64_t summary = 32;
};
SharedSparsePattern make_factorized_pattern(const FactorizedPatternOptions& options);

}  // namespace cosformer

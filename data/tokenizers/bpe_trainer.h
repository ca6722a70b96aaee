#pragma once
/// \file
/// Learning the merge rules of byte-level BPE from text.

#include <cstdint>
#include <string_view>

#include "data/tokenizers/bpe_model.h"

namespace cosformer {

/// Longest token in bytes that training makes: its spelling stays below `kMaxTokenBytes`.
inline constexpr std::size_t kMaxTrainedTokenBytes = 256;

/// Ids 0-255 are the bytes, by value; each further id is the merge of the pair of neighbouring tokens that occurs most
/// often within the words of `text`. Among equally frequent pairs the one with the lower left id wins, then the one with
/// the lower right id. A pair is left alone if its joined bytes are a token already or exceed `kMaxTrainedTokenBytes`.
///
/// Training ends at `vocab_size` tokens, or earlier if no pair occurs at least max(2, min_count) times. The result
/// depends on the text alone. O(n log n) in the bytes of the different words.
/// Throws InputError unless 256 <= vocab_size <= 2^20 and min_count >= 1.
/// Source: Sennrich et al. 2016, algorithm 1, on bytes.
BpeModel train_bpe(std::string_view text, std::int64_t vocab_size, std::int64_t min_count = 1);

}  // namespace cosformer

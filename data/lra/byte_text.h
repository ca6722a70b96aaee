#pragma once
/// \file
/// Byte-level IMDB reviews, the Text task of Long-Range Arena (Maas et al. 2011; Tay et al. 2021).

#include <filesystem>
#include <memory>

#include "data/labelled_sequences.h"

namespace cosformer {

/// Ids of byte-level text: 0 is padding, a byte's id is its value plus 1.
inline constexpr std::int64_t kByteTextVocabSize = 257;

/// Reads `{neg,pos}/*.txt` of `path`, or of `path`/train and `path`/test where there are such folders. As in Long-Range
/// Arena the validation part is the test part. Order: neg before pos, then names byte by byte. Label 0 is neg, 1 pos. Throws
/// InputError with the file.
std::unique_ptr<LabelledSequences> load_byte_text(const std::filesystem::path& path, DataPart part);

/// True for a folder with `neg` and `pos`, or with `train` that has them.
bool is_byte_text(const std::filesystem::path& path);

}  // namespace cosformer

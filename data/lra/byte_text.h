#pragma once
/// \file
/// Byte-level IMDB reviews, the Text task of Long-Range Arena (Maas et al. 2011; Tay et al. 2021).

#include <filesystem>
#include <functional>
#include <memory>

#include "data/labelled_sequences.h"
#include "data/mapped_file.h"

namespace cosformer {

/// Ids of byte-level text: 0 is padding, a byte's id is its value plus 1.
inline constexpr std::int64_t kByteTextVocabSize = 257;

/// Reads `{neg,pos}/*.txt` of `path`, or of `path`/train and `path`/test if there are such folders. As in Long-Range
/// Arena the validation part is the test part. Order: neg before pos, then names byte by byte. Label 0 is neg, 1 pos. Throws
/// InputError with the file.
std::unique_ptr<LabelledSequences> load_byte_text(const std::filesystem::path& path, Split part);

/// A folder with `neg` and `pos`.
struct ReviewFolder {
  std::filesystem::path path;
  bool is_part = false;  ///< one of `train` and `test` of the folder that was named
};
/// The folder that holds a part. Throws InputError if `path` is no folder.
ReviewFolder find_review_folder(const std::filesystem::path& path, Split part);

/// Calls `take` with the path and the label of each review of a ReviewFolder in the order above. Throws InputError.
void for_each_review(const std::filesystem::path& folder,
                     const std::function<void(const std::filesystem::path& path, std::uint8_t label)>& take);
/// One review. Throws InputError if it is empty or too long.
MappedFile read_review(const std::filesystem::path& path);

/// True for a folder with `neg` and `pos`, or with `train` that has them.
bool is_byte_text(const std::filesystem::path& path);

}  // namespace cosformer

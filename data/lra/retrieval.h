#pragma once
/// \file
/// Pairs of papers, the Retrieval task of Long-Range Arena (Radev et al. 2013; Tay et al. 2021): does one cite the other?

#include <filesystem>
#include <memory>

#include "data/labelled_sequences.h"

namespace cosformer {

/// Reads `new_aan_pairs.{train,eval,test}.tsv` of a folder, or the file that `path` is. A row has five columns parted by
/// tabs and no header: label (`0.0`, `1.0`, `0` or `1`), two paper ids, two texts. Quotes are ordinary characters. The file
/// stays mapped; only the places of its texts are kept. Ids are those of byte-level text. Throws InputError with file and
/// row.
std::unique_ptr<LabelledSequences> load_retrieval(const std::filesystem::path& path, Split part);

/// True for a file whose first row looks like one, and for a folder that holds a file of one of the names.
bool is_retrieval(const std::filesystem::path& path);

}  // namespace cosformer

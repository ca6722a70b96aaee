#pragma once
/// \file
/// ListOps of Long-Range Arena (Nangia and Bowman 2018; Tay et al. 2021): nested lists, and the digit that they come to.

#include <filesystem>
#include <memory>
#include <string>

#include "data/labelled_sequences.h"

namespace cosformer {

/// Reads `basic_{train,val,test}.tsv` of a folder, or the file that `path` is. A row is expression, tab, digit; LF or CRLF;
/// the first line is `Source<TAB>Target`. Parentheses are dropped, ids are those of `kListopsTokens`. Rows are read on all
/// threads. Throws InputError with file and row.
std::unique_ptr<LabelledSequences> load_listops(const std::filesystem::path& path, Split part);

/// The file that holds a part, and of `load_listops`'s example with this number (from 0) "FILE:ROW: ".
std::string listops_row(const std::filesystem::path& path, Split part, std::int64_t example);

/// True for a file that begins with the header, and for a folder that holds such a file under one of the names.
bool is_listops(const std::filesystem::path& path);

}  // namespace cosformer

#pragma once
/// \file
/// What a run's numbers follow from beside its config: the contents of its data and tokenizer, and the machine's arithmetic.

#include <map>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "core/checksum.h"
#include "data/tokenizers/tokenizer.h"
#include "train/store/arithmetic.h"

namespace cosformer {

/// What a task has read for one split: a file, or a part of a data set.
struct DataFile {
  std::string split;  ///< "train", "valid" or "test"; "teacher": weights that are imitated
  std::string path;   ///< where it lay; says nothing about what it is
  Digest content;
};

/// The identity of a run. A checkpoint of an older format has none: all members are then empty.
struct RunIdentity {
  std::vector<DataFile> data;               ///< of all splits that the config names
  std::map<std::string, Digest> tokenizer;  ///< by file name; empty if the data needs no tokenizer with files
  Arithmetic arithmetic;
};
RunIdentity make_identity(std::vector<DataFile> data, const TokenizerFiles& tokenizer, Arithmetic arithmetic);

/// How the contents that a process has read differ from those of a run: one line for each difference, begun with the file's
/// path. The tokenizer's files lie in `tokenizer_folder` now. Splits that one of the two lacks are not compared.
std::vector<std::string> content_differences(const RunIdentity& run, const RunIdentity& now,
                                             const std::string& tokenizer_folder);

/// {"bytes": …, "xxh3_128": "…"}.
nlohmann::json to_json(const Digest& digest);
/// Throws InputError, one line that begins with `where`.
Digest digest_from_json(const nlohmann::json& json, const std::string& where);

/// As JSON; bytes of a path that are not UTF-8 are replaced.
nlohmann::json to_json(const RunIdentity& identity);
/// Throws InputError, one line that begins with `where`: a key missing, unknown or with a value of another kind.
RunIdentity run_identity_from_json(const nlohmann::json& json, const std::string& where);

}  // namespace cosformer

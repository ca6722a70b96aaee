#pragma once
/// \file
/// One checkpoint: a folder with model.safetensors, optimizer.safetensors and state.json.

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "core/error.h"
#include "train/store/file_system.h"
#include "train/store/run_identity.h"
#include "train/store/run_state.h"
#include "train/store/safetensors.h"

namespace cosformer {

/// What a run needs to continue as if it had never stopped.
struct Checkpoint {
  TensorMap parameters;  ///< by parameter name
  TensorMap optimizer;   ///< the optimizer's tensors, under names it chooses
  std::string config;    ///< the resolved config as JSON text
  RunState state;
  RunIdentity identity;  ///< of the data, the tokenizer and the arithmetic that the run has had
  Digest metrics;        ///< of metrics.jsonl when the checkpoint was written
};

/// A checkpoint that is whole, but of a format that only a newer program knows.
struct NewerFormatError : InputError {
  using InputError::InputError;
};

/// What `state.json` holds: the state, size and checksum of each other file of the folder, and what the run depends on.
struct StateDocument {
  RunState state;
  std::map<std::string, Digest> files;
  RunIdentity identity;  ///< since format 2; empty before
  Digest metrics;        ///< since format 2; empty before
};

/// The text of `state.json`. Its field `checksum` is XXH3-128 of the text with that field's digits set to zero.
std::string encode_state_document(const StateDocument& document);

/// Reads the documents of this and of all older formats. Throws InputError, one line that begins with `where`: malformed
/// JSON, a wrong checksum, another format, a key missing or unknown; and NewerFormatError for a document that fits its
/// checksum and has a newer version.
StateDocument parse_state_document(std::string_view text, const std::string& where);

/// Writes a checkpoint; the folder appears whole or not at all. Throws Error.
void write_checkpoint(FileSystem& files, const std::filesystem::path& folder, const Checkpoint& checkpoint);

/// Reads all files and compares them with their checksums. Throws InputError, one line with the file that is not as it was
/// written.
void verify_checkpoint(const std::filesystem::path& folder);

/// Reads a checkpoint after `verify_checkpoint`. Throws InputError.
Checkpoint read_checkpoint(const std::filesystem::path& folder);

/// Reads `state.json` alone; the other files are not looked at. Throws InputError.
StateDocument read_state_document(const std::filesystem::path& folder);

/// What the metadata of a safetensors file says the step is, if it says so.
std::optional<std::int64_t> step_of(const Metadata& metadata);

/// Parameters to evaluate, which any program may have written.
struct Weights {
  TensorMap parameters;
  std::map<std::string, std::string> unusable;  ///< see TensorFile
  std::optional<std::string> config;            ///< JSON text, if the file has it
  std::optional<std::int64_t> step;             ///< where the file has it
  RunIdentity identity;                         ///< of the run, if the folder's state.json has it
};

/// Reads parameters from a safetensors file or from the model.safetensors of a folder; if that has a state.json, the
/// checksum must fit. Throws InputError.
Weights read_weights(const std::filesystem::path& path);

inline constexpr std::string_view kModelFile = "model.safetensors";
inline constexpr std::string_view kOptimizerFile = "optimizer.safetensors";
inline constexpr std::string_view kStateFile = "state.json";

}  // namespace cosformer

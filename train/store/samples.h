#pragma once
/// \file
/// samples.jsonl: what a language model wrote at its evaluations, one JSON object per line.

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "train/store/file_system.h"

namespace cosformer {

/// One line: {"step":100,"prompt":"…","text":"…"}.
struct TextSample {
  std::int64_t step = 0;
  std::string prompt;
  std::string text;  ///< what the model wrote behind the prompt
  friend bool operator==(const TextSample&, const TextSample&) = default;
};

/// Adds a sample in one step. Those of the same and of later steps are dropped: a continued run writes them anew. Throws
/// Error.
void add_sample(FileSystem& files, const std::filesystem::path& path, const TextSample& sample);

/// All samples of a file; lines that are no samples are left out. A file that does not exist has none.
std::vector<TextSample> read_samples(const std::filesystem::path& path);

}  // namespace cosformer

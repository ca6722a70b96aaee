#pragma once
/// \file
/// Sweep files of tests.

#include <string>

#include "tests/train/run_support.h"
#include "train/experiments/sweep/sweep_file.h"

namespace cosformer::test {

/// The sweep of a file sweep.toml in the folder, with a question in front of `text`.
inline SweepFile file_of(const TemporaryFolder& folder, const std::string& text) {
  write_bytes(folder / "sweep.toml", "question = \"?\"\n" + text);
  return read_sweep_file(folder / "sweep.toml");
}

}  // namespace cosformer::test

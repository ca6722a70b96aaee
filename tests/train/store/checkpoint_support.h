#pragma once
/// \file
/// Checkpoints of a small model, and a run's folder with two of them.

#include <cstdint>
#include <filesystem>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "tests/train/run_support.h"
#include "train/store/checkpoint.h"
#include "train/store/checkpoint_store.h"

namespace cosformer::test {

/// The files of a checkpoint.
inline const std::vector<std::string> kFiles = {"model.safetensors", "optimizer.safetensors", "state.json"};

/// For warnings that a test does not look at.
inline void ignore(const std::string&) {}

/// A small model's checkpoint: other numbers at every step, and files of more than two 4 KiB blocks.
inline Checkpoint make_checkpoint(std::int64_t step, std::optional<double> metric = {}) {
  std::mt19937 random(static_cast<unsigned>(step));
  const auto fill = [&](Tensor tensor) {
    for (float& value : tensor.span<float>()) value = static_cast<float>(random()) * 0x1p-32F - 0.5F;
    return tensor;
  };
  Checkpoint checkpoint;
  checkpoint.parameters = {{"decoder.layers.0.fc1.weight", fill(Tensor::empty({48, 64}))},
                           {"decoder.layers.0.fc1.bias", fill(Tensor::empty({48}))}};
  checkpoint.optimizer = {{"exp_avg.decoder.layers.0.fc1.weight", fill(Tensor::empty({48, 64}))},
                          {"exp_avg_sq.decoder.layers.0.fc1.weight", fill(Tensor::empty({48, 64}))}};
  checkpoint.config = R"({"model":{"kind":"decoder"}})";
  checkpoint.state.step = step;
  checkpoint.state.position = 3 * step;
  checkpoint.state.wall_seconds = 0.1 * static_cast<double>(step);
  checkpoint.state.metric = metric;
  return checkpoint;
}

inline std::vector<std::string> bytes_of(const std::filesystem::path& checkpoint) {
  std::vector<std::string> result;
  for (const std::string& name : kFiles) result.push_back(read_bytes(checkpoint / name));
  return result;
}

inline std::vector<float> values_of(const TensorMap& tensors) {
  std::vector<float> values;
  for (const auto& [name, tensor] : tensors) {
    const auto span = tensor.span<float>();
    values.insert(values.end(), span.begin(), span.end());
  }
  return values;
}

/// A folder with the checkpoints of steps 1 and 2, of which the second is to be damaged.
struct TwoCheckpoints {
  TemporaryFolder folder;
  FileSystem files;
  CheckpointStore store{files, folder / "checkpoints", {.keep_last = 2, .keep_best = 0}, ignore};
  std::filesystem::path first = store.save(make_checkpoint(1));
  std::filesystem::path second = store.save(make_checkpoint(2));

  /// Damages one file of the second checkpoint; true if the search then gives the first and a warning names the file.
  bool falls_back(const std::string& name, const std::string& damaged) {
    const std::string sound = read_bytes(second / name);
    write_bytes(second / name, damaged);
    std::string warnings;
    const auto found = find_latest_checkpoint(store.folder(), [&](const std::string& message) { warnings += message; });
    write_bytes(second / name, sound);
    return found == first && warnings.find("step-00000002 cannot be used") != std::string::npos &&
           warnings.find(name) != std::string::npos;
  }
};

}  // namespace cosformer::test

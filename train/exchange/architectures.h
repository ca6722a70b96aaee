#pragma once
/// \file
/// The architectures that a decoder can be exported as.

#include <optional>
#include <span>
#include <string>

#include "train/exchange/export.h"

namespace cosformer {

struct ExportArchitecture {
  const char* name;
  /// The first key of the config that the architecture has no counterpart for, with what it expects: "model.norm: expected
  /// \"pre\"". Nothing if the model fits.
  std::optional<std::string> (*obstacle)(const ModelConfig& config);
  /// Fills in config, tensors and files.
  void (*write)(const ModelConfig& config, const TensorMap& parameters, ExportedModel& model);
};
/// In the order in which they are tried: the last one has room for most.
std::span<const ExportArchitecture> export_architectures();

/// A key and whether the config has what an architecture expects of it.
struct Expectation {
  const char* key;
  bool holds;
  std::string expected;
};
/// The first expectation that does not hold, as `obstacle` says it.
std::optional<std::string> first_unmet(std::span<const Expectation> expectations);

/// Whether every layer has softmax attention over the whole text, with nothing around it.
bool is_plain_softmax(const ModelConfig& config);

// One file each.
extern const ExportArchitecture kGpt2Export;
extern const ExportArchitecture kLlamaExport;
extern const ExportArchitecture kCosformerExport;

}  // namespace cosformer

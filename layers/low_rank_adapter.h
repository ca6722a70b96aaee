#pragma once
/// \file
/// Low-rank adapters of linear layers.

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "core/tensor.h"
#include "layers/parameters.h"
#include "layers/pass.h"

namespace cosformer {

/// What LoRA puts beside a frozen weight W [out, in]: W + alpha / rank · B A with A [rank, in] and B [out, rank], the
/// parameters `lora_A.weight` (uniform in ±1 / sqrt(in)) and `lora_B.weight` (zeros), under PEFT's names. The sum is made
/// once for each graph and layer, so that all operations see one matrix. Source: Hu et al., LoRA, ICLR 2022.
class LowRankAdapter {
 public:
  /// `scope` is the linear layer's.
  LowRankAdapter(const Scope& scope, std::int64_t in_features, std::int64_t out_features);

  /// The sum, as this pass sees its parts.
  Variable beside(const Variable& weight, const Pass& pass) const;

 private:
  Variable down_, up_;
  double factor_;
};

/// Whether a parameter of this name is one of an adapter.
bool is_of_adapter(std::string_view name);

/// Adds each adapter's product to its weight, and takes the adapters away: the bits are those of `LowRankAdapter::beside`.
/// Throws InputError that begins with `source` for half an adapter, or one that does not fit a weight.
void merge_adapters(std::map<std::string, Tensor>& weights, const LoraConfig& config, const std::string& source);

}  // namespace cosformer

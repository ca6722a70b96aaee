#include "layers/low_rank_adapter.h"

#include <cmath>
#include <vector>

#include "autograd/ops.h"
#include "core/error.h"

namespace cosformer {

namespace {

constexpr std::string_view kDown = ".lora_A.weight", kUp = ".lora_B.weight";

double factor_of(const LoraConfig& config) { return config.alpha / static_cast<double>(config.rank); }

}  // namespace

LowRankAdapter::LowRankAdapter(const Scope& scope, std::int64_t in_features, std::int64_t out_features)
    : factor_(factor_of(scope.store().adaptation().lora)) {
  const std::int64_t rank = scope.store().adaptation().lora.rank;
  const double bound = 1.0 / std::sqrt(static_cast<double>(in_features));
  down_ = (scope / "lora_A").create("weight", {rank, in_features}, Initializer::uniform(bound));
  up_ = (scope / "lora_B").create("weight", {out_features, rank}, Initializer::constant(0));
}

Variable LowRankAdapter::beside(const Variable& weight, const Pass& pass) const {
  return low_rank_sum(weight, pass.use(down_), pass.use(up_), factor_);
}

bool is_of_adapter(std::string_view name) { return name.ends_with(kDown) || name.ends_with(kUp); }

void merge_adapters(std::map<std::string, Tensor>& weights, const LoraConfig& config, const std::string& source) {
  std::vector<std::string> layers;
  for (const auto& [name, tensor] : weights) {
    if (name.ends_with(kDown)) layers.push_back(name.substr(0, name.size() - kDown.size()));
  }
  for (const std::string& layer : layers) {
    const auto weight = weights.find(layer + ".weight"), up = weights.find(concat(layer, kUp));
    check<InputError>(weight != weights.end() && up != weights.end(), source, ": the adapter of \"", layer,
                      "\" is not whole");
    const auto down = weights.find(concat(layer, kDown));
    const DType dtype = weight->second.dtype();
    try {
      weight->second = low_rank_sum(Variable(weight->second), Variable(down->second.to(dtype)),
                                    Variable(up->second.to(dtype)), factor_of(config))
                           .value();
    } catch (const ShapeError& error) {
      throw InputError(concat(source, ": the adapter of \"", layer, "\" does not fit it: ", error.what()));
    }
    weights.erase(down);
    weights.erase(up);
  }
}

}  // namespace cosformer

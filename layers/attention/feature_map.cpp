#include "layers/attention/feature_map.h"

#include <vector>

#include "core/named_table.h"

namespace cosformer {

namespace {

std::vector<FeatureMapKind> all_feature_maps() {
  std::vector<FeatureMapKind> maps;
  for (const ScalarFunctionKind& function : scalar_functions()) {
    maps.push_back({function.name, function.value, FeatureProjection::none, function.never_negative, function.description});
  }
  maps.push_back({"favor", ScalarFunction::identity, FeatureProjection::random, true,
                  "positive orthogonal random features: Performer's"});
  maps.push_back({"hedgehog", ScalarFunction::identity, FeatureProjection::learned, true,
                  "softmax of a learned projection and of its negative: Hedgehog's"});
  return maps;
}

}  // namespace

std::span<const FeatureMapKind> feature_maps() {
  static const std::vector<FeatureMapKind> kMaps = all_feature_maps();
  return kMaps;
}

const FeatureMapKind& find_feature_map(std::string_view name) {
  return find_named(feature_maps(), name, "attention.feature_map");
}

}  // namespace cosformer

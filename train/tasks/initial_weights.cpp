#include "train/tasks/initial_weights.h"

#include <algorithm>
#include <array>
#include <iterator>
#include <string_view>
#include <unordered_set>

#include "core/error.h"
#include "layers/attention/registry.h"
#include "layers/attention/reweighting_length.h"
#include "layers/low_rank_adapter.h"
#include "train/store/model_parameters.h"

namespace cosformer {

namespace {

/// Keys of [model] and [attention] that change no parameter and not what the encoder or decoder computes from it: how heads
/// are made, what is switched off in an evaluation, and how attention is evaluated.
constexpr std::string_view kFreeKeys[] = {
    "model.dropout",    "model.adaptive_dropout", "model.activation_dropout", "attention.dropout",   "model.num_classes",
    "model.pooling",    "model.pooling_divisor",  "model.classifier_dim",     "model.pair_features", "model.lm_head",
    "model.max_length", "attention.form",         "attention.chunk_size"};
/// Keys of a length that a re-weighting alone reads.
constexpr std::string_view kLengthKeys[] = {"attention.reweighting_length", "attention.self_reweighting_length",
                                            "attention.cross_reweighting", "attention.cross_reweighting_length"};
constexpr std::string_view kHeads[] = {"lm_head.", "classification_head."};

bool is_compared(std::string_view key) {
  return (key.starts_with("model.") || key.starts_with("attention.")) &&
         std::ranges::find(kFreeKeys, key) == std::end(kFreeKeys);
}

/// The seed of what attentions draw.
std::int64_t draw_seed(const Config& config) {
  return config.model.attention.seed == kSeedOfModel ? config.train.seed : config.model.attention.seed;
}

/// Whether a parameter is of an attention, whatever its kind.
bool is_of_attention(std::string_view name) {
  return name.find(".self_attn.") != std::string_view::npos || name.find(".encoder_attn.") != std::string_view::npos;
}

/// "name and 3 other parameters of attentions".
std::string listed(const std::vector<std::string>& names, const char* owners) {
  if (names.size() == 1) return names[0];
  return concat(names[0], " and ", names.size() - 1, names.size() == 2 ? " other parameter" : " other parameters", " of ",
                owners);
}

bool same_adapters(const LoraConfig& a, const LoraConfig& b) {
  return a.rank == b.rank && a.alpha == b.alpha && a.targets == b.targets;
}

/// Whether the weights have every parameter of the model below `prefix` but adapters, and it has one.
bool fits(const std::vector<Parameter>& parameters, const TensorMap& weights, std::string_view prefix) {
  bool any = false;
  for (const Parameter& parameter : parameters) {
    if (!parameter.name.starts_with(prefix) || is_of_adapter(parameter.name)) continue;
    const auto found = weights.find(parameter.name);
    if (found == weights.end() || found->second.shape() != parameter.variable.shape()) return false;
    any = true;
  }
  return any;
}

}  // namespace

ModelFile read_initial_weights(const std::filesystem::path& path, const Config& config, const Warn& warn) {
  try {
    return read_model_file(path, std::nullopt, {}, warn, &config);
  } catch (const InputError& error) {
    throw InputError(concat("train.init_from: ", error.what()));
  }
}

Config adopt_settings(Config config, const Config& source) {
  if (config.task.tokenizer_folder.empty()) {
    config.task.tokenizer = source.task.tokenizer;
    config.task.tokenizer_vocab_size = source.task.tokenizer_vocab_size;
    config.task.tokenizer_min_count = source.task.tokenizer_min_count;
    config.task.special_tokens = source.task.special_tokens;
  }
  if (config.model.max_length == 0) config.model.max_length = source.model.max_length;
  config.model.attention = adopt_reweighting_length(config.model.attention, source.model.attention);
  return config;
}

Config adopt_draws(Config config, const Config& source) {
  if (config.model.attention.seed == kSeedOfModel && draws_by_seed(config.model))
    config.model.attention.seed = draw_seed(source);
  return config;
}

void check_same_model(const Config& theirs, const Config& config, const std::string& source) {
  const bool has_lengths = reads_reweighting_length(theirs.model) || reads_reweighting_length(config.model);
  for (const ConfigDifference& difference : differences(theirs, config)) {
    const bool is_attention = difference.key.starts_with("attention.");
    if (!has_lengths && std::ranges::find(kLengthKeys, difference.key) != std::end(kLengthKeys)) continue;
    if (is_attention && config.train.new_attention) continue;
    if (difference.key == "attention.seed" && (!draws_by_seed(config.model) || draw_seed(theirs) == draw_seed(config)))
      continue;
    check<InputError>(!is_compared(difference.key), source, ": ", difference.key, " is ", difference.first, " there and ",
                      difference.second, " in this config",
                      is_attention ? "; train.new_attention = true allows another attention" : "");
  }
}

std::vector<std::string> load_initial_weights(const ModelFile& file, const Config& config, const Model& model) {
  const std::string source = concat("train.init_from: ", file.weights.string());
  // Of weights without a config names and shapes are all that can be compared.
  const Config& theirs = file.holds_config ? file.config : config;
  check_same_model(theirs, config, source);
  TensorMap weights = weights_by_parameter(file, model);
  std::vector<std::string> remarks;
  const LoraConfig &own_adapters = config.model.adaptation.lora, &their_adapters = theirs.model.adaptation.lora;
  if (file.holds_config && their_adapters.rank > 0 && !same_adapters(own_adapters, their_adapters)) {
    merge_adapters(weights, their_adapters, source);
    remarks.push_back(
        concat(source, ": its adapters, of lora.rank = ", their_adapters.rank, ", are merged into its weights"));
  }
  TensorMap taken;
  std::vector<Parameter> targets;
  std::unordered_set<std::string_view> wanted;
  std::vector<std::string> anew, left_out;  // parameters of attentions that only one side has
  std::vector<std::string> adapters;        // that begin anew
  bool anew_and_frozen = false;
  std::array<bool, std::size(kHeads)> head_fits;
  std::ranges::transform(kHeads, head_fits.begin(),
                         [&](std::string_view prefix) { return fits(model.parameters(), weights, prefix); });
  for (const Parameter& parameter : model.parameters()) {
    const auto head =
        std::ranges::find_if(kHeads, [&](std::string_view prefix) { return parameter.name.starts_with(prefix); });
    if (head != std::end(kHeads) && !head_fits[static_cast<std::size_t>(head - std::begin(kHeads))]) {
      check<InputError>(parameter.is_trained() || is_of_adapter(parameter.name), source, ": has no ", parameter.name,
                        " that fits, which begins anew and is frozen; train.trainable = [\"", *head, "*\"] trains it");
      continue;
    }
    if (is_of_adapter(parameter.name) && !weights.contains(parameter.name)) {
      adapters.push_back(parameter.name);
      continue;
    }
    if (config.train.new_attention && is_of_attention(parameter.name) && !weights.contains(parameter.name)) {
      anew.push_back(parameter.name);
      anew_and_frozen = anew_and_frozen || !parameter.is_trained();
      continue;
    }
    targets.push_back(parameter);
    wanted.insert(parameter.name);
  }
  for (const auto& [name, tensor] : weights) {
    const bool of_head =
        std::ranges::any_of(kHeads, [&name = name](std::string_view prefix) { return name.starts_with(prefix); });
    if (config.train.new_attention && is_of_attention(name) && !wanted.contains(name)) {
      left_out.push_back(name);
    } else if (!of_head || wanted.contains(name)) {
      taken.emplace(name, tensor);
    }
  }
  check_usable(targets, taken, source);
  load_parameters(targets, taken, source);
  if (!anew.empty())
    remarks.push_back(concat(source, ": has no ", listed(anew, "attentions"), ": begun anew",
                             anew_and_frozen ? ", and frozen by this config" : ""));
  if (!left_out.empty()) remarks.push_back(concat(source, ": ", listed(left_out, "attentions"), " left out"));
  if (!adapters.empty()) remarks.push_back(concat(source, ": has no ", listed(adapters, "adapters"), ": begun anew"));
  return remarks;
}

}  // namespace cosformer

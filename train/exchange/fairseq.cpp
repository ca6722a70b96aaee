#include "train/exchange/fairseq.h"

#include <string_view>
#include <unordered_set>
#include <utility>

#include "core/error.h"
#include "core/printable.h"
#include "layers/model.h"

namespace cosformer {

namespace {

/// The beginnings of names, and what they are here.
constexpr std::pair<std::string_view, std::string_view> kBeginnings[] = {
    {"encoder.sentence_encoder.", "encoder."},
    {"encoder.lm_head.weight", "lm_head.out_proj.weight"},
    {"encoder.lm_head.bias", "lm_head.out_proj.bias"},
    {"encoder.lm_head.", "lm_head."},
};

std::string our_name(std::string name) {
  for (const auto& [from, to] : kBeginnings) {
    if (!name.starts_with(from)) continue;
    name.replace(0, from.size(), to);
    break;
  }
  constexpr std::string_view kOld = ".emb_layer_norm.", kNew = ".layernorm_embedding.";
  if (const std::size_t at = name.find(kOld); at != std::string::npos) name.replace(at, kOld.size(), kNew);
  return name;
}

/// in_proj_weight (3 width, width) or in_proj_bias (3 width) as those of three layers.
void split_in_proj(ForeignTensors& tensors, const std::string& name, TensorMap& parameters) {
  constexpr std::string_view kFused = "in_proj_";
  const std::string ours = our_name(name);
  const std::size_t at = ours.rfind(kFused);
  const Tensor fused = tensors.take(name);
  check<InputError>(fused.rank() >= 1 && fused.dim(0) % 3 == 0, tensors.source(), ": tensor ", printable(name), " of shape ",
                    fused.shape(), " cannot be cut in three");
  const std::int64_t width = fused.dim(0) / 3;
  const char* const projections[] = {"q_proj.", "k_proj.", "v_proj."};
  for (std::int64_t part = 0; part < 3; ++part)
    parameters[ours.substr(0, at) + projections[part] + ours.substr(at + kFused.size())] =
        fused.narrow(0, part * width, width).clone();
}

/// The names of the model's parameters and the second names of tied ones.
std::unordered_set<std::string> names_of(const ModelConfig& config) {
  const Model shapes(config, 0, DType::float32, ParameterValues::shapes_only);
  std::unordered_set<std::string> names;
  for (const Parameter& parameter : shapes.parameters()) names.insert(parameter.name);
  for (const auto& [name, parameter] : shapes.tied_names()) names.insert(name);
  return names;
}

}  // namespace

TranslatedModel translate_fairseq(const ModelConfig& model, ForeignTensors& tensors) {
  TranslatedModel result;
  result.config = model;
  TensorMap& parameters = result.parameters;
  const std::vector<std::string> names = tensors.names();
  if (result.config.vocab_size == 0) {
    for (const std::string& name : names) {
      if (!our_name(name).ends_with("coder.embed_tokens.weight")) continue;
      const Tensor table = tensors.take(name);
      check<InputError>(table.rank() == 2, tensors.source(), ": ", printable(name), " has ", table.rank(),
                        " dimensions, expected 2");
      check<InputError>(result.config.vocab_size == 0 || result.config.vocab_size == table.dim(0), tensors.source(),
                        ": two tables of embeddings, of ", result.config.vocab_size, " and ", table.dim(0), " tokens");
      parameters[our_name(name)] = table;
      result.config.vocab_size = table.dim(0);
    }
    check<InputError>(result.config.vocab_size > 0, tensors.source(),
                      ": has no tensor \"decoder.embed_tokens.weight\" or \"encoder.embed_tokens.weight\"");
  }
  const std::unordered_set<std::string> known = names_of(result.config);
  for (const std::string& name : names) {
    if (!tensors.has(name)) continue;
    if (name.ends_with(".version") || name.ends_with("._float_tensor")) {
      tensors.drop(name);
    } else if (name.ends_with(".in_proj_weight") || name.ends_with(".in_proj_bias")) {
      split_in_proj(tensors, name, parameters);
    } else if (known.contains(our_name(name))) {
      parameters[our_name(name)] = tensors.take(name);
    }
  }
  constexpr std::int64_t kOffset = 2;
  for (const char* name : {"encoder.embed_positions.weight", "decoder.embed_positions.weight"}) {
    const auto table = parameters.find(name);
    if (table == parameters.end() || table->second.rank() != 2 || table->second.dim(0) != model.max_length + kOffset)
      continue;
    table->second = table->second.narrow(0, kOffset, model.max_length).clone();
    result.remarks.push_back(
        concat("the first ", kOffset, " rows of ", name, ", which fairseq keeps for padding, are left out"));
  }
  return result;
}

}  // namespace cosformer

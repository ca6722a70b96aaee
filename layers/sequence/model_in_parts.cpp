#include "layers/sequence/model_in_parts.h"

#include <algorithm>

#include "core/error.h"
#include "layers/attention/registry.h"
#include "layers/sequence/layer_in_parts.h"

namespace cosformer {

namespace {

CutPass cut_of(const Model& model, const Tensor& ids, const Pass& pass) {
  return {pass, SequenceGrid(ids.dim(1), model.config().attention.chunk_size)};
}

/// Rows [B, tokens] of a part of int32 [B, T].
Tensor part_of(const Tensor& values, const SequenceGrid& grid, std::int64_t part) {
  return values.narrow(1, grid.first(part), grid.tokens(part)).contiguous();
}

/// The last layer's output for each own part, before the last norm.
std::vector<Variable> hidden_in_parts(const CutPass& cut, const CutText& text, const Transformer& stack, const Tensor& ids) {
  std::vector<Variable> x =
      run_in_parts(cut, std::vector<Variable>(static_cast<std::size_t>(cut.own.count())),
                   [&stack, ids, text, grid = cut.grid](std::int64_t part, std::span<const Variable>, const Pass& pass) {
                     const SharedPaddingMask mask = text.part(grid, part).mask.key_mask;
                     return std::vector{stack.embed_part(part_of(ids, grid, part), mask, grid.first(part), pass)};
                   });
  for (const TransformerLayer& layer : stack.layers()) x = layer_in_parts(cut, text, layer, x);
  return x;
}

/// One over what each item's sum of hidden states is divided by, [B, embed_dim].
Tensor pooling_factors(const ModelConfig& config, const SharedPaddingMask& mask, std::int64_t batch, std::int64_t length,
                       DType dtype) {
  Tensor factors = Tensor::zeros({batch, config.embed_dim}, dtype);
  for (std::int64_t b = 0; b < batch; ++b) {
    std::int64_t divisor = mask ? mask->count(b) : length;
    if (config.pooling_divisor == PoolingDivisor::padded) divisor = mask ? mask->full_length() : length;
    if (config.pooling_divisor == PoolingDivisor::fixed) divisor = config.pooling_divisor_value;
    if (divisor > 0) factors.narrow(0, b, 1).fill(1.0 / static_cast<double>(divisor));
  }
  return factors;
}

}  // namespace

std::optional<CutProblem> find_cut_problem(const ModelConfig& config) {
  if (config.kind == ModelKind::encoder_decoder)
    return CutProblem{"model.kind", "texts of an \"encoder_decoder\" cannot be cut"};
  if (config.pair_features != PairFeatures::none) return CutProblem{"model.pair_features", "pairs of texts cannot be cut"};
  if (config.lm_head) return CutProblem{"task.name", "texts with masked tokens cannot be cut"};
  if (config.attention.short_convolution > 0)
    return CutProblem{"attention.short_convolution", "a convolution reads tokens of the part before, which is elsewhere"};
  const bool causal = config.kind == ModelKind::decoder;
  const Model model(config, 0, DType::float32, ParameterValues::shapes_only);
  const auto layers = (causal ? model.decoder() : model.encoder()).layers();
  const auto found = std::ranges::find_if(layers, [&](const TransformerLayer& own) { return own.cut(causal) == nullptr; });
  if (found == layers.end()) return std::nullopt;
  const AttentionPlace place = causal ? AttentionPlace::decoder_self : AttentionPlace::encoder;
  const std::string kind = attention_of_layer(config, place, found - layers.begin()).kind;
  return CutProblem{config.attention.layers.empty() ? "attention.kind" : "attention.layers",
                    concat('"', kind,
                           "\", as the config has it, does not read the rest of a text through sums alone; \"cosformer\", "
                           "\"linear\" and \"transnormer\" do, unless attention.normalization is \"l1\" or attention.form "
                           "names a form that does "
                           "not")};
}

Variable token_loss_in_parts(const Model& model, const Tensor& ids, const Tensor& targets, double factor, const Pass& pass) {
  const CutPass cut = cut_of(model, ids, pass);
  const std::vector<Variable> hidden = hidden_in_parts(cut, {.causal = true, .mask = nullptr}, model.decoder(), ids);
  const std::vector<Variable> losses = run_in_parts(
      cut, hidden,
      [&model, targets, factor, grid = cut.grid](std::int64_t part, std::span<const Variable> x, const Pass& own) {
        const Variable normed = model.decoder().normed(x[0], own);
        const std::int64_t rows = normed.dim(0) * normed.dim(1);
        return std::vector{model.token_loss(reshape(normed, {rows, normed.dim(2)}),
                                            part_of(targets, grid, part).reshape({rows}), factor, own)};
      });
  return sum_over_parts(cut, losses);
}

Variable classify_in_parts(const Model& model, const Tensor& ids, const SharedPaddingMask& mask, const Pass& pass) {
  const CutPass cut = cut_of(model, ids, pass);
  const ModelConfig& config = model.config();
  const CutText text{.causal = false, .mask = mask};
  const std::vector<Variable> hidden = hidden_in_parts(cut, text, model.encoder(), ids);
  const bool takes_first = config.pooling == Pooling::first;
  const std::vector<Variable> pooled = run_in_parts(
      cut, hidden,
      [&model, text, takes_first, grid = cut.grid](std::int64_t part, std::span<const Variable> x, const Pass& own) {
        const Variable normed = model.encoder().normed(x[0], own);
        // Every part has the same parameters in its graph, also where they have no influence.
        if (takes_first) return std::vector{scale(first_token(normed), part == 0 ? 1.0 : 0.0)};
        // The sum: what it is divided by is a matter of the whole text.
        return std::vector{mean_pool(normed, text.part(grid, part).mask.key_mask, 1)};
      });
  Variable sum = sum_over_parts(cut, pooled);
  if (!takes_first) {
    sum = multiply(sum, Variable(pooling_factors(config, mask, ids.dim(0), ids.dim(1), sum.dtype())));
  }
  Pass own = pass;
  own.sequence = nullptr;
  return model.classify_pooled(sum, own);
}

}  // namespace cosformer

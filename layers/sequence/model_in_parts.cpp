#include "layers/sequence/model_in_parts.h"

#include <algorithm>

#include "core/error.h"
#include "core/parallel.h"
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
Tensor pooling_factors(const Model& model, const SharedPaddingMask& mask, std::int64_t batch, std::int64_t length,
                       DType dtype) {
  Tensor factors = Tensor::empty({batch, model.config().embed_dim}, dtype);
  const std::int64_t of_all = model.pooling_divisor(mask ? mask->full_length() : length);
  for (std::int64_t b = 0; b < batch; ++b) {
    const std::int64_t divisor = of_all > 0 ? of_all : mask ? mask->count(b) : length;
    factors.narrow(0, b, 1).fill(1.0 / static_cast<double>(std::max<std::int64_t>(divisor, 1)));
  }
  return factors;
}

}  // namespace

std::optional<OptionProblem> find_cut_problem(const ModelConfig& config) {
  const auto problem = [](const char* key, const std::string& what) { return OptionProblem{key, concat(key, ": ", what)}; };
  if (config.kind == ModelKind::encoder_decoder)
    return problem("model.kind", "texts of an \"encoder_decoder\" cannot be cut");
  if (config.pair_features != PairFeatures::none) return problem("model.pair_features", "pairs of texts cannot be cut");
  if (config.lm_head) return problem("task.name", "texts with masked tokens cannot be cut");
  if (config.attention.short_convolution > 0)
    return problem("attention.short_convolution", "a convolution reads tokens of the part before, which is elsewhere");
  // A band that no token of a part is in has no gradient there, and parts add up gradients of the same parameters only.
  if (!config.adaptive_cutoffs.empty())
    return problem("model.adaptive_cutoffs", "parts of a text would differ in the bands of the vocabulary that they have");
  const bool causal = config.kind == ModelKind::decoder;
  const AttentionPlace place = causal ? AttentionPlace::decoder_self : AttentionPlace::encoder;
  const auto parts = causal ? &AttentionSupport::causal_parts : &AttentionSupport::other_parts;
  for (std::int64_t layer = 0; layer < attention_period(config.attention, place); ++layer) {
    const AttentionConfig own = attention_of_layer(config, place, layer);
    if (find_attention_kind(own.kind).supports(own).*parts) continue;
    return problem(
        config.attention.layers.empty() ? "attention.kind" : "attention.layers",
        concat('"', own.kind,
               "\", as the config has it, reads more of other parts of a text than a state of constant size; ",
               kinds_with(parts), " do not, unless attention.normalization is \"l1\" or attention.form names another form"));
  }
  return std::nullopt;
}

Variable decoder_loss(const Model& model, const Tensor& ids, const Tensor& targets, double factor, const Pass& pass) {
  if (pass.sequence == nullptr) {
    const Variable hidden = model.decode(ids, nullptr, {}, pass);
    return model.token_loss(reshape(hidden, {ids.size(), hidden.dim(2)}), targets.reshape({ids.size()}), factor, pass);
  }
  const CutPass cut = cut_of(model, ids, pass);
  const std::vector<Variable> hidden = hidden_in_parts(cut, {.causal = true, .mask = nullptr}, model.decoder(), ids);
  return sum_in_parts(
      cut, hidden,
      [&model, targets, factor, grid = cut.grid](std::int64_t part, std::span<const Variable> x, const Pass& own) {
        const Variable normed = model.decoder().normed(x[0], own);
        const std::int64_t rows = normed.dim(0) * normed.dim(1);
        return std::vector{model.token_loss(reshape(normed, {rows, normed.dim(2)}),
                                            part_of(targets, grid, part).reshape({rows}), factor, own)};
      });
}

Variable class_scores(const Model& model, const Tensor& ids, const SharedPaddingMask& mask, const Pass& pass) {
  if (pass.sequence == nullptr) return model.classify(model.encode(ids, mask, pass), mask, pass);
  const CutPass cut = cut_of(model, ids, pass);
  const CutText text{.causal = false, .mask = mask};
  const std::vector<Variable> hidden = hidden_in_parts(cut, text, model.encoder(), ids);
  const bool takes_first = model.config().pooling == Pooling::first;
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
    sum = multiply(sum, Variable(pooling_factors(model, mask, ids.dim(0), ids.dim(1), sum.dtype())));
  }
  Pass own = pass;
  own.sequence = nullptr;
  return model.classify_pooled(sum, own);
}

std::vector<double> sum_over_hidden(const Model& model, const Tensor& ids, const Pass& pass, const HiddenFigures& figures) {
  if (pass.sequence == nullptr) return figures(model.decode(ids, nullptr, {}, pass).value(), 0);
  const CutPass cut = cut_of(model, ids, pass);
  const std::vector<Variable> hidden = hidden_in_parts(cut, {.causal = true, .mask = nullptr}, model.decoder(), ids);
  std::vector<Tensor> own(hidden.size());
  parallel_for(cut.own.count(), [&](std::int64_t i) {
    const auto place = static_cast<std::size_t>(i);
    const std::int64_t part = cut.own.first + i;
    const Variable normed = model.decoder().normed(hidden[place], cut.of(part, false));
    const std::vector<double> found = figures(normed.value(), cut.grid.first(part));
    own[place] = Tensor::from<double>({std::ssize(found)}, std::span<const double>(found));
  });
  const Tensor sums = cut.group.sum(std::move(own));
  return {sums.span<double>().begin(), sums.span<double>().end()};
}

}  // namespace cosformer

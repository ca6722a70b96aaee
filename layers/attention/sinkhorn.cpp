// Sparse sinkhorn attention: the own block of a text, and one of its blocks as a learned sorting puts it there (Tay et al.,
// ICML 2020).
#include "core/kernels/sinkhorn/sinkhorn.h"

#include <cmath>
#include <utility>
#include <vector>

#include "autograd/ops/attention_operands.h"
#include "core/error.h"
#include "core/kernels/sparse_attention/sorted_pattern.h"
#include "layers/attention/variants.h"

namespace cosformer {

namespace {

/// x and y [B, .., H, D] one behind the other.
Variable join_texts(const Variable& x, const Variable& y) {
  const std::int64_t batch = x.dim(0), row = x.dim(2) * x.dim(3);
  const auto flat = [&](const Variable& own) { return reshape(own, {batch, own.dim(1) * row}); };
  return reshape(concatenate(flat(x), flat(y)), {batch, x.dim(1) + y.dim(1), x.dim(2), x.dim(3)});
}

class Sinkhorn : public Attention {
 public:
  /// Parameters sort_weight [H, most blocks, D] and sort_bias [H, most blocks]: the second layer of the sorting network,
  /// whose first is the projection of the keys.
  Sinkhorn(const AttentionConfig& config, const AttentionSetting& setting)
      : Attention(setting),
        block_(config.sinkhorn_block),
        most_blocks_((setting.max_length + block_ - 1) / block_),
        options_{.iterations = config.sinkhorn_iterations, .temperature = config.sinkhorn_temperature},
        noisy_(config.sinkhorn_noise),
        stream_("sinkhorn/" + setting.scope.path()),
        weight_(setting.scope.create("sort_weight", {setting.num_heads, most_blocks_, setting.head_dim},
                                     Initializer::xavier(setting.head_dim, most_blocks_))),
        bias_(setting.scope.create("sort_bias", {setting.num_heads, most_blocks_}, Initializer::constant(0))) {}

  Variable forward(const AttentionInputs& inputs, const AttentionMask& mask, const Pass& pass) const override {
    const std::int64_t keys = inputs.key.dim(1), blocks = blocks_of(mask.key_mask, keys, block_);
    check<InputError>(blocks <= most_blocks_, "model.max_length: sinkhorn sorts ", most_blocks_, " blocks, and a text has ",
                      blocks);
    SinkhornOptions options = options_;
    options.causal = mask.causal || steps_;
    const Variable sums = sum_blocks(inputs.key, mask.key_mask, block_, blocks, options.causal);
    Variable logits = head_linear(relu(sums), pass.use(weight_), pass.use(bias_));
    if (noisy_ && pass.training) logits = add(logits, Variable(gumbel_noise(logits.value(), pass)));
    const Variable weights = sinkhorn(logits, counts(mask.key_mask, inputs.key.dim(0), keys), options);
    const auto sorted = [&](const Variable& x) { return join_texts(mix_blocks(weights, x, mask.key_mask, block_), x); };
    const AttentionMask places{.causal = mask.causal, .key_mask = mask.key_mask, .query_mask = mask.query_mask};
    const SharedSparsePattern pattern =
        make_sorted_pattern({.sizes = attention_sizes("sinkhorn", inputs.query, inputs.key, inputs.value, mask),
                             .visibility = visibility_of(places),
                             .masks = {mask.key_mask, mask.query_mask},
                             .block_size = block_,
                             .blocks = blocks,
                             .earlier = options.causal});
    return sparse_attention(inputs.query, sorted(inputs.key), sorted(inputs.value),
                            {.causal = false, .key_mask = {}, .query_mask = {}, .dropout = mask.dropout}, pattern,
                            1.0 / std::sqrt(static_cast<double>(head_dim())));
  }

  std::unique_ptr<AttentionState> start() const override {
    // A step sees one query, which stands at the end of the text so far: its blocks are sorted as a causal text's.
    auto causal = std::make_shared<Sinkhorn>(*this);
    causal->steps_ = true;
    return start_with_cache(std::move(causal));
  }

  double forward_flops(std::int64_t queries, std::int64_t keys, bool causal) const override {
    const auto dim = static_cast<double>(head_dim()),
               blocks = std::ceil(static_cast<double>(keys) / static_cast<double>(block_));
    const double squares = blocks * blocks * (causal ? 0.5 : 1.0);
    const double network = static_cast<double>(keys) * dim + 2.0 * blocks * static_cast<double>(most_blocks_) * dim;
    const double mixed = 2.0 * 2.0 * squares * static_cast<double>(block_) * dim;
    const double balancing = 6.0 * squares * static_cast<double>(options_.iterations);
    return network + balancing + mixed + 4.0 * sorted_pairs(block_, queries, causal) * dim;
  }
  double saved_numbers(std::int64_t queries, std::int64_t keys, bool) const override {
    const auto rows = static_cast<double>(queries), columns = static_cast<double>(keys),
               dim = static_cast<double>(head_dim());
    const double blocks = std::ceil(columns / static_cast<double>(block_));
    // Normalisers; sums before and after their activation; logits; weights; keys and values with the sorted ones.
    return rows + 2 * blocks * dim + blocks * static_cast<double>(most_blocks_) + blocks * blocks +
           2 * (2 * blocks * static_cast<double>(block_) + columns) * dim;
  }
  double working_numbers(std::int64_t queries, std::int64_t keys, bool) const override {
    return (3.0 * static_cast<double>(queries) + 4.0 * static_cast<double>(keys)) * static_cast<double>(head_dim());
  }

 private:
  /// -log(-log u), u uniform between 0 and 1 (Gumbel, 1954).
  Tensor gumbel_noise(const Tensor& like, const Pass& pass) const {
    const Random random = pass.noise(stream_);
    Tensor noise = Tensor::empty(like.shape(), DType::float64);
    double* values = noise.data<double>();
    for (std::int64_t i = 0; i < noise.size(); ++i) {
      const double u = random.uniform(static_cast<std::uint64_t>(i));
      values[i] = -std::log(-std::log(u + (1 - u) * 1e-20));
    }
    return noise.to(like.dtype());
  }

  std::vector<std::int64_t> counts(const SharedPaddingMask& mask, std::int64_t batch, std::int64_t length) const {
    std::vector<std::int64_t> blocks;
    for (std::int64_t b = 0; b < batch; ++b) {
      blocks.push_back(((mask ? mask->item_length(b) : length) + block_ - 1) / block_);
    }
    return blocks;
  }

  std::int64_t block_, most_blocks_;
  SinkhornOptions options_;
  bool noisy_, steps_ = false;
  std::string stream_;
  Variable weight_, bias_;
};

}  // namespace

std::unique_ptr<Attention> make_sinkhorn(const AttentionConfig& config, const AttentionSetting& setting) {
  check<InputError>(config.sinkhorn_block >= 1, "attention.sinkhorn_block: expected at least 1, found ",
                    config.sinkhorn_block);
  check<InputError>(config.sinkhorn_iterations >= 0, "attention.sinkhorn_iterations: expected at least 0, found ",
                    config.sinkhorn_iterations);
  check<InputError>(config.sinkhorn_temperature > 0, "attention.sinkhorn_temperature: expected a number above 0, found ",
                    config.sinkhorn_temperature);
  return std::make_unique<Sinkhorn>(config, setting);
}

}  // namespace cosformer

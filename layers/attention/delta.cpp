// The delta rule: a causal state that is corrected towards each token's value (Yang et al., NeurIPS 2024).
#include <cmath>
#include <functional>
#include <utility>

#include "autograd/ops/attention_operands.h"
#include "core/error.h"
#include "core/kernels/delta_attention/delta_attention.h"
#include "layers/attention/select_rows.h"
#include "layers/attention/variants.h"

namespace cosformer {

namespace {

/// sigmoid(z).
Variable share(const Variable& z) {
  return gated_product(Variable(Tensor::full(z.shape(), 1.0, z.dtype())), z, ScalarFunction::sigmoid);
}

/// silu(x) of each head at length 1, as the paper has queries and keys.
Variable direction(const Variable& heads) {
  const Variable activated = gated_product(heads, heads, ScalarFunction::sigmoid);
  const std::int64_t width = heads.dim(3);
  const double root = 1.0 / std::sqrt(static_cast<double>(width));
  return rms_norm(activated, Variable(Tensor::full({width}, root, heads.dtype())), 1e-6);
}

class DeltaState : public AttentionState {
 public:
  /// `beta` gives the β of a token's input; it refers to the attention, which outlives its states.
  DeltaState(std::function<Variable(const Variable&)> beta, double scale) : beta_(std::move(beta)), scale_(scale) {}

  Tensor step(const AttentionInputs& inputs) override {
    const Tensor q = direction(inputs.query).value(), k = direction(inputs.key).value(), v = inputs.value.value();
    const Tensor beta = beta_(inputs.input).value().contiguous();
    const AttentionSizes sizes{q.dim(0), 1, 1, q.dim(2), q.dim(3), v.dim(3)};
    if (!state_.defined()) state_ = Tensor::zeros({sizes.batch, sizes.heads, sizes.head_dim, sizes.value_dim}, q.dtype());
    Tensor out = Tensor::empty({sizes.batch, 1, sizes.heads, sizes.value_dim}, q.dtype());
    dispatch_float(q.dtype(), [&]<class T>(T) {
      delta_attention_step<T>(sizes, static_cast<T>(scale_), heads_of<T>(q), heads_of<T>(k), heads_of<T>(v), beta.data<T>(),
                              state_.data<T>(), mutable_heads_of<T>(out));
    });
    return out;
  }
  void select(std::span<const std::int64_t> rows) override {
    if (state_.defined()) state_ = select_rows(state_, rows);
  }

 private:
  std::function<Variable(const Variable&)> beta_;
  double scale_;
  Tensor state_;
};

class DeltaAttention : public Attention {
 public:
  /// A parameter `beta_proj` [H, embed_dim], without a bias.
  DeltaAttention(const AttentionConfig& config, const AttentionSetting& setting)
      : Attention(setting),
        wants_norm_(config.normalization == "rms"),
        embed_dim_(setting.embed_dim),
        beta_proj_((setting.scope / "beta_proj")
                       .create("weight", {setting.num_heads, setting.embed_dim},
                               Initializer::xavier(setting.embed_dim, setting.num_heads))) {}

  bool reads_input() const override { return true; }
  bool wants_norm() const override { return wants_norm_; }

  Variable forward(const AttentionInputs& inputs, const AttentionMask& mask, const Pass& pass) const override {
    return delta_attention(direction(inputs.query), direction(inputs.key), inputs.value, beta(inputs.input, pass), mask,
                           scale());
  }

  std::unique_ptr<AttentionState> start() const override {
    return std::make_unique<DeltaState>([this](const Variable& input) { return beta(input, Pass()); }, scale());
  }

  /// A key is read against the state and written into it, a query reads it.
  double forward_flops(std::int64_t queries, std::int64_t keys, bool) const override {
    const auto dim = static_cast<double>(head_dim());
    return static_cast<double>(queries + 2 * keys) * 2.0 * dim * dim +
           static_cast<double>(keys) * 2.0 * static_cast<double>(embed_dim_);
  }
  /// Queries and keys before and after their norm, and what β comes from.
  double saved_numbers(std::int64_t queries, std::int64_t keys, bool) const override {
    return static_cast<double>(2 * (queries + keys) * head_dim() + 3 * keys);
  }
  double working_numbers(std::int64_t, std::int64_t keys, bool) const override {
    return static_cast<double>(delta_attention_working_size(keys, head_dim(), head_dim()));
  }

 private:
  double scale() const { return 1.0 / std::sqrt(static_cast<double>(head_dim())); }

  /// input [B, S, embed_dim] -> [B, S, H].
  Variable beta(const Variable& input, const Pass& pass) const {
    return share(linear(input, pass.use(beta_proj_), Variable()));
  }

  bool wants_norm_;
  std::int64_t embed_dim_;
  Variable beta_proj_;
};

}  // namespace

std::unique_ptr<Attention> make_delta_attention(const AttentionConfig& config, const AttentionSetting& setting) {
  check<InputError>(config.dropout == 0,
                    "attention.dropout: the delta rule has no matrix of weights to drop from; expected 0, found ",
                    config.dropout);
  return std::make_unique<DeltaAttention>(config, setting);
}

}  // namespace cosformer

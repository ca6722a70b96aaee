// The delta rule: a causal state that is corrected towards each token's value (Yang et al., NeurIPS 2024), and that may
// forget by a learned decay of each head (Yang et al., Gated Delta Networks, ICLR 2025).
#include <cmath>
#include <optional>
#include <utility>
#include <vector>

#include "autograd/ops/attention_operands.h"
#include "core/error.h"
#include "core/kernels/delta_attention/delta_attention.h"
#include "layers/attention/recurrent_attention.h"
#include "layers/attention/variants.h"

namespace cosformer {

namespace {

/// sigmoid(z).
Variable share(const Variable& z) {
  return gated_product(Variable(Tensor::full(z.shape(), 1.0, z.dtype())), z, ScalarFunction::sigmoid);
}

/// silu(x) of each head at length 1, as the papers have queries and keys.
Variable direction(const Variable& heads) {
  const Variable activated = gated_product(heads, heads, ScalarFunction::sigmoid);
  const std::int64_t width = heads.dim(3);
  const double root = 1.0 / std::sqrt(static_cast<double>(width));
  return rms_norm(activated, Variable(Tensor::full({width}, root, heads.dtype())), 1e-6);
}

/// What the state does at each token, [B, S, H] each.
struct Control {
  Variable beta;   ///< the share of a correction
  Variable decay;  ///< log α; undefined without
};

/// The parameters of log α = −e^rate · softplus(proj(x) + bias): `decay_proj` [H, embed_dim], `decay_rate` and `decay_bias`
/// [H]. They begin in the ranges of Mamba-2, from which the heads take places at equal distances: e^rate from 0 to 16, and
/// softplus(bias) from 0.001 to 0.1, by its logarithm.
struct DecayParameters {
  explicit DecayParameters(const AttentionSetting& setting)
      : proj((setting.scope / "decay_proj")
                 .create("weight", {setting.num_heads, setting.embed_dim},
                         Initializer::xavier(setting.embed_dim, setting.num_heads))) {
    std::vector<double> rates, biases;
    for (std::int64_t h = 0; h < setting.num_heads; ++h) {
      const double place = (static_cast<double>(h) + 0.5) / static_cast<double>(setting.num_heads);
      rates.push_back(std::log(16 * place));
      biases.push_back(std::log(std::expm1(0.001 * std::pow(100.0, place))));
    }
    rate = setting.scope.create("decay_rate", {setting.num_heads}, Initializer::listed(rates));
    bias = setting.scope.create("decay_bias", {setting.num_heads}, Initializer::listed(biases));
  }

  Variable proj, rate, bias;
};

class DeltaAttention : public RecurrentAttention {
 public:
  /// A parameter `beta_proj` [H, embed_dim], without a bias; `decays` adds those of the decay.
  DeltaAttention(const AttentionConfig& config, const AttentionSetting& setting, bool decays)
      : RecurrentAttention(setting),
        wants_norm_(config.normalization == "rms"),
        embed_dim_(setting.embed_dim),
        beta_proj_((setting.scope / "beta_proj")
                       .create("weight", {setting.num_heads, setting.embed_dim},
                               Initializer::xavier(setting.embed_dim, setting.num_heads))) {
    if (decays) decay_.emplace(setting);
  }

  bool reads_input() const override { return true; }
  bool wants_norm() const override { return wants_norm_; }

  std::unique_ptr<AttentionState> start() const override { return std::make_unique<DeltaState>(*this); }

  /// A key is read against the state and written into it, a query reads it.
  double forward_flops(std::int64_t queries, std::int64_t keys, bool) const override {
    const auto dim = static_cast<double>(head_dim());
    const double controls = decay_ ? 2.0 : 1.0;
    return static_cast<double>(queries + 2 * keys) * 2.0 * dim * dim +
           static_cast<double>(keys) * 2.0 * controls * static_cast<double>(embed_dim_);
  }
  /// Queries and keys before and after their norm, and what β and α come from.
  double saved_numbers(std::int64_t queries, std::int64_t keys, bool) const override {
    return static_cast<double>(2 * (queries + keys) * head_dim() + (decay_ ? 5 : 3) * keys);
  }
  double working_numbers(std::int64_t, std::int64_t keys, bool) const override {
    return static_cast<double>(delta_attention_working_size(keys, head_dim(), head_dim()));
  }

 protected:
  std::int64_t state_numbers() const override { return head_dim() * head_dim(); }
  Variable attend(const AttentionInputs& inputs, const AttentionMask& mask, const Pass& pass,
                  const CarriedState& carried) const override {
    const Control own = control(inputs.input, pass);
    return delta_attention(direction(inputs.query), direction(inputs.key), inputs.value, own.beta, own.decay, mask, scale(),
                           carried);
  }

 private:
  class DeltaState : public State {
   public:
    explicit DeltaState(const DeltaAttention& attention) : State(attention), attention_(attention) {}

    Tensor step(const AttentionInputs& inputs) override {
      const Tensor q = direction(inputs.query).value(), k = direction(inputs.key).value(), v = inputs.value.value();
      const Control control = attention_.control(inputs.input, Pass());
      const Tensor beta = control.beta.value().contiguous(),
                   decay = control.decay.defined() ? control.decay.value().contiguous() : Tensor();
      const AttentionSizes sizes = token_sizes(q, v);
      return advance(sizes, q.dtype(), attention_.state_numbers(), [&]<class T>(T* state, const auto& out) {
        delta_attention_step<T>(sizes, static_cast<T>(attention_.scale()), heads_of<T>(q), heads_of<T>(k), heads_of<T>(v),
                                beta.data<T>(), numbers_of<T>(decay), state, out);
      });
    }

   private:
    const DeltaAttention& attention_;
  };

  double scale() const { return 1.0 / std::sqrt(static_cast<double>(head_dim())); }

  /// Of input [B, S, embed_dim].
  Control control(const Variable& input, const Pass& pass) const {
    Control own{share(linear(input, pass.use(beta_proj_), Variable())), Variable()};
    if (decay_) {
      own.decay =
          decay_logs(linear(input, pass.use(decay_->proj), Variable()), pass.use(decay_->rate), pass.use(decay_->bias));
    }
    return own;
  }

  bool wants_norm_;
  std::int64_t embed_dim_;
  Variable beta_proj_;
  std::optional<DecayParameters> decay_;
};

std::unique_ptr<Attention> make_delta(const AttentionConfig& config, const AttentionSetting& setting, bool decays) {
  check<InputError>(config.dropout == 0,
                    "attention.dropout: the delta rule has no matrix of weights to drop from; expected 0, found ",
                    config.dropout);
  return std::make_unique<DeltaAttention>(config, setting, decays);
}

}  // namespace

std::unique_ptr<Attention> make_delta_attention(const AttentionConfig& config, const AttentionSetting& setting) {
  return make_delta(config, setting, false);
}

std::unique_ptr<Attention> make_gated_delta_attention(const AttentionConfig& config, const AttentionSetting& setting) {
  return make_delta(config, setting, true);
}

}  // namespace cosformer

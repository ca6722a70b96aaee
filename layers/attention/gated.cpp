// Gated linear attention: a causal state that forgets by a learned gate of each head and channel (Yang et al., 2024).
#include <cmath>

#include "autograd/ops/attention_operands.h"
#include "core/error.h"
#include "core/kernels/gated_attention/gated_linear_attention.h"
#include "layers/attention/recurrent_attention.h"
#include "layers/attention/variants.h"
#include "layers/basic_layers.h"

namespace cosformer {

namespace {

/// Inner width of the gate's two projections, the paper's.
constexpr std::int64_t kGateRank = 16;

class GatedLinearAttention : public RecurrentAttention {
 public:
  /// Parameters gate_down [16, embed_dim] without a bias, and gate_up [H · D, 16] with one.
  GatedLinearAttention(const AttentionConfig& config, const AttentionSetting& setting)
      : RecurrentAttention(setting),
        wants_norm_(config.normalization == "rms"),
        gate_down_((setting.scope / "gate_down")
                       .create("weight", {kGateRank, setting.embed_dim}, Initializer::xavier(setting.embed_dim, kGateRank))),
        gate_up_(setting.scope / "gate_up", kGateRank, setting.num_heads * setting.head_dim) {}

  bool reads_input() const override { return true; }
  bool wants_norm() const override { return wants_norm_; }

  std::unique_ptr<AttentionState> start() const override { return std::make_unique<GatedState>(*this); }

  double forward_flops(std::int64_t queries, std::int64_t keys, bool) const override {
    const auto dim = static_cast<double>(head_dim());
    const double gate = 4.0 * static_cast<double>(kGateRank) * dim;  // a head's share of the two projections
    return static_cast<double>(queries + keys) * 2.0 * dim * dim + static_cast<double>(keys) * gate;
  }
  double saved_numbers(std::int64_t, std::int64_t keys, bool) const override {
    return static_cast<double>(keys) * (static_cast<double>(head_dim()) + static_cast<double>(kGateRank));
  }

 protected:
  std::int64_t state_numbers() const override { return head_dim() * head_dim(); }
  Variable attend(const AttentionInputs& inputs, const AttentionMask& mask, const Pass& pass,
                  const CarriedState& carried) const override {
    return gated_linear_attention(inputs.query, inputs.key, inputs.value, gate(inputs.input, pass), mask, scale(), carried);
  }

 private:
  class GatedState : public State {
   public:
    explicit GatedState(const GatedLinearAttention& attention) : State(attention), attention_(attention) {}

    Tensor step(const AttentionInputs& inputs) override {
      const Tensor q = inputs.query.value(), k = inputs.key.value(), v = inputs.value.value();
      const Tensor z = attention_.gate(inputs.input, Pass()).value();
      const AttentionSizes sizes = token_sizes(q, v);
      return advance(sizes, q.dtype(), attention_.state_numbers(), [&]<class T>(T* state, const auto& out) {
        gated_linear_attention_step<T>(sizes, static_cast<T>(attention_.scale()), heads_of<T>(q), heads_of<T>(k),
                                       heads_of<T>(v), heads_of<T>(z), state, out);
      });
    }

   private:
    const GatedLinearAttention& attention_;
  };

  double scale() const { return 1.0 / std::sqrt(static_cast<double>(head_dim())); }

  /// input [B, S, embed_dim] -> [B, S, H, D].
  Variable gate(const Variable& input, const Pass& pass) const {
    const Variable z = gate_up_.forward(linear(input, pass.use(gate_down_), Variable()), pass);
    return reshape(z, {input.dim(0), input.dim(1), num_heads(), head_dim()});
  }

  bool wants_norm_;
  Variable gate_down_;
  Linear gate_up_;
};

}  // namespace

std::unique_ptr<Attention> make_gated_linear_attention(const AttentionConfig& config, const AttentionSetting& setting) {
  check<InputError>(config.dropout == 0,
                    "attention.dropout: gated linear attention has no matrix of weights to drop from; expected 0, found ",
                    config.dropout);
  return std::make_unique<GatedLinearAttention>(config, setting);
}

}  // namespace cosformer

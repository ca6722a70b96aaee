// Gated linear attention: a causal state that forgets by a learned gate of each head and channel (Yang et al., 2024).
#include <cmath>
#include <functional>
#include <utility>

#include "autograd/ops/attention_operands.h"
#include "core/error.h"
#include "core/kernels/gated_attention/gated_linear_attention.h"
#include "layers/attention/recurrent_state.h"
#include "layers/attention/variants.h"
#include "layers/basic_layers.h"

namespace cosformer {

namespace {

/// Inner width of the gate's two projections, the paper's.
constexpr std::int64_t kGateRank = 16;

class GatedState : public RecurrentState {
 public:
  /// `gate` gives the gate of a token's input; it refers to the attention, which outlives its states.
  GatedState(std::function<Variable(const Variable&)> gate, double scale) : gate_(std::move(gate)), scale_(scale) {}

  Tensor step(const AttentionInputs& inputs) override {
    const Tensor q = inputs.query.value(), k = inputs.key.value(), v = inputs.value.value();
    const Tensor z = gate_(inputs.input).value();
    const AttentionSizes sizes = token_sizes(q, v);
    return advance(sizes, q.dtype(), sizes.head_dim * sizes.value_dim, [&]<class T>(T* state, const auto& out) {
      gated_linear_attention_step<T>(sizes, static_cast<T>(scale_), heads_of<T>(q), heads_of<T>(k), heads_of<T>(v),
                                     heads_of<T>(z), state, out);
    });
  }

 private:
  std::function<Variable(const Variable&)> gate_;
  double scale_;
};

class GatedLinearAttention : public Attention {
 public:
  /// Parameters gate_down [16, embed_dim] without a bias, and gate_up [H · D, 16] with one.
  GatedLinearAttention(const AttentionConfig& config, const AttentionSetting& setting)
      : Attention(setting),
        wants_norm_(config.normalization == "rms"),
        num_heads_(setting.num_heads),
        gate_down_((setting.scope / "gate_down")
                       .create("weight", {kGateRank, setting.embed_dim}, Initializer::xavier(setting.embed_dim, kGateRank))),
        gate_up_(setting.scope / "gate_up", kGateRank, setting.num_heads * setting.head_dim) {}

  bool reads_input() const override { return true; }
  bool wants_norm() const override { return wants_norm_; }

  Variable forward(const AttentionInputs& inputs, const AttentionMask& mask, const Pass& pass) const override {
    return gated_linear_attention(inputs.query, inputs.key, inputs.value, gate(inputs.input, pass), mask, scale());
  }

  std::unique_ptr<AttentionState> start() const override {
    return std::make_unique<GatedState>([this](const Variable& input) { return gate(input, Pass()); }, scale());
  }

  double forward_flops(std::int64_t queries, std::int64_t keys, bool) const override {
    const auto dim = static_cast<double>(head_dim());
    const double gate = 4.0 * static_cast<double>(kGateRank) * dim;  // a head's share of the two projections
    return static_cast<double>(queries + keys) * 2.0 * dim * dim + static_cast<double>(keys) * gate;
  }
  double saved_numbers(std::int64_t, std::int64_t keys, bool) const override {
    return static_cast<double>(keys) * (static_cast<double>(head_dim()) + static_cast<double>(kGateRank));
  }

 private:
  double scale() const { return 1.0 / std::sqrt(static_cast<double>(head_dim())); }

  /// input [B, S, embed_dim] -> [B, S, H, D].
  Variable gate(const Variable& input, const Pass& pass) const {
    const Variable z = gate_up_.forward(linear(input, pass.use(gate_down_), Variable()), pass);
    return reshape(z, {input.dim(0), input.dim(1), num_heads_, head_dim()});
  }

  bool wants_norm_;
  std::int64_t num_heads_;
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

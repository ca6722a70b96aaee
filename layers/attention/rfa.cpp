// Random Feature Attention: linear attention between random features of directions (Peng et al., ICLR 2021).
#include <optional>

#include "autograd/ops/attention_operands.h"
#include "core/error.h"
#include "core/kernels/feature_attention/feature_attention.h"
#include "core/named_table.h"
#include "layers/attention/random_features.h"
#include "layers/attention/recurrent_attention.h"
#include "layers/attention/variants.h"
#include "layers/basic_layers.h"

namespace cosformer {

namespace {

/// The least sum of similarities that is divided by; a similarity is at most 1. The authors' 0.1, which they compare with
/// features scaled by 0.1: 0.16 here with their 64 directions.
constexpr double kFloor = 0.1;

/// What one token's query, key, value and gate are made into.
struct Operands {
  Variable query, key, value, gate;
};

class RandomFeatureAttention : public RecurrentAttention {
 public:
  /// Parameter sigma [H, D], ones; with a gate, gate.weight [H, embed_dim] and gate.bias [H].
  RandomFeatureAttention(const AttentionConfig& config, const AttentionSetting& setting)
      : RecurrentAttention(setting),
        kind_(find_named(unit_features_names(), config.feature_kind, "attention.feature_kind").value),
        embed_dim_(setting.embed_dim),
        directions_(setting, feature_count(config, setting.head_dim), config.redraw_every),
        sigma_(setting.scope.create("sigma", {setting.num_heads, setting.head_dim}, Initializer::constant(1))) {
    if (config.recency_gate) gate_.emplace(setting.scope / "gate", setting.embed_dim, setting.num_heads);
  }

  bool reads_input() const override { return gate_.has_value(); }

  std::unique_ptr<AttentionState> start() const override { return std::make_unique<RfaState>(*this); }

  double forward_flops(std::int64_t queries, std::int64_t keys, bool) const override {
    // Each row's directions, and sums of features × values that keys go into and queries read.
    const double row = 2.0 * static_cast<double>(head_dim()) * static_cast<double>(directions_.count() + width());
    const double gates = gate_ ? 2.0 * static_cast<double>(embed_dim_ * keys) : 0;
    return static_cast<double>(queries + keys) * row + gates;
  }
  double saved_numbers(std::int64_t queries, std::int64_t keys, bool) const override {
    // The features of queries and keys, the normaliser and the gate.
    return static_cast<double>((queries + keys) * width() + queries + (gate_ ? keys : 0));
  }
  double working_numbers(std::int64_t, std::int64_t, bool) const override {
    return static_cast<double>(feature_attention_working_size(width(), head_dim()));
  }

 protected:
  std::int64_t state_numbers() const override { return feature_attention_state_size(width(), head_dim()); }
  Variable attend(const AttentionInputs& inputs, const AttentionMask& mask, const Pass& pass,
                  const CarriedState& carried) const override {
    check<Error>(mask.causal || !gate_, "[rfa] a gate forgets what came before, which only causal attention has");
    const auto [query, key, value, gate] = operands(inputs, pass);
    return feature_attention(query, key, value, gate, mask, kFloor, carried);
  }

 private:
  class RfaState : public State {
   public:
    explicit RfaState(const RandomFeatureAttention& attention) : State(attention), attention_(attention) {}

    Tensor step(const AttentionInputs& inputs) override {
      const Operands given = attention_.operands(inputs, Pass());
      const Tensor q = given.query.value(), k = given.key.value(), v = given.value.value();
      const AttentionSizes sizes = token_sizes(q, v);
      return advance(sizes, q.dtype(), attention_.state_numbers(), [&]<class T>(T* state, const auto& out) {
        const Heads<const T> a = given.gate.defined() ? heads_of<T>(given.gate.value()) : Heads<const T>{};
        feature_attention_step<T>(sizes, static_cast<T>(kFloor), heads_of<T>(q), heads_of<T>(k), heads_of<T>(v), a, state,
                                  out);
      });
    }

   private:
    const RandomFeatureAttention& attention_;
  };

  std::int64_t width() const { return unit_features_width(kind_, directions_.count()); }

  Operands operands(const AttentionInputs& inputs, const Pass& pass) const {
    const Variable sigma = pass.use(sigma_);
    const Tensor directions = directions_.draw(inputs.query.dtype(), pass);
    Operands own{unit_features(inputs.query, sigma, directions, kind_),
                 unit_features(inputs.key, sigma, directions, kind_),
                 inputs.value,
                 {}};
    if (gate_)
      own.gate = reshape(gate_->forward(inputs.input, pass), {inputs.key.dim(0), inputs.key.dim(1), num_heads(), 1});
    return own;
  }

  UnitFeatures kind_;
  std::int64_t embed_dim_;
  RandomDirections directions_;
  Variable sigma_;
  std::optional<Linear> gate_;
};

}  // namespace

std::unique_ptr<Attention> make_rfa(const AttentionConfig& config, const AttentionSetting& setting) {
  check<InputError>(config.dropout == 0,
                    "attention.dropout: random feature attention has no matrix of weights to drop from; expected 0, found ",
                    config.dropout);
  return std::make_unique<RandomFeatureAttention>(config, setting);
}

}  // namespace cosformer

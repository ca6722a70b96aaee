#include <algorithm>
#include <cmath>
#include <utility>

#include "autograd/ops/attention_operands.h"
#include "core/error.h"
#include "core/kernels/linear_attention/part.h"
#include "core/named_table.h"
#include "layers/attention/carried_state.h"
#include "layers/attention/cut_attention.h"
#include "layers/attention/head_features.h"
#include "layers/attention/recurrent_state.h"
#include "layers/attention/reweighting_length.h"
#include "layers/attention/variants.h"
#include "layers/sequence/sequence_group.h"

namespace cosformer {

namespace {

/// One recurrent state per head; see linear_attention_step.
class LinearAttentionState : public LinearState {
 public:
  LinearAttentionState(LinearAttentionOptions options, HeadFeatures features, const AttentionConfig& config)
      : LinearState(std::move(options)), features_(std::move(features)), config_(config) {}

  Tensor steps(const AttentionInputs& inputs) override {
    const auto [q, k] = features(inputs);
    if (q.dim(1) > 1 && !reads_parts(options_, q.dim(2))) return AttentionState::steps(inputs);
    return advance_linear(q, k, inputs.value.value());
  }

 private:
  /// Of queries and keys. It also sets the steps of the re-weighting.
  std::pair<Tensor, Tensor> features(const AttentionInputs& inputs) {
    const Tensor q = features_.of_query(inputs.query, {}).value(), k = features_.of_key(inputs.key, {}).value();
    options_.steps = reweighting_steps(config_, reweighting_kind(options_.reweighting), q.dim(2), q.dim(0), 1, 1, {});
    return {q, k};
  }

  HeadFeatures features_;
  AttentionConfig config_;
};

class LinearAttention : public Attention, public CutAttention, public CarriedAttention {
 public:
  LinearAttention(const AttentionConfig& config, const AttentionSetting& setting)
      : Attention(setting), config_(config), num_heads_(setting.num_heads) {
    if (config_.causal_length == 0) config_.causal_length = setting.max_length;
    check<InputError>(config.dropout == 0,
                      "attention.dropout: linear attention has no matrix of weights to drop from; expected 0, found ",
                      config.dropout);
    const FeatureMapKind& map = find_feature_map(config.feature_map);
    options_.feature_map = map.elementwise;
    options_.reweighting = find_named(reweightings(), config.reweighting, "attention.reweighting").value;
    options_.form = find_named(linear_attention_forms(), config.form, "attention.form").value;
    options_.chunk_size = config.chunk_size;
    options_.normalization = find_named(attention_normalizations(), config.normalization, "attention.normalization").value;
    check<InputError>(
        !is_l1() || options_.form == LinearAttentionForm::automatic || options_.form == LinearAttentionForm::quadratic,
        "attention.form: normalization = \"l1\" has the quadratic form only, expected \"auto\" or \"quadratic\", found \"",
        config.form, '"');
    check<InputError>(kind().linear_form || options_.form != LinearAttentionForm::linear, "attention.form: reweighting = \"",
                      config.reweighting, "\" has no linear form");
    check<InputError>(config.chunk_size >= 1, "attention.chunk_size: expected at least 1, found ", config.chunk_size);
    check<InputError>(config.decay >= 0 && config.decay <= 1, "attention.decay: expected 0 to 1, found ", config.decay);
    features_ = HeadFeatures(map, config, setting);
  }

  bool wants_norm() const override { return options_.normalization == AttentionNormalization::one; }

  Variable forward(const AttentionInputs& inputs, const AttentionMask& mask, const Pass& pass) const override {
    LinearAttentionOptions options = options_;
    options.steps = steps(inputs.query.dim(0), inputs.query.dim(1), inputs.key.dim(1), mask);
    return linear_attention(features_.of_query(inputs.query, pass), features_.of_key(inputs.key, pass), inputs.value, mask,
                            options);
  }

  const CutAttention* cut() const override { return this; }
  Variable handed(const AttentionInputs& inputs, const SequencePart& part, const Pass& pass) const override {
    return linear_attention_key_sums(features_.of_key(inputs.key, pass), inputs.value, part.mask,
                                     options_of(part, inputs.key.dim(0)));
  }
  Variable attend(const AttentionInputs& inputs, const Variable& state, const SequencePart& part,
                  const Pass& pass) const override {
    return linear_attention_part(features_.of_query(inputs.query, pass), features_.of_key(inputs.key, pass), inputs.value,
                                 state, part.mask, options_of(part, inputs.query.dim(0)));
  }
  std::vector<Tensor> states(const TextParts& text, bool causal, std::vector<Tensor> handed) const override {
    return sums(text, causal, std::move(handed), SequenceGroup::Direction::from_left);
  }
  std::vector<Tensor> handed_gradients(const TextParts& text, bool causal, std::vector<Tensor> dstates) const override {
    return sums(text, causal, std::move(dstates), SequenceGroup::Direction::from_right);
  }

  const CarriedAttention* carried() const override { return this; }
  /// The sums of all keys so far, as a part of a text reads them (core/kernels/linear_attention/part.h).
  Shape state_shape(std::int64_t batch, std::int64_t) const override {
    const std::int64_t numbers = linear_attention_state_size(sizes_of(1, 1), options_);
    return {batch, num_heads_, numbers / features_.width(), features_.width()};
  }
  /// Beyond M, a cosine would say of a key far away that it is near, or count it with another sign.
  std::int64_t longest_text(std::int64_t tokens) const override {
    if (kind().parts == 0) return 0;
    switch (config_.reweighting_length) {
      case ReweightingLength::fixed:
        return config_.reweighting_length_value;
      case ReweightingLength::padded:
        return tokens;
      case ReweightingLength::automatic:
        break;
    }
    return config_.causal_length;
  }
  CarriedResult go_on(const AttentionInputs& inputs, const Tensor& state, const CarriedWindow& window,
                      const Pass& pass) const override {
    const std::int64_t tokens = inputs.query.dim(1);
    LinearAttentionOptions options = options_;
    options.steps = steps(inputs.query.dim(0), tokens, tokens, window.mask);
    options.first_position = window.first;
    return go_on_from_sums(features_.of_query(inputs.query, pass), features_.of_key(inputs.key, pass), inputs.value, state,
                           window.mask, options);
  }

  std::unique_ptr<AttentionState> start() const override {
    const AttentionConfig written = with_constant_length(config_);
    if (!is_l1()) return std::make_unique<LinearAttentionState>(options_, features_, written);
    // A row's L1 norm is no sum that a state could carry on.
    auto fixed = std::make_shared<LinearAttention>(*this);
    fixed->config_ = written;
    return start_with_cache(std::move(fixed));
  }

  double forward_flops(std::int64_t queries, std::int64_t keys, bool causal) const override {
    const auto features = static_cast<double>(features_.width());
    const double projections = static_cast<double>(queries + keys) * features_.flops();
    if (is_l1() || (!causal && !kind().linear_form)) {
      const double pairs = static_cast<double>(queries) * static_cast<double>(keys) * (causal ? 0.5 : 1.0);
      return projections + 2.0 * pairs * (features + static_cast<double>(head_dim()));
    }
    // The state form: keys go into features × values sums, one for each part of the re-weighting, and queries read them.
    const auto sums = static_cast<double>(std::max<std::int64_t>(1, kind().parts));
    return projections + 2.0 * static_cast<double>(queries + keys) * sums * features * static_cast<double>(head_dim());
  }

  double saved_numbers(std::int64_t queries, std::int64_t keys, bool causal) const override {
    // The normaliser, the features of queries and keys, and the sums of the linear form.
    return static_cast<double>(queries + (queries + keys) * features_.saved_numbers() +
                               linear_attention_saved_size(sizes_of(queries, keys), {.causal = causal}, options_));
  }

  double working_numbers(std::int64_t queries, std::int64_t keys, bool causal) const override {
    return static_cast<double>(linear_attention_working_size(sizes_of(queries, keys), {.causal = causal}, options_));
  }

  std::unique_ptr<Attention> without_reweighting() const override {
    if (kind().weight == nullptr) return nullptr;
    auto plain = std::make_unique<LinearAttention>(*this);
    plain->options_.reweighting = Reweighting::none;
    return plain;
  }

  ReweightingMatrix reweighting(std::int64_t queries, std::int64_t keys, const AttentionMask& mask) const override {
    if (kind().weight == nullptr) return {};
    const ReweightingSteps all = steps(1, queries, keys, mask);
    const auto count = static_cast<std::int64_t>(all.query.size());
    ReweightingMatrix matrix{kind().name, kind().formula, kind().parameter, {}, Tensor::zeros({count, queries, keys})};
    float* weight = matrix.weights.data<float>();
    for (std::size_t row = 0; row < all.query.size(); ++row) {
      matrix.parameters.push_back(kind().parameter_of(all.query[row]));
      for (std::int64_t i = 0; i < queries; ++i) {
        for (std::int64_t j = 0; j < keys; ++j, ++weight) {
          if (mask.causal && j > i) continue;
          // Positions count from 1, as in the kernel: with two steps that matters.
          const double x = static_cast<double>(i + 1) * all.query[row] - static_cast<double>(j + 1) * all.key[row];
          *weight = static_cast<float>(kind().weight(kind().linear_form ? x : std::abs(x)));
        }
      }
    }
    return matrix;
  }

 private:
  /// Of one item, whose features are as wide as the keys that the kernel gets.
  AttentionSizes sizes_of(std::int64_t queries, std::int64_t keys) const {
    return {.batch = 1,
            .queries = queries,
            .keys = keys,
            .heads = num_heads_,
            .head_dim = features_.width(),
            .value_dim = head_dim()};
  }
  /// Those of a part of `batch` texts: steps are the whole text's.
  LinearAttentionOptions options_of(const SequencePart& part, std::int64_t batch) const {
    LinearAttentionOptions options = options_;
    options.steps = steps(batch, part.length, part.length, part.whole);
    options.first_position = part.first;
    return options;
  }
  /// The sums of `own` over the parts before each, taken to where it begins, or without causality over all.
  std::vector<Tensor> sums(const TextParts& text, bool causal, std::vector<Tensor> own,
                           SequenceGroup::Direction direction) const {
    const std::size_t count = own.size();
    if (!causal) return std::vector<Tensor>(count, text.group.sum(std::move(own)));
    LinearAttentionOptions options = options_;
    options.steps = steps(1, 1, 1, {});
    // All parts but the last are equally long, and no sum moves past the last one.
    const std::vector<double> factors = linear_attention_carry(options, num_heads_, text.grid.part_tokens());
    return text.group.gather(
        text.own, std::move(own), direction,
        [&factors](Tensor& state, const Tensor& part, std::int64_t) { add_carried(state, factors, part); });
  }
  const ReweightingKind& kind() const { return reweighting_kind(options_.reweighting); }
  bool is_l1() const { return options_.normalization == AttentionNormalization::l1; }
  ReweightingSteps steps(std::int64_t batch, std::int64_t queries, std::int64_t keys, const AttentionMask& mask) const {
    return reweighting_steps(config_, kind(), num_heads_, batch, queries, keys, mask);
  }

  AttentionConfig config_;
  std::int64_t num_heads_;
  LinearAttentionOptions options_;
  HeadFeatures features_;
};

}  // namespace

std::unique_ptr<Attention> make_linear_attention(const AttentionConfig& config, const AttentionSetting& setting) {
  return std::make_unique<LinearAttention>(config, setting);
}

}  // namespace cosformer

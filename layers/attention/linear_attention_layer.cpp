#include <algorithm>
#include <numbers>
#include <vector>

#include "autograd/ops/attention_operands.h"
#include "core/error.h"
#include "core/named_table.h"
#include "layers/attention/feature_map.h"
#include "layers/attention/key_value_cache.h"
#include "layers/attention/select_rows.h"
#include "layers/attention/variants.h"

namespace cosformer {

namespace {

struct FormName {
  const char* name;
  LinearAttentionForm form;
};
constexpr FormName kForms[] = {{"auto", LinearAttentionForm::automatic},
                               {"quadratic", LinearAttentionForm::quadratic},
                               {"linear", LinearAttentionForm::linear},
                               {"chunked", LinearAttentionForm::chunked},
                               {"recurrent", LinearAttentionForm::recurrent}};

struct ReweightingName {
  const char* name;
  bool cos;
};
constexpr ReweightingName kReweightings[] = {{"none", false}, {"cos", true}};

struct NormalizationName {
  const char* name;
  AttentionNormalization normalization;
};
constexpr NormalizationName kNormalizations[] = {{"sum", AttentionNormalization::sum}, {"l1", AttentionNormalization::l1}};

/// The random features of `x`, or `x` where there is no projection (given in both dtypes, or undefined).
Variable mapped(const Variable& x, const Tensor& projection, const Tensor& projection32) {
  if (!projection.defined()) return x;
  return favor_features(x, x.dtype() == DType::float32 ? projection32 : projection);
}

/// One recurrent state a head; see linear_attention_step.
class LinearAttentionState : public AttentionState {
 public:
  /// `projection` in both dtypes, or undefined where there is none.
  LinearAttentionState(LinearAttentionOptions options, double angle_step, const Tensor& projection,
                       const Tensor& projection32)
      : options_(options), angle_step_(angle_step), projection_(projection), projection32_(projection32) {}

  Tensor step(const Tensor& query, const Tensor& key, const Tensor& value) override {
    const Tensor q = mapped(Variable(query), projection_, projection32_).value();
    const Tensor k = mapped(Variable(key), projection_, projection32_).value();
    const AttentionSizes sizes{q.dim(0), 1, 1, q.dim(2), q.dim(3), value.dim(3)};
    const std::vector<double> steps(static_cast<std::size_t>(sizes.batch), angle_step_);
    options_.query_angle_step = options_.key_angle_step = steps;
    if (!state_.defined()) {
      state_ = Tensor::zeros({sizes.batch, sizes.heads, linear_attention_state_size(sizes, options_)}, q.dtype());
    }
    Tensor out = Tensor::empty({sizes.batch, 1, sizes.heads, sizes.value_dim}, q.dtype());
    dispatch_float(q.dtype(), [&](auto type) {
      using T = decltype(type);
      linear_attention_step<T>(sizes, options_, position_, heads_of<T>(q), heads_of<T>(k), heads_of<T>(value),
                               state_.data<T>(), mutable_heads_of<T>(out));
    });
    ++position_;
    return out;
  }
  void select(std::span<const std::int64_t> rows) override {
    if (state_.defined()) state_ = select_rows(state_, rows);
  }

 private:
  LinearAttentionOptions options_;
  double angle_step_;
  Tensor projection_, projection32_;
  Tensor state_;
  std::int64_t position_ = 0;
};

/// The newest token against all keys so far: a row's L1 norm is no sum that a state could carry on.
class L1AttentionState : public AttentionState {
 public:
  L1AttentionState(LinearAttentionOptions options, double angle_step, const Tensor& projection, const Tensor& projection32)
      : options_(options), angle_step_(angle_step), projection_(projection), projection32_(projection32), cache_(-1) {}

  Tensor step(const Tensor& query, const Tensor& key, const Tensor& value) override {
    cache_.append(mapped(Variable(key), projection_, projection32_).value(), value);
    const auto batch = static_cast<std::size_t>(query.dim(0));
    ++length_;
    // The one query stands at the end of the keys: its first angle is that of the last key.
    const std::vector<double> query_steps(batch, static_cast<double>(length_) * angle_step_), key_steps(batch, angle_step_);
    options_.query_angle_step = query_steps;
    options_.key_angle_step = key_steps;
    return linear_attention(mapped(Variable(query), projection_, projection32_), Variable(cache_.keys()),
                            Variable(cache_.values()), {}, options_)
        .value();
  }
  void select(std::span<const std::int64_t> rows) override { cache_.select(rows); }

 private:
  LinearAttentionOptions options_;
  double angle_step_;
  Tensor projection_, projection32_;
  KeyValueCache cache_;
  std::int64_t length_ = 0;
};

class LinearAttention : public Attention {
 public:
  LinearAttention(const AttentionConfig& config, const AttentionSetting& setting) : config_(config), setting_(setting) {
    check<InputError>(config.dropout == 0,
                      "attention.dropout: linear attention has no matrix of weights to drop from; expected 0, found ",
                      config.dropout);
    const FeatureMapKind& map = find_feature_map(config.feature_map);
    options_.feature_map = map.elementwise;
    options_.cos_reweighting = find_named(kReweightings, config.reweighting, "attention.reweighting").cos;
    options_.form = find_named(kForms, config.form, "attention.form").form;
    options_.chunk_size = config.chunk_size;
    options_.normalization = find_named(kNormalizations, config.normalization, "attention.normalization").normalization;
    check<InputError>(
        options_.normalization == AttentionNormalization::sum || options_.form == LinearAttentionForm::automatic ||
            options_.form == LinearAttentionForm::quadratic,
        "attention.form: normalization = \"l1\" has the quadratic form only, expected \"auto\" or \"quadratic\", found \"",
        config.form, '"');
    check<InputError>(config.chunk_size >= 1, "attention.chunk_size: expected at least 1, found ", config.chunk_size);
    if (map.random_features) {
      projection_ = orthogonal_features(setting, config.num_features > 0 ? config.num_features : setting.head_dim);
      projection32_ = projection_.to(DType::float32);
    }
  }

  Variable forward(const Variable& query, const Variable& key, const Variable& value,
                   const AttentionMask& mask) const override {
    const AngleSteps steps = angle_steps(query.dim(0), query.dim(1), key.dim(1), mask);
    LinearAttentionOptions options = options_;
    options.query_angle_step = steps.query;
    options.key_angle_step = steps.key;
    return linear_attention(mapped(query, projection_, projection32_), mapped(key, projection_, projection32_), value, mask,
                            options);
  }

  Tensor attend_at(std::int64_t position, const Tensor& query, const Tensor& key, const Tensor& value,
                   const SharedPaddingMask& key_mask) const override {
    const AttentionMask mask{false, key_mask, nullptr};
    AngleSteps steps;
    for (std::int64_t b = 0; b < query.dim(0); ++b) {
      const std::int64_t keys = key_mask ? key_mask->item_length(b) : key.dim(1);
      const AngleStep step = angle_step_of(std::max(position + 1, keys), keys,
                                           std::max(position + 1, key_mask ? key_mask->full_length() : key.dim(1)), mask);
      // The kernel counts this one query as its first: its first angle is that of the position.
      steps.query.push_back(static_cast<double>(position + 1) * step.query);
      steps.key.push_back(step.key);
    }
    LinearAttentionOptions options = options_;
    options.query_angle_step = steps.query;
    options.key_angle_step = steps.key;
    return linear_attention(mapped(Variable(query), projection_, projection32_),
                            mapped(Variable(key), projection_, projection32_), Variable(value), mask, options)
        .value();
  }

  double forward_flops(std::int64_t queries, std::int64_t keys, bool causal) const override {
    const auto features = static_cast<double>(projection_.defined() ? projection_.dim(1) : setting_.head_dim);
    if (options_.normalization == AttentionNormalization::l1) {
      const double pairs = static_cast<double>(queries) * static_cast<double>(keys) * (causal ? 0.5 : 1.0);
      return 2.0 * pairs * (features + static_cast<double>(setting_.head_dim));
    }
    // The state form: keys go into a features × values sum (two with re-weighting), queries read it.
    const double sums = options_.cos_reweighting ? 2.0 : 1.0;
    return 2.0 * static_cast<double>(queries + keys) * sums * features * static_cast<double>(setting_.head_dim);
  }

  double saved_numbers(std::int64_t queries, std::int64_t keys) const override {
    // The normaliser, and the random features of queries and keys.
    const auto features = static_cast<double>(projection_.defined() ? projection_.dim(1) : 0);
    return static_cast<double>(queries) + static_cast<double>(queries + keys) * features;
  }

  std::unique_ptr<Attention> without_reweighting() const override {
    if (!options_.cos_reweighting) return nullptr;
    auto plain = std::make_unique<LinearAttention>(*this);
    plain->options_.cos_reweighting = false;
    return plain;
  }

  double reweighting_angle(std::int64_t queries, std::int64_t keys, const AttentionMask& mask) const override {
    return options_.cos_reweighting ? angle_steps(1, queries, keys, mask).query.front() : 0;
  }

  std::unique_ptr<AttentionState> start() const override {
    const double step = angle_step(causal_length());
    if (options_.normalization == AttentionNormalization::l1) {
      return std::make_unique<L1AttentionState>(options_, step, projection_, projection32_);
    }
    return std::make_unique<LinearAttentionState>(options_, step, projection_, projection32_);
  }

 private:
  static double angle_step(std::int64_t length) {
    return std::numbers::pi / (2.0 * static_cast<double>(std::max<std::int64_t>(length, 1)));
  }

  std::int64_t causal_length() const {
    return config_.reweighting_length == ReweightingLength::fixed ? config_.reweighting_length_value
                                                                  : setting_.causal_length;
  }

  /// Radians between neighbouring queries and between neighbouring keys of an item.
  struct AngleStep {
    double query, key;
  };
  struct AngleSteps {
    std::vector<double> query, key;
  };

  /// Of an item with these lengths in a batch that is padded to `padded`: π / (2M), or of each side's own length.
  AngleStep angle_step_of(std::int64_t queries, std::int64_t keys, std::int64_t padded, const AttentionMask& mask) const {
    if (config_.cross_reweighting == CrossReweighting::own_lengths && !mask.causal) {
      return {angle_step(queries), angle_step(keys)};
    }
    std::int64_t length = padded;
    if (config_.reweighting_length == ReweightingLength::fixed) {
      length = config_.reweighting_length_value;
    } else if (config_.reweighting_length == ReweightingLength::automatic) {
      length = mask.causal ? setting_.causal_length : std::max(queries, keys);
    }
    return {angle_step(length), angle_step(length)};
  }

  /// Of all items.
  AngleSteps angle_steps(std::int64_t batch, std::int64_t queries, std::int64_t keys, const AttentionMask& mask) const {
    AngleSteps steps;
    const std::int64_t padded = std::max(mask.query_mask ? mask.query_mask->full_length() : queries,
                                         mask.key_mask ? mask.key_mask->full_length() : keys);
    for (std::int64_t b = 0; b < batch; ++b) {
      const AngleStep step = angle_step_of(mask.query_mask ? mask.query_mask->item_length(b) : queries,
                                           mask.key_mask ? mask.key_mask->item_length(b) : keys, padded, mask);
      steps.query.push_back(step.query);
      steps.key.push_back(step.key);
    }
    return steps;
  }

  AttentionConfig config_;
  AttentionSetting setting_;
  LinearAttentionOptions options_;
  Tensor projection_, projection32_;
};

}  // namespace

std::unique_ptr<Attention> make_linear_attention(const AttentionConfig& config, const AttentionSetting& setting) {
  return std::make_unique<LinearAttention>(config, setting);
}

}  // namespace cosformer

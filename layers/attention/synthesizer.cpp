// Synthesizer: attention whose weights come from each token alone, or from positions alone (Tay et al., ICML 2021).
#include "layers/attention/synthesizer.h"

#include <cmath>

#include "core/error.h"
#include "core/named_table.h"
#include "layers/attention/text_positions.h"
#include "layers/attention/variants.h"

namespace cosformer {

namespace {

/// Scores of standard deviation 1, as those of unit vectors' products over sqrt(head_dim) have.
Initializer unit_scores() { return Initializer::normal(1.0); }

class Synthesizer : public Attention {
 public:
  Synthesizer(SynthesizerForm form, const AttentionConfig& config, const AttentionSetting& setting)
      : Attention(setting),
        form_(form),
        heads_(setting.num_heads),
        length_(setting.max_length),
        rank_(config.synthesizer_rank),
        first_(factor_of(setting.max_length)),
        second_((setting.max_length + first_ - 1) / first_) {
    const std::int64_t H = heads_, D = setting.head_dim;
    const auto zeros = Initializer::constant(0);
    switch (form_) {
      case SynthesizerForm::dense:
        a_ = setting.scope.create("score_weight", {length_, H * D}, Initializer::xavier(D, length_));
        b_ = setting.scope.create("score_bias", {length_, H}, zeros);
        break;
      case SynthesizerForm::factorized_dense:
        a_ = setting.scope.create("first_weight", {H, first_, D}, Initializer::xavier(D, first_));
        a_bias_ = setting.scope.create("first_bias", {H, first_}, zeros);
        b_ = setting.scope.create("second_weight", {H, second_, D}, Initializer::xavier(D, second_));
        b_bias_ = setting.scope.create("second_bias", {H, second_}, zeros);
        break;
      case SynthesizerForm::random:
        a_ = setting.scope.create("scores", {H, length_, length_}, unit_scores());
        break;
      case SynthesizerForm::factorized_random: {
        const auto root = Initializer::normal(std::pow(static_cast<double>(rank_), -0.25));
        a_ = setting.scope.create("query_scores", {length_, H * rank_}, root);
        b_ = setting.scope.create("key_scores", {length_, H * rank_}, root);
        break;
      }
    }
  }

  Variable forward(const AttentionInputs& inputs, const AttentionMask& mask, const Pass& pass) const override {
    const Tensor queries = positions(inputs.query, mask.query_mask), keys = positions(inputs.key, mask.key_mask);
    switch (form_) {
      case SynthesizerForm::dense: {
        const Tensor ones = Tensor::full(inputs.query.shape().with_dim(3, 1), 1.0, inputs.query.dtype());
        const Variable own = concatenate(relu(inputs.query), Variable(ones));
        const Variable table = concatenate(rows_at(a_, keys, pass), rows_at(b_, keys, pass));
        return without_influence(softmax_attention(own, table, inputs.value, mask, {.scale = 1}), inputs.query, inputs.key);
      }
      case SynthesizerForm::factorized_dense: {
        const Variable hidden = relu(inputs.query);
        const Variable first = head_linear(hidden, pass.use(a_), pass.use(a_bias_)),
                       second = head_linear(hidden, pass.use(b_), pass.use(b_bias_));
        return without_influence(factor_attention(first, second, inputs.value, mask), inputs.query, inputs.key);
      }
      case SynthesizerForm::random:
        return without_influence(table_attention(pass.use(a_), inputs.value, mask, inputs.query.dim(1)), inputs.query,
                                 inputs.key);
      case SynthesizerForm::factorized_random:
        break;
    }
    return without_influence(
        softmax_attention(rows_at(a_, queries, pass), rows_at(b_, keys, pass), inputs.value, mask, {.scale = 1}),
        inputs.query, inputs.key);
  }

  double forward_flops(std::int64_t queries, std::int64_t keys, bool causal) const override {
    const auto rows = static_cast<double>(queries), columns = static_cast<double>(keys),
               dim = static_cast<double>(head_dim());
    const double pairs = rows * columns * (causal ? 0.5 : 1.0), values = 2.0 * pairs * dim;
    switch (form_) {
      case SynthesizerForm::dense:
        return values + 2.0 * pairs * (dim + 1);
      case SynthesizerForm::factorized_dense:
        return values + pairs + 2.0 * rows * dim * static_cast<double>(first_ + second_);
      case SynthesizerForm::random:
        return values;
      case SynthesizerForm::factorized_random:
        break;
    }
    return values + 2.0 * pairs * static_cast<double>(rank_);
  }
  double saved_numbers(std::int64_t queries, std::int64_t keys, bool) const override {
    const auto rows = static_cast<double>(queries), columns = static_cast<double>(keys),
               dim = static_cast<double>(head_dim());
    switch (form_) {
      case SynthesizerForm::dense:
        return rows * (1 + dim + 1) + columns * (dim + 1);
      case SynthesizerForm::factorized_dense:
        return rows * (1 + dim + static_cast<double>(first_ + second_));
      case SynthesizerForm::random:
        return rows;
      case SynthesizerForm::factorized_random:
        break;
    }
    return rows + (rows + columns) * static_cast<double>(rank_);
  }
  double working_numbers(std::int64_t queries, std::int64_t keys, bool) const override {
    return (3.0 * static_cast<double>(queries) + 3.0 * static_cast<double>(keys)) * static_cast<double>(head_dim());
  }

 private:
  /// The first factor's length: the whole part of the root of `length`.
  static std::int64_t factor_of(std::int64_t length) {
    std::int64_t root = 1;
    while ((root + 1) * (root + 1) <= length) ++root;
    return root;
  }

  Tensor positions(const Variable& x, const SharedPaddingMask& mask) const {
    return text_positions(x.dim(0), x.dim(1), mask, length_, "synthesizer has weights for");
  }
  /// Rows of a table [max_length, H · n] at positions [B, N], as [B, N, H, n].
  Variable rows_at(const Variable& table, const Tensor& at, const Pass& pass) const {
    return reshape(embedding(pass.use(table), at), {at.dim(0), at.dim(1), heads_, table.dim(1) / heads_});
  }

  SynthesizerForm form_;
  std::int64_t heads_, length_, rank_, first_, second_;
  Variable a_, a_bias_, b_, b_bias_;
};

constexpr SynthesizerKind kForms[] = {{"dense", SynthesizerForm::dense},
                                      {"factorized_dense", SynthesizerForm::factorized_dense},
                                      {"random", SynthesizerForm::random},
                                      {"factorized_random", SynthesizerForm::factorized_random}};

}  // namespace

std::span<const SynthesizerKind> synthesizer_forms() { return kForms; }

std::unique_ptr<Attention> make_synthesizer(const AttentionConfig& config, const AttentionSetting& setting) {
  check<InputError>(config.synthesizer_rank >= 1, "attention.synthesizer_rank: expected at least 1, found ",
                    config.synthesizer_rank);
  const SynthesizerForm form = find_named(synthesizer_forms(), config.synthesizer, "attention.synthesizer").form;
  return std::make_unique<Synthesizer>(form, config, setting);
}

}  // namespace cosformer

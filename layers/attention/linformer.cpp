// Linformer: softmax attention to a text whose length is projected to R positions (Wang et al., 2020, eq. 7).
#include <cmath>

#include "core/error.h"
#include "layers/attention/text_positions.h"
#include "layers/attention/variants.h"

namespace cosformer {

namespace {

class Linformer : public Attention {
 public:
  /// Parameters key_projection and value_projection [max_length, R], normal with variance 1 / R, for all heads together.
  Linformer(std::int64_t rows, const AttentionSetting& setting)
      : Attention(setting),
        rows_(rows),
        max_length_(setting.max_length),
        num_heads_(setting.num_heads),
        key_projection_(setting.scope.create("key_projection", {setting.max_length, rows}, initializer(rows))),
        value_projection_(setting.scope.create("value_projection", {setting.max_length, rows}, initializer(rows))) {}

  Variable forward(const AttentionInputs& inputs, const AttentionMask& mask, const Pass& pass) const override {
    check<Error>(!mask.causal, "[linformer] a projected text has no positions that could be hidden");
    const Tensor positions =
        text_positions(inputs.key.dim(0), inputs.key.dim(1), mask.key_mask, max_length_, "linformer projects");
    const auto projected = [&](const Variable& x, const Variable& projection) {
      return project_length(x, embedding(pass.use(projection), positions), mask.key_mask);
    };
    return softmax_attention(inputs.query, projected(inputs.key, key_projection_),
                             projected(inputs.value, value_projection_),
                             {.causal = false, .key_mask = {}, .query_mask = {}, .dropout = mask.dropout},
                             {.scale = 1.0 / std::sqrt(static_cast<double>(head_dim()))});
  }

  double forward_flops(std::int64_t queries, std::int64_t keys, bool) const override {
    return 4.0 * static_cast<double>(queries + keys) * static_cast<double>(rows_ * head_dim());
  }
  double saved_numbers(std::int64_t queries, std::int64_t keys, bool) const override {
    // The normalisers, projected keys and values, and a head's share of the rows of the two projections.
    return static_cast<double>(queries) + 2.0 * static_cast<double>(rows_ * head_dim()) +
           2.0 * static_cast<double>(keys * rows_) / static_cast<double>(num_heads_);
  }

 private:
  static Initializer initializer(std::int64_t rows) {
    return Initializer::normal(1.0 / std::sqrt(static_cast<double>(rows)));
  }

  std::int64_t rows_, max_length_, num_heads_;
  Variable key_projection_, value_projection_;
};

}  // namespace

std::unique_ptr<Attention> make_linformer(const AttentionConfig& config, const AttentionSetting& setting) {
  check<InputError>(config.projected_length >= 1, "attention.projected_length: expected at least 1, found ",
                    config.projected_length);
  return std::make_unique<Linformer>(config.projected_length, setting);
}

}  // namespace cosformer

#include "layers/attention/attention.h"

#include <algorithm>
#include <numeric>

#include "core/error.h"
#include "layers/attention/key_value_cache.h"

namespace cosformer {

namespace {

class CachedAttentionState : public AttentionState {
 public:
  explicit CachedAttentionState(std::shared_ptr<const Attention> attention)
      : attention_(std::move(attention)), cache_(attention_->reach()) {}

  Tensor step(const AttentionInputs& inputs) override {
    cache_.append(inputs.key.value(), inputs.value.value());
    const Tensor keys = cache_.keys();
    const std::int64_t position = position_++, count = keys.dim(1);
    const AttentionMask mask = mask_of_query_at(position, keys.dim(0), count, nullptr, position + 1 - count);
    const std::int64_t heads = inputs.query.dim(2);
    return attention_->forward({inputs.query, for_heads(keys, heads), for_heads(cache_.values(), heads)}, mask, Pass())
        .value();
  }
  /// The cache holds what is shared once; copies live while a layer's token is attended.
  bool takes_shared_heads() const override { return true; }
  void select(std::span<const std::int64_t> rows) override { cache_.select(rows); }

 private:
  static Variable for_heads(const Tensor& shared, std::int64_t heads) {
    return shared.dim(2) == heads ? Variable(shared) : repeat_heads(Variable(shared), heads / shared.dim(2));
  }

  std::shared_ptr<const Attention> attention_;
  KeyValueCache cache_;
  std::int64_t position_ = 0;
};

}  // namespace

AttentionMask mask_of_query_at(std::int64_t position, std::int64_t batch, std::int64_t keys,
                               const SharedPaddingMask& key_mask, std::int64_t first_key_position) {
  const auto items = static_cast<std::size_t>(batch);
  AttentionMask mask{.causal = false, .key_mask = key_mask, .query_mask = {}};
  mask.query_mask = std::make_shared<const PaddingMask>(
      PaddingMask{.batch = batch,
                  .length = 1,
                  .real = std::vector<std::uint8_t>(items, 1),
                  .positions = std::vector<std::int32_t>(items, static_cast<std::int32_t>(position)),
                  .padded_length = position + 1});
  if (key_mask && !key_mask->positions.empty()) return mask;
  PaddingMask placed{
      .batch = batch,
      .length = keys,
      .real = key_mask ? key_mask->real : std::vector<std::uint8_t>(items * static_cast<std::size_t>(keys), 1),
      .positions = std::vector<std::int32_t>(items * static_cast<std::size_t>(keys)),
      .padded_length = key_mask ? key_mask->full_length() : first_key_position + keys};
  for (std::int64_t b = 0; b < batch; ++b) {
    const auto begin = placed.positions.begin() + b * keys;
    std::iota(begin, begin + keys, static_cast<std::int32_t>(first_key_position));
  }
  mask.key_mask = std::make_shared<const PaddingMask>(std::move(placed));
  return mask;
}

Tensor AttentionState::steps(const AttentionInputs& inputs) {
  const std::int64_t tokens = inputs.value.dim(1);
  if (tokens == 1) return step(inputs);
  Tensor all;
  for (std::int64_t t = 0; t < tokens; ++t) {
    const auto token = [t](const Variable& own) {
      return own.defined() ? Variable(own.value().narrow(1, t, 1).contiguous()) : Variable();
    };
    const Tensor out = step({token(inputs.query), token(inputs.key), token(inputs.value), token(inputs.input)});
    if (!all.defined()) all = Tensor::empty(out.shape().with_dim(1, tokens), out.dtype());
    all.narrow(1, t, 1).copy_from(out);
  }
  return all;
}

std::unique_ptr<AttentionState> start_with_cache(std::shared_ptr<const Attention> attention) {
  check<Error>(!attention->reads_input(), "[attention] a key-value cache keeps no inputs of the layer");
  return std::make_unique<CachedAttentionState>(std::move(attention));
}

std::unique_ptr<AttentionState> Attention::start() const {
  // Not owned: an attention outlives its states.
  return start_with_cache(std::shared_ptr<const Attention>(std::shared_ptr<void>(), this));
}

double Attention::forward_flops(std::int64_t queries, std::int64_t keys, bool causal) const {
  const double pairs = static_cast<double>(queries) * static_cast<double>(keys) * (causal ? 0.5 : 1.0);
  return 4.0 * pairs * static_cast<double>(head_dim_);
}

double Attention::saved_numbers(std::int64_t queries, std::int64_t keys, bool) const {
  return static_cast<double>(queries) * static_cast<double>(keys);
}

}  // namespace cosformer

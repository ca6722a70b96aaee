#include "layers/attention/head_inputs.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "layers/attention/registry.h"
#include "layers/attention/select_rows.h"
#include "layers/attention/stack_rows.h"

namespace cosformer {

namespace {

/// Queries and keys without a projection of their own.
AttentionInputs with_stand_ins(AttentionInputs inputs) {
  if (!inputs.query.defined()) inputs.query = inputs.value;
  if (!inputs.key.defined()) inputs.key = inputs.query;
  return inputs;
}

/// [B, T, H, D] -> [B, T, H · D] and back, around a function of channels.
Variable convolve(const Variable& heads, const Variable& weight, const SharedPaddingMask& mask) {
  const Variable flat = reshape(heads, {heads.dim(0), heads.dim(1), heads.dim(2) * heads.dim(3)});
  return reshape(short_convolution(flat, weight, mask), heads.shape());
}

}  // namespace

/// Keeps the last K − 1 projected tokens, and counts positions.
class HeadInputsState : public AttentionState {
 public:
  HeadInputsState(const HeadInputs& inputs, std::unique_ptr<AttentionState> attention)
      : inputs_(inputs), attention_(std::move(attention)) {}

  Tensor step(const AttentionInputs& projected) override { return attention_->step(next(projected)); }
  Tensor steps(const AttentionInputs& projected) override { return attention_->steps(next(projected)); }
  void select(std::span<const std::int64_t> rows) override {
    for (Tensor& tail : tails_) {
      if (tail.defined()) tail = select_rows(tail, rows);
    }
    attention_->select(rows);
  }

 private:
  /// What the attention takes of the next tokens.
  AttentionInputs next(const AttentionInputs& projected) {
    AttentionInputs own = projected;
    if (inputs_.convolves()) {
      own.query = convolved(0, projected.query);
      own.key = convolved(1, projected.key);
      own.value = convolved(2, projected.value);
    }
    own.query = inputs_.rotated(own.query, nullptr, position_);
    own.key = inputs_.rotated(own.key, nullptr, position_);
    // A kind without queries takes the number of heads from its values.
    if (!attention_->takes_shared_heads() || !own.query.defined()) {
      if (own.key.defined()) own.key = inputs_.all_heads(own.key);
      own.value = inputs_.all_heads(own.value);
    }
    position_ += projected.value.dim(1);
    return with_stand_ins(std::move(own));
  }

  Variable convolved(std::size_t side, const Variable& tokens) {
    if (!tokens.defined()) return tokens;
    const Variable weight = inputs_.convolutions_[side].detach();
    const std::int64_t kept = weight.dim(1) - 1, count = tokens.dim(1);
    Tensor window = Tensor::zeros(tokens.shape().with_dim(1, kept + count), tokens.dtype());
    if (tails_[side].defined()) window.narrow(1, 0, kept).copy_from(tails_[side]);
    window.narrow(1, kept, count).copy_from(tokens.value());
    tails_[side] = window.narrow(1, count, kept).contiguous();
    return Variable(convolve(Variable(window), weight, nullptr).value().narrow(1, kept, count).contiguous());
  }

  const HeadInputs& inputs_;
  std::unique_ptr<AttentionState> attention_;
  std::array<Tensor, 3> tails_;  ///< [B, K − 1, heads, D]; zeros at first
  std::int64_t position_ = 0;
};

HeadInputs::HeadInputs(const Scope& scope, const AttentionConfig& config, std::int64_t num_heads, std::int64_t head_dim)
    : stands_in_(!find_attention_kind(config.kind).supports(config).projects_key),
      rotary_(config.rotary),
      rotary_base_(config.rotary_base),
      head_dim_(head_dim),
      copies_(config.kv_heads > 0 ? num_heads / config.kv_heads : 1) {
  if (config.short_convolution == 0) return;
  const std::int64_t taps = config.short_convolution;
  // PyTorch's first values of a convolution of single channels.
  const Initializer first{Initializer::Kind::uniform, 1.0 / std::sqrt(static_cast<double>(taps))};
  const std::int64_t widths[] = {num_heads * head_dim, num_heads / copies_ * head_dim, num_heads / copies_ * head_dim};
  const char* const names[] = {"q_convolution", "k_convolution", "v_convolution"};
  const AttentionSupport support = find_attention_kind(config.kind).supports(config);
  const bool exists[] = {support.projects_query, support.projects_key, true};
  for (std::size_t side = 0; side < convolutions_.size(); ++side) {
    if (!exists[side]) continue;
    convolutions_[side] = (scope / names[side]).create("weight", {widths[side], taps}, first);
  }
}

Variable HeadInputs::rotated(const Variable& heads, const SharedPaddingMask& mask, std::int64_t first) const {
  return rotary_ && heads.defined() ? rotate_positions(heads, mask, first, rotary_base_) : heads;
}

Variable HeadInputs::all_heads(const Variable& heads) const { return copies_ > 1 ? repeat_heads(heads, copies_) : heads; }

std::vector<CarriedPart> HeadInputs::carried_parts(std::int64_t rows) const {
  constexpr const char* kNames[] = {"q_tail", "k_tail", "v_tail"};
  std::vector<CarriedPart> parts;
  for (std::size_t side = 0; side < convolutions_.size(); ++side) {
    const Variable& weight = convolutions_[side];
    if (weight.defined() && weight.dim(1) > 1)
      parts.push_back({kNames[side], {rows, weight.dim(1) - 1, weight.dim(0) / head_dim_, head_dim_}});
  }
  return parts;
}

Variable HeadInputs::convolved(std::size_t side, const Variable& heads, const SharedPaddingMask& mask,
                               const Pass& pass) const {
  const Variable& weight = convolutions_[side];
  if (!weight.defined() || !heads.defined()) return heads;
  const std::int64_t kept = weight.dim(1) - 1, tokens = heads.dim(1);
  if (pass.layer_texts == nullptr || kept == 0) return convolve(heads, pass.use(weight), mask);
  // Behind the attention's state and the tails of the convolutions before this one.
  const auto part = static_cast<std::size_t>(1 + std::count_if(convolutions_.begin(),
                                                               convolutions_.begin() + static_cast<std::ptrdiff_t>(side),
                                                               [](const Variable& other) { return other.defined(); }));
  const Variable window = stack_rows(Variable(pass.layer_texts->before[part]), heads);
  Tensor tail = pass.layer_texts->after[part];
  tail.copy_from(window.value().narrow(1, tokens, kept));
  return narrow(convolve(window, pass.use(weight), nullptr), 1, kept, tokens);
}

AttentionInputs HeadInputs::of(const AttentionInputs& projected, const SharedPaddingMask& mask, const Pass& pass,
                               std::int64_t first) const {
  AttentionInputs own = projected;
  own.query = convolved(0, projected.query, mask, pass);
  own.key = convolved(1, projected.key, mask, pass);
  own.value = convolved(2, projected.value, mask, pass);
  own.query = rotated(own.query, mask, first);
  if (own.key.defined()) own.key = all_heads(rotated(own.key, mask, first));
  own.value = all_heads(own.value);
  return with_stand_ins(std::move(own));
}

std::unique_ptr<AttentionState> HeadInputs::start(std::unique_ptr<AttentionState> attention) const {
  if (!convolves() && !rotary_ && copies_ == 1 && !stands_in_) return attention;
  return std::make_unique<HeadInputsState>(*this, std::move(attention));
}

double HeadInputs::saved_numbers(const AttentionConfig& config, double width) {
  return config.short_convolution > 0 ? 3 * width : 0;
}

}  // namespace cosformer

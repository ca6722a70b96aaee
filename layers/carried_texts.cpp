#include "layers/carried_texts.h"

#include <utility>

#include "layers/transformer.h"

namespace cosformer {

CarriedStates::CarriedStates(const Transformer& decoder, std::int64_t rows, std::int64_t tokens, DType dtype)
    : tokens_(tokens) {
  for (const TransformerLayer& layer : decoder.layers()) {
    for (CarriedPart& part : layer.carried_parts(rows, tokens)) {
      before_.push_back(Tensor::zeros(part.shape, dtype));
      after_.push_back(Tensor::zeros(part.shape, dtype));
      parts_.push_back(std::move(part));
    }
    ends_.push_back(parts_.size());
  }
}

CarriedTexts CarriedStates::rows(std::int64_t first, std::int64_t count) const {
  CarriedTexts texts{tokens_before_, {}};
  std::size_t part = 0;
  for (const std::size_t end : ends_) {
    LayerTexts& layer = texts.layers.emplace_back();
    for (; part < end; ++part) {
      layer.before.push_back(before_[part].narrow(0, first, count));
      layer.after.push_back(after_[part].narrow(0, first, count));
    }
  }
  return texts;
}

void CarriedStates::advance() {
  std::swap(before_, after_);
  tokens_before_ += tokens_;
}

void CarriedStates::restart() {
  for (Tensor& state : before_) state.fill(0);
  tokens_before_ = 0;
}

std::int64_t carried_bytes(const Transformer& decoder, std::int64_t rows, std::int64_t tokens) {
  std::int64_t numbers = 0;
  for (const TransformerLayer& layer : decoder.layers()) {
    for (const CarriedPart& part : layer.carried_parts(rows, tokens)) numbers += part.shape.size();
  }
  return 2 * numbers * dtype_bytes(DType::float32);
}

}  // namespace cosformer

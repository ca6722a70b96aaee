#include "train/generator.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <numeric>

#include "core/error.h"
#include "core/random.h"

namespace cosformer {

std::int32_t sample_token(std::span<const float> logits, double temperature, std::int64_t top_k, double uniform) {
  if (temperature <= 0) return static_cast<std::int32_t>(std::ranges::max_element(logits) - logits.begin());
  std::vector<std::int32_t> order(logits.size());
  std::iota(order.begin(), order.end(), 0);
  const auto likelier = [&](std::int32_t a, std::int32_t b) {
    const float x = logits[static_cast<std::size_t>(a)], y = logits[static_cast<std::size_t>(b)];
    return x > y || (x == y && a < b);
  };
  const auto kept = static_cast<std::ptrdiff_t>(
      top_k > 0 ? std::min<std::size_t>(static_cast<std::size_t>(top_k), order.size()) : order.size());
  std::partial_sort(order.begin(), order.begin() + kept, order.end(), likelier);
  order.resize(static_cast<std::size_t>(kept));
  std::vector<double> cumulative;
  double sum = 0;
  for (const std::int32_t id : order) {
    sum += std::exp((static_cast<double>(logits[static_cast<std::size_t>(id)]) -
                     static_cast<double>(logits[static_cast<std::size_t>(order[0])])) /
                    temperature);
    cumulative.push_back(sum);
  }
  const auto chosen = std::ranges::upper_bound(cumulative, uniform * sum);
  return order[static_cast<std::size_t>(std::min(chosen - cumulative.begin(), kept - 1))];
}

GeneratedText generate(const Model& model, std::span<const std::int32_t> prompt, const SamplingOptions& options) {
  check<InputError>(!prompt.empty(), "--prompt: the prompt has no tokens");
  const std::int64_t vocab_size =
      options.vocab_size > 0 ? std::min(options.vocab_size, model.config().vocab_size) : model.config().vocab_size;
  for (const std::int32_t id : prompt) {
    check<InputError>(id >= 0 && id < vocab_size, "--prompt: token ", id, " is not in the model's vocabulary of ",
                      vocab_size);
  }
  const Transformer& decoder = model.decoder();
  const Pass pass;
  DecoderState state = decoder.start();
  const auto read = [&](std::int32_t id) {
    return decoder.step(Tensor::from<std::int32_t>({1, 1}, std::span<const std::int32_t>(&id, 1)), state);
  };
  Tensor hidden;
  for (const std::int32_t id : prompt) hidden = read(id);

  const Random random(options.seed, "generate");
  GeneratedText result;
  for (std::int64_t i = 0; i < options.tokens; ++i) {
    const auto start = std::chrono::steady_clock::now();
    const Tensor logits = model.logits(Variable(hidden), pass).value().contiguous();
    const auto known = logits.span<float>().first(static_cast<std::size_t>(vocab_size));
    const std::int32_t next =
        sample_token(known, options.temperature, options.top_k, random.uniform(static_cast<std::uint64_t>(i)));
    result.tokens.push_back(next);
    if (i + 1 < options.tokens) hidden = read(next);
    result.milliseconds.push_back(
        std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count());
  }
  return result;
}

}  // namespace cosformer

#include "train/tasks/generator.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <numeric>

#include "core/error.h"
#include "core/random.h"
#include "layers/attention/registry.h"
#include "layers/sequence/sequence_grid.h"

namespace cosformer {

namespace {

/// A decoder that reads tokens within a window.
class WindowedReader {
 public:
  WindowedReader(const Model& model, std::optional<std::int64_t> window)
      : decoder_(model.decoder()),
        chunk_size_(model.config().attention.chunk_size),
        window_(window),
        state_(decoder_.start()) {}

  /// The hidden state [1, 1, embed_dim] of the token that follows a prompt, which fits into the window.
  Tensor begin(std::span<const std::int32_t> prompt) {
    read_.assign(prompt.begin(), prompt.end());
    return read_on();
  }
  /// The same after one more token.
  Tensor read(std::int32_t id) {
    read_.push_back(id);
    if (!window_ || state_.position < *window_) return step(std::span(read_).last(1));
    ++slides_;
    state_ = decoder_.start();
    const auto kept = static_cast<std::size_t>(std::max<std::int64_t>(1, *window_ / 2));
    read_.erase(read_.begin(), read_.end() - static_cast<std::ptrdiff_t>(kept));
    return read_on();
  }
  std::int64_t slides() const { return slides_; }

 private:
  /// All tokens of `read_`, part by part, as a text is trained on that is cut.
  Tensor read_on() {
    const std::span<const std::int32_t> all = read_;
    const SequenceGrid grid(std::ssize(read_), chunk_size_);
    Tensor hidden;
    for (std::int64_t part = 0; part < grid.count(); ++part) {
      hidden = step(all.subspan(static_cast<std::size_t>(grid.first(part)), static_cast<std::size_t>(grid.tokens(part))));
    }
    return hidden;
  }
  /// The hidden state behind the last of some tokens.
  Tensor step(std::span<const std::int32_t> ids) {
    const Tensor hidden = decoder_.step(Tensor::from<std::int32_t>({1, std::ssize(ids)}, ids), state_);
    return hidden.narrow(1, hidden.dim(1) - 1, 1).contiguous();
  }

  const Transformer& decoder_;
  std::int64_t chunk_size_;
  const std::optional<std::int64_t> window_;
  DecoderState state_;
  std::vector<std::int32_t> read_;  ///< since the window moved last
  std::int64_t slides_ = 0;
};

}  // namespace

std::optional<std::int64_t> text_window(const ModelConfig& config, std::int64_t asked) {
  const std::optional<std::int64_t> most = is_bounded(config) ? std::optional(config.max_length) : std::nullopt;
  check<InputError>(asked >= 0, "--window: expected at least 1, found ", asked);
  check<InputError>(!most || asked <= *most, "--window: expected at most ", most.value_or(0),
                    ", the positions that the model has parameters for (model.max_length), found ", asked);
  return asked > 0 ? std::optional(asked) : most;
}

std::int32_t sample_token(std::span<const float> logits, const SamplingOptions& options, double uniform) {
  if (options.temperature <= 0) return static_cast<std::int32_t>(std::ranges::max_element(logits) - logits.begin());
  std::vector<std::int32_t> order(logits.size());
  std::iota(order.begin(), order.end(), 0);
  const auto likelier = [&](std::int32_t a, std::int32_t b) {
    const float x = logits[static_cast<std::size_t>(a)], y = logits[static_cast<std::size_t>(b)];
    return x > y || (x == y && a < b);
  };
  const auto kept = static_cast<std::ptrdiff_t>(
      options.top_k > 0 ? std::min<std::size_t>(static_cast<std::size_t>(options.top_k), order.size()) : order.size());
  std::partial_sort(order.begin(), order.begin() + kept, order.end(), likelier);
  order.resize(static_cast<std::size_t>(kept));
  std::vector<double> cumulative;
  double sum = 0;
  for (const std::int32_t id : order) {
    sum += std::exp((static_cast<double>(logits[static_cast<std::size_t>(id)]) -
                     static_cast<double>(logits[static_cast<std::size_t>(order[0])])) /
                    options.temperature);
    cumulative.push_back(sum);
  }
  if (options.top_p < 1) {
    // The token that reaches the share belongs to it.
    const auto reached = std::ranges::lower_bound(cumulative, options.top_p * sum);
    if (reached != cumulative.end()) cumulative.erase(reached + 1, cumulative.end());
  }
  const auto chosen = std::ranges::upper_bound(cumulative, uniform * cumulative.back()) - cumulative.begin();
  return order[std::min(static_cast<std::size_t>(chosen), cumulative.size() - 1)];
}

GeneratedText generate(const Model& model, std::span<const std::int32_t> prompt, const SamplingOptions& options,
                       const TokenSink& sink) {
  check<InputError>(!prompt.empty(), "--prompt: the prompt has no tokens");
  const std::int64_t vocab_size =
      options.vocab_size > 0 ? std::min(options.vocab_size, model.config().vocab_size) : model.config().vocab_size;
  for (const std::int32_t id : prompt) {
    check<InputError>(id >= 0 && id < vocab_size, "--prompt: token ", id, " is not in the model's vocabulary of ",
                      vocab_size);
  }
  const std::optional<std::int64_t> window = text_window(model.config(), options.window);
  if (window) prompt = prompt.last(std::min(prompt.size(), static_cast<std::size_t>(*window)));
  WindowedReader reader(model, window);
  Tensor hidden = reader.begin(prompt);

  const Pass pass;
  const Random random(options.seed, "generate");
  GeneratedText result;
  for (std::int64_t i = 0; i < options.tokens; ++i) {
    const auto start = std::chrono::steady_clock::now();
    const Tensor logits = model.logits(Variable(hidden), pass).value().contiguous();
    const auto known = logits.span<float>().first(static_cast<std::size_t>(vocab_size));
    const std::int32_t next = sample_token(known, options, random.uniform(static_cast<std::uint64_t>(i)));
    result.tokens.push_back(next);
    const bool goes_on = !sink || sink(next);
    if (goes_on && i + 1 < options.tokens) hidden = reader.read(next);
    result.milliseconds.push_back(
        std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count());
    if (!goes_on) break;
  }
  result.slides = reader.slides();
  return result;
}

}  // namespace cosformer

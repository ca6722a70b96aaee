#include "data/masked_token_batches.h"

#include <algorithm>
#include <utility>

#include "core/error.h"
#include "core/kernels/cross_entropy.h"
#include "core/random.h"

namespace cosformer {

namespace {

constexpr double kBecomesMask = 0.8, kBecomesRandom = 0.1;

/// Tokens of the text in a block.
std::int64_t block_length(const EpochText& text, std::int64_t seq_len, double mask_probability) {
  check<InputError>(text.size() > 0, "masked language modelling needs a token or more, found none");
  check<InputError>(seq_len >= 2, "task.seq_len: masked language modelling needs at least 2, found ", seq_len);
  check<InputError>(mask_probability > 0 && mask_probability <= 1,
                    "task.mask_probability: expected a value above 0, at most 1, found ", mask_probability);
  return seq_len - 1;
}

}  // namespace

struct MaskedTokenBatches::Draws {
  explicit Draws(std::uint64_t seed)
      : choice(seed, "mask/choice"), kind(seed, "mask/kind"), replacement(seed, "mask/token") {}
  Random choice, kind, replacement;
};

SharedPaddingMask MaskedTokenBatch::padding(std::int64_t first, std::int64_t count) const {
  const auto rows_of = std::span(lengths).subspan(static_cast<std::size_t>(first), static_cast<std::size_t>(count));
  if (std::ranges::all_of(rows_of, [&](std::int64_t real) { return real == length; })) return nullptr;
  PaddingMask mask{count, length, {}};
  mask.real.assign(static_cast<std::size_t>(count * length), 0);
  for (std::int64_t row = 0; row < count; ++row) {
    std::fill_n(mask.real.begin() + row * length, rows_of[static_cast<std::size_t>(row)], 1);
  }
  return std::make_shared<const PaddingMask>(std::move(mask));
}

MaskedTokenBatches::MaskedTokenBatches(EpochText text, const SpecialTokens& special, std::int64_t seq_len,
                                       double mask_probability, std::uint64_t seed)
    : text_(std::move(text)),
      special_(special),
      seq_len_(seq_len),
      mask_probability_(mask_probability),
      seed_(seed),
      windows_(text_.size(), block_length(text_, seq_len, mask_probability), seed) {}

MaskedTokenBatch MaskedTokenBatches::empty_batch() const {
  MaskedTokenBatch batch;
  batch.length = seq_len_;
  return batch;
}

void MaskedTokenBatches::add(MaskedTokenBatch& batch, const TextWindow& window, const Draws& draws) const {
  const auto row = static_cast<std::size_t>(batch.rows++ * seq_len_);
  batch.inputs.resize(row + static_cast<std::size_t>(seq_len_), 0);
  batch.targets.resize(row + static_cast<std::size_t>(seq_len_), kIgnoredTarget);
  batch.inputs[row] = special_.class_token;
  const auto epoch = static_cast<std::uint64_t>(window.epoch);
  std::vector<std::int32_t> tokens(static_cast<std::size_t>(window.end - window.begin));
  text_.copy(window.epoch, window.begin, tokens);
  std::pair<double, std::int64_t> least{2.0, 0};
  for (std::int64_t place = window.begin; place < window.end; ++place) {
    least = std::min(least, {draws.choice.uniform(static_cast<std::uint64_t>(place), epoch), place});
  }
  for (std::int64_t place = window.begin; place < window.end; ++place) {
    const auto index = static_cast<std::uint64_t>(place);
    const auto to = row + 1 + static_cast<std::size_t>(place - window.begin);
    const std::int32_t token = tokens[static_cast<std::size_t>(place - window.begin)];
    batch.inputs[to] = token;
    if (place != least.second && draws.choice.uniform(index, epoch) >= mask_probability_) continue;
    batch.targets[to] = token;
    ++batch.masked;
    const double kind = draws.kind.uniform(index, epoch);
    if (kind < kBecomesMask) {
      batch.inputs[to] = special_.mask;
    } else if (kind < kBecomesMask + kBecomesRandom) {
      const auto own_ids = static_cast<std::uint64_t>(special_.tokenizer_vocab_size);
      batch.inputs[to] = static_cast<std::int32_t>(draws.replacement.below(own_ids, index, epoch));
    }
  }
  const std::int64_t real = 1 + window.end - window.begin;
  batch.lengths.push_back(real);
  batch.tokens += real;
}

MaskedTokenBatch MaskedTokenBatches::batch(std::int64_t first_sequence, std::int64_t rows) const {
  MaskedTokenBatch batch = empty_batch();
  const Draws draws(seed_);
  for (std::int64_t row = 0; row < rows; ++row) add(batch, windows_(first_sequence + row), draws);
  return batch;
}

std::int64_t MaskedTokenBatches::evaluation_windows() const {
  const std::int64_t block = seq_len_ - 1;
  return (text_.size() + block - 1) / block;
}

MaskedTokenBatch MaskedTokenBatches::evaluation_batch(std::int64_t first_window, std::int64_t rows) const {
  MaskedTokenBatch batch = empty_batch();
  constexpr std::uint64_t kEvaluationSeed = 0;  // whatever the config says
  const Draws draws(kEvaluationSeed);
  const std::int64_t block = seq_len_ - 1, last = std::min(first_window + rows, evaluation_windows());
  for (std::int64_t window = first_window; window < last; ++window) {
    const std::int64_t begin = window * block;
    add(batch, {0, begin, std::min(begin + block, text_.size())}, draws);
  }
  return batch;
}

}  // namespace cosformer

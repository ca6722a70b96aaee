#include "core/kernels/cross_entropy.h"

#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

#include "core/error.h"
#include "core/memory.h"
#include "tests/catch.h"
#include "tests/support/random_values.h"
#include "tests/support/require_close.h"
#include "tests/support/thread_counts.h"

using namespace cosformer;
using namespace cosformer::test;

namespace {

struct Expected {
  double loss = 0;
  std::int64_t counted = 0, correct = 0;
  std::vector<double> row_loss, dlogits;  // gradients of the plain sum
};

template <class T>
Expected reference(std::int64_t rows, std::int64_t vocab, const std::vector<T>& logits,
                   const std::vector<std::int32_t>& targets, double smoothing) {
  Expected e;
  e.dlogits.assign(static_cast<std::size_t>(rows * vocab), 0);
  for (std::int64_t r = 0; r < rows; ++r) {
    const T* z = logits.data() + r * vocab;
    const std::int64_t target = targets[static_cast<std::size_t>(r)];
    double loss = 0, sum = 0;
    std::int64_t best = 0;
    for (std::int64_t j = 0; j < vocab; ++j) {
      sum += std::exp(static_cast<double>(z[j]));
      if (z[j] > z[best]) best = j;
    }
    for (std::int64_t j = 0; j < vocab && target >= 0; ++j) {
      const double probability = std::exp(static_cast<double>(z[j])) / sum;
      const double wanted = smoothing / static_cast<double>(vocab) + (j == target ? 1 - smoothing : 0);
      loss -= wanted * (static_cast<double>(z[j]) - std::log(sum));
      e.dlogits[static_cast<std::size_t>(r * vocab + j)] = probability - wanted;
    }
    e.row_loss.push_back(loss);
    e.loss += loss;
    e.counted += target >= 0;
    e.correct += target == best;
  }
  return e;
}

/// Targets of which every fifth is ignored if asked for.
std::vector<std::int32_t> some_targets(std::int64_t rows, std::int64_t vocab, bool ignore) {
  std::vector<std::int32_t> targets;
  for (const double value : random_values<double>(rows, 1, 0, static_cast<double>(vocab))) {
    targets.push_back(ignore && targets.size() % 5 == 2 ? kIgnoredTarget : static_cast<std::int32_t>(value));
  }
  return targets;
}

template <class T>
void check_plain(std::int64_t rows, std::int64_t vocab, double smoothing, double rel) {
  CAPTURE(rows, vocab, smoothing);
  const auto logits = random_values<T>(rows * vocab, 2, -6, 6);
  const auto targets = some_targets(rows, vocab, true);
  const Expected expected = reference(rows, vocab, logits, targets, smoothing);
  std::vector<T> row_loss(static_cast<std::size_t>(rows)), log_sum_exp(row_loss), d = logits;
  const CrossEntropySum sum =
      cross_entropy_forward(rows, vocab, logits.data(), targets.data(), smoothing, row_loss.data(), log_sum_exp.data());
  require_close("loss", expected.loss, sum.loss, {.rel = rel, .abs = rel});
  CHECK(sum.counted == expected.counted);
  CHECK(sum.correct == expected.correct);
  require_close("row loss", expected.row_loss, row_loss, {.rel = rel, .abs = rel});
  cross_entropy_backward(rows, vocab, d.data(), targets.data(), smoothing, log_sum_exp.data(), T(0.5),
                         Gradient<T>{d.data()});
  std::vector<T> added = d;
  cross_entropy_backward(rows, vocab, logits.data(), targets.data(), smoothing, log_sum_exp.data(), T(0.5),
                         Gradient<T>{added.data(), true});
  for (T& value : d) value *= T(2);
  require_close("dlogits", expected.dlogits, d, {.rel = rel, .abs = rel});
  require_close("dlogits added", d, added, {.rel = 0});
}

template <class T>
void check_linear(std::int64_t rows, std::int64_t width, std::int64_t vocab, double smoothing, bool with_bias, bool ignore,
                  double rel) {
  CAPTURE(rows, width, vocab, smoothing, with_bias, ignore);
  const auto hidden = random_values<T>(rows * width, 3), weight = random_values<T>(vocab * width, 4);
  const auto bias = random_values<T>(vocab, 5);
  const auto targets = some_targets(rows, vocab, ignore);
  std::vector<double> logits;
  for (std::int64_t r = 0; r < rows; ++r) {
    for (std::int64_t v = 0; v < vocab; ++v) {
      double z = with_bias ? static_cast<double>(bias[static_cast<std::size_t>(v)]) : 0.0;
      for (std::int64_t j = 0; j < width; ++j) {
        z += static_cast<double>(hidden[static_cast<std::size_t>(r * width + j)]) *
             static_cast<double>(weight[static_cast<std::size_t>(v * width + j)]);
      }
      logits.push_back(z);
    }
  }
  const Expected expected = reference(rows, vocab, logits, targets, smoothing);
  constexpr double kScale = 0.5;
  std::vector<double> dhidden(hidden.size()), dweight(weight.size(), 1.0), dbias(bias.size(), 2.0);
  for (std::int64_t r = 0; r < rows; ++r) {
    for (std::int64_t v = 0; v < vocab; ++v) {
      const double d = kScale * expected.dlogits[static_cast<std::size_t>(r * vocab + v)];
      dbias[static_cast<std::size_t>(v)] += d;
      for (std::int64_t j = 0; j < width; ++j) {
        dhidden[static_cast<std::size_t>(r * width + j)] +=
            d * static_cast<double>(weight[static_cast<std::size_t>(v * width + j)]);
        dweight[static_cast<std::size_t>(v * width + j)] +=
            d * static_cast<double>(hidden[static_cast<std::size_t>(r * width + j)]);
      }
    }
  }

  const LinearCrossEntropy<T> input{
      rows, width, vocab, hidden.data(), weight.data(), with_bias ? bias.data() : nullptr, targets.data(), smoothing};
  std::vector<T> row_loss(static_cast<std::size_t>(rows), T{9}), dh(hidden.size(), T{9}), dw(weight.size(), T{1}),
      db(bias.size(), T{2});
  const LinearCrossEntropyGradients<T> gradients{kScale, {dh.data()}, {dw.data(), true}, {db.data(), true}};
  const CrossEntropySum sum = linear_cross_entropy<T>(input, row_loss.data(), &gradients);
  require_close("loss", expected.loss, sum.loss, {.rel = rel, .abs = rel});
  CHECK(sum.counted == expected.counted);
  CHECK(sum.correct == expected.correct);
  require_close("row loss", expected.row_loss, row_loss, {.rel = rel, .abs = rel});
  require_close("dhidden", dhidden, dh, {.rel = 4 * rel, .abs = rel});
  const LinearCrossEntropyGradients<T> more{kScale, {dh.data(), true}, {}, {}};
  linear_cross_entropy<T>(input, nullptr, &more);
  for (double& value : dhidden) value *= 2;
  require_close("dhidden added", dhidden, dh, {.rel = 8 * rel, .abs = 2 * rel});
  require_close("dweight", dweight, dw, {.rel = 4 * rel, .abs = rel});
  require_close("dbias", dbias, db, {.rel = 4 * rel, .abs = rel});

  // The loss alone is the same number.
  CHECK(linear_cross_entropy<T>(input, nullptr, nullptr).loss == sum.loss);
}

}  // namespace

TEST_CASE("Cross-entropy of logits and its gradient agree with double loops") {
  for (const double smoothing : {0.0, 0.1}) {
    for (const std::int64_t rows : {0, 1, 6, 70}) {
      for (const std::int64_t vocab : {1, 2, 17, 64, 5000}) {
        check_plain<float>(rows, vocab, smoothing, 3e-6);
        check_plain<double>(rows, vocab, smoothing, 1e-11);
      }
    }
  }
}

TEST_CASE("Cross-entropy from hidden states agrees with double loops, with and without bias, smoothing and ignored rows") {
  for (const double smoothing : {0.0, 0.2}) {
    for (const bool ignore : {false, true}) {
      check_linear<float>(1, 3, 5, smoothing, true, ignore, 3e-6);
      check_linear<float>(70, 16, 33, smoothing, false, ignore, 3e-6);
      check_linear<double>(23, 7, 40, smoothing, true, ignore, 1e-11);
    }
  }
}

TEST_CASE("Cross-entropy from hidden states goes through several tiles of a large vocabulary") {
  // 33,000 classes: 128 rows per tile. Of 165 rows 132 count: a full tile and a short one, gathered; 130 rows in place.
  check_linear<float>(165, 2, 33000, 0.0, false, true, 1e-5);
  check_linear<float>(130, 2, 33000, 0.0, false, false, 1e-5);
}

TEST_CASE("Cross-entropy from hidden states never holds the logits of all rows") {
  constexpr std::int64_t kRows = 512, kWidth = 4, kVocab = 60000;
  const auto hidden = random_values<float>(kRows * kWidth, 6), weight = random_values<float>(kVocab * kWidth, 7);
  const auto targets = some_targets(kRows, kVocab, false);
  std::vector<float> dhidden(hidden.size()), dweight(weight.size());
  const LinearCrossEntropy<float> input{kRows, kWidth, kVocab, hidden.data(), weight.data(), nullptr, targets.data(), 0};
  const LinearCrossEntropyGradients<float> gradients{1, {dhidden.data()}, {dweight.data(), true}, {}};
  reset_peak_memory();
  const std::int64_t before = memory_use().live_bytes;
  CHECK(linear_cross_entropy<float>(input, nullptr, &gradients).counted == kRows);
  CHECK(memory_use().peak_live_bytes - before < kRows * kVocab * 4 / 3);
  CHECK(memory_use().live_bytes == before);
}

TEST_CASE("Extreme logits give a finite loss and gradient") {
  const std::vector<float> logits = {3e38F, -3e38F, 0, -1e30F, 80, 90};
  const std::vector<std::int32_t> targets = {0, 2};
  std::vector<float> row_loss(2), log_sum_exp(2), d(6);
  const CrossEntropySum sum =
      cross_entropy_forward<float>(2, 3, logits.data(), targets.data(), 0, row_loss.data(), log_sum_exp.data());
  require_close("loss", std::log1p(std::exp(-10.0)), sum.loss, {.rel = 0, .abs = 1e-7});
  CHECK(sum.correct == 2);
  cross_entropy_backward<float>(2, 3, logits.data(), targets.data(), 0, log_sum_exp.data(), 1, {d.data()});
  require_close("dlogits", std::vector<double>{0, 0, 0, 0, 4.5397869e-05, -4.5397869e-05}, d, {.rel = 0, .abs = 1e-6});
}

TEST_CASE("Of equal largest logits the first one is the prediction") {
  const std::vector<double> logits = {1, 2, 2, 1, 2, 2};
  const std::vector<std::int32_t> targets = {1, 2};
  std::vector<double> row_loss(2), log_sum_exp(2);
  CHECK(cross_entropy_forward(2, 3, logits.data(), targets.data(), 0, row_loss.data(), log_sum_exp.data()).correct == 1);
}

TEST_CASE("A target outside the classes is named with its row") {
  const std::vector<float> logits(8);
  std::vector<float> row_loss(2), log_sum_exp(2);
  for (const std::int32_t bad : {-2, 4, 2147483647}) {
    const std::vector<std::int32_t> targets = {0, bad};
    const std::string expected = "[cross_entropy] target " + std::to_string(bad) + " of row 1 is neither -1 nor in [0, 4)";
    CHECK_THROWS_WITH(
        cross_entropy_forward<float>(2, 4, logits.data(), targets.data(), 0, row_loss.data(), log_sum_exp.data()), expected);
    const LinearCrossEntropy<float> input{2, 1, 4, logits.data(), logits.data(), nullptr, targets.data(), 0};
    CHECK_THROWS_WITH(linear_cross_entropy<float>(input, nullptr, nullptr), expected);
  }
}

TEST_CASE("Losses of no counted row are 0") {
  const std::vector<float> values(12, 1.0F);
  const std::vector<std::int32_t> targets(3, kIgnoredTarget);
  std::vector<float> dhidden(6, 5.0F), dweight(8, 5.0F);
  const LinearCrossEntropy<float> input{3, 2, 4, values.data(), values.data(), nullptr, targets.data(), 0};
  const LinearCrossEntropyGradients<float> gradients{1, {dhidden.data()}, {dweight.data(), true}, {}};
  const CrossEntropySum sum = linear_cross_entropy<float>(input, nullptr, &gradients);
  CHECK((sum.loss == 0 && sum.counted == 0));
  CHECK(dhidden == std::vector<float>(6, 0.0F));
  CHECK(dweight == std::vector<float>(8, 5.0F));
}

TEST_CASE("Cross-entropy has the same bits on any number of threads") {
  constexpr std::int64_t kRows = 300, kWidth = 24, kVocab = 1000;
  const auto hidden = random_values<float>(kRows * kWidth, 8), weight = random_values<float>(kVocab * kWidth, 9);
  const auto bias = random_values<float>(kVocab, 10), logits = random_values<float>(kRows * kVocab, 11);
  const auto targets = some_targets(kRows, kVocab, true);
  require_same_bits_on_any_threads("cross-entropy", [&] {
    std::vector<float> result(static_cast<std::size_t>((kRows + kVocab) * kWidth + kVocab + 2 * kRows));
    float* out = result.data();
    const LinearCrossEntropy<float> input{kRows,         kWidth,      kVocab,         hidden.data(),
                                          weight.data(), bias.data(), targets.data(), 0.1};
    const LinearCrossEntropyGradients<float> gradients{1, {out}, {out + kRows * kWidth}, {out + (kRows + kVocab) * kWidth}};
    result.push_back(static_cast<float>(linear_cross_entropy<float>(input, nullptr, &gradients).loss));
    out = result.data() + (kRows + kVocab) * kWidth + kVocab;
    result.push_back(static_cast<float>(
        cross_entropy_forward<float>(kRows, kVocab, logits.data(), targets.data(), 0.1, out, out + kRows).loss));
    return result;
  });
}

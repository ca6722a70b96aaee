// Nyström attention: where it is softmax attention, what it costs, and what it refuses.
#include <algorithm>

#include "tests/catch.h"
#include "tests/support/input_error.h"
#include "tests/support/layer_cases.h"
#include "tests/support/require_close.h"
#include "tests/support/thread_counts.h"

namespace cosformer::test {

namespace {

AttentionConfig nystrom(std::int64_t landmarks, std::int64_t taps = 0) {
  AttentionConfig config;
  config.kind = "nystrom";
  config.num_landmarks = landmarks;
  config.conv_kernel_size = taps;
  return config;
}

Values output(const AttentionConfig& config, const std::vector<std::int64_t>& lengths, std::int64_t item, double size = 1) {
  const LoneAttention attention(config, 20, DType::float64);
  const SharedPaddingMask mask = padding_mask_from_lengths(lengths, 12);
  const auto batch = static_cast<std::int64_t>(lengths.size());
  const auto input = [&](std::uint64_t seed) {
    return Variable(random_tensor({batch, 12, 2, 4}, seed, DType::float64, -size, size));
  };
  const Variable out = attention.forward(input(1), input(2), input(3), {.key_mask = mask, .query_mask = mask});
  return values_of(out.value().narrow(0, item, 1).narrow(1, 0, lengths[static_cast<std::size_t>(item)]));
}

}  // namespace

TEST_CASE("a text of no more tokens than landmarks has softmax attention, beside longer ones too") {
  const ThreadCountScope one_thread(1);
  AttentionConfig softmax;
  softmax.kind = "softmax";
  const std::vector<std::int64_t> lengths = {5, 4, 12};
  for (const std::int64_t item : {0, 1}) {
    const Values expected = output(softmax, lengths, item);
    for (const std::int64_t landmarks : {5, 12}) {
      CAPTURE(item, landmarks);
      require_close("output", expected, output(nystrom(landmarks), lengths, item), {.rel = 1e-12});
    }
  }
  CHECK(output(softmax, lengths, 2) != output(nystrom(5), lengths, 2));
}

TEST_CASE("landmarks come near softmax attention where similarities are smooth") {
  const ThreadCountScope one_thread(1);
  AttentionConfig softmax;
  softmax.kind = "softmax";
  const std::vector<std::int64_t> lengths = {12};
  const Values expected = output(softmax, lengths, 0, 0.3), near = output(nystrom(6), lengths, 0, 0.3);
  require_close("output", expected, near, {.rel = 0.1});
}

TEST_CASE("Nyström attention costs time and memory linear in the length") {
  const LoneAttention attention(nystrom(64, 33));
  const auto flops = [&](std::int64_t n) { return attention->forward_flops(n, n, false); };
  const auto saved = [&](std::int64_t n) { return attention->saved_numbers(n, n, false); };
  CHECK(flops(4000) - flops(3000) == flops(2000) - flops(1000));
  CHECK(saved(4000) - saved(3000) == saved(2000) - saved(1000));
  CHECK(saved(4000) < 4 * saved(1000));
}

TEST_CASE("options of Nyström attention that mean nothing are refused under their keys") {
  const auto message = [](auto&& change) {
    AttentionConfig config = nystrom(4, 5);
    change(config);
    return input_error_of([&] { LoneAttention{config}; });
  };
  CHECK(message([](AttentionConfig& own) { own.num_landmarks = 0; }).starts_with("attention.num_landmarks: "));
  CHECK(message([](AttentionConfig& own) { own.pinv_iterations = 0; }).starts_with("attention.pinv_iterations: "));
  CHECK(message([](AttentionConfig& own) { own.conv_kernel_size = 4; }) ==
        "attention.conv_kernel_size: expected an odd number, or 0 for no convolution, found 4");
  CHECK(message([](AttentionConfig& own) { own.dropout = 0.1; }).starts_with("attention.dropout: "));
}

}  // namespace cosformer::test

#include <cmath>
#include <utility>

#include "tests/autograd/operator_table.h"

namespace cosformer::test {

namespace {

using Inputs = std::span<const Variable>;

struct Sample {
  const char* name;
  std::int64_t batch, length, block_size, blocks;
  std::vector<std::uint8_t> real = {};
  std::vector<std::int32_t> positions = {};

  bool counts(std::int64_t b, std::int64_t t) const {
    return real.empty() || real[static_cast<std::size_t>(b * length + t)] != 0;
  }
  std::int64_t position(std::int64_t b, std::int64_t t) const {
    return positions.empty() ? t : positions[static_cast<std::size_t>(b * length + t)];
  }
  SharedPaddingMask mask() const {
    if (real.empty()) return nullptr;
    return std::make_shared<const PaddingMask>(PaddingMask{batch, length, real, positions, block_size * blocks});
  }
};

std::vector<Sample> samples() {
  return {{"blocks that are full", 2, 6, 2, 3},
          {"a last block that is not full", 1, 7, 3, 4},
          {"padding anywhere", 2, 5, 2, 3, {1, 0, 1, 1, 1, 1, 1, 0, 0, 0}},
          {"padding left out", 1, 4, 3, 4, {1, 1, 0, 1}, {0, 2, 5, 10}},
          {"nothing", 1, 0, 2, 0}};
}

constexpr std::int64_t kHeads = 2, kWidth = 3;

OperatorCase sum_case(const Sample& sample, bool earlier) {
  return {.op = "sum_blocks",
          .sample = std::string(sample.name) + (earlier ? ", earlier blocks" : ""),
          .shapes = {{sample.batch, sample.length, kHeads, kWidth}},
          .apply = [=](Inputs in) { return sum_blocks(in[0], sample.mask(), sample.block_size, sample.blocks, earlier); },
          .reference =
              [=](const std::vector<Values>& in) {
                Values out(static_cast<std::size_t>(sample.batch * sample.blocks * kHeads * kWidth));
                for (std::int64_t b = 0; b < sample.batch; ++b) {
                  for (std::int64_t n = 0; n < sample.blocks; ++n) {
                    for (std::int64_t t = 0; t < sample.length; ++t) {
                      const std::int64_t own = sample.position(b, t) / sample.block_size;
                      if (!sample.counts(b, t) || !(earlier ? own < n : own == n)) continue;
                      for (std::int64_t i = 0; i < kHeads * kWidth; ++i) {
                        out[static_cast<std::size_t>((b * sample.blocks + n) * kHeads * kWidth + i)] +=
                            in[0][static_cast<std::size_t>((b * sample.length + t) * kHeads * kWidth + i)];
                      }
                    }
                  }
                }
                return out;
              }};
}

OperatorCase mix_case(const Sample& sample) {
  const std::int64_t N = sample.blocks, size = sample.block_size;
  return {.op = "mix_blocks",
          .sample = sample.name,
          .shapes = {{sample.batch, kHeads, N, N}, {sample.batch, sample.length, kHeads, kWidth}},
          .apply = [=](Inputs in) { return mix_blocks(in[0], in[1], sample.mask(), size); },
          .reference =
              [=](const std::vector<Values>& in) {
                Values out(static_cast<std::size_t>(sample.batch * N * size * kHeads * kWidth));
                for (std::int64_t b = 0; b < sample.batch; ++b) {
                  for (std::int64_t t = 0; t < sample.length; ++t) {
                    if (!sample.counts(b, t)) continue;
                    const std::int64_t source = sample.position(b, t) / size, place = sample.position(b, t) % size;
                    for (std::int64_t n = 0; n < N; ++n) {
                      for (std::int64_t h = 0; h < kHeads; ++h) {
                        const double weight = in[0][static_cast<std::size_t>(((b * kHeads + h) * N + n) * N + source)];
                        for (std::int64_t i = 0; i < kWidth; ++i) {
                          out[static_cast<std::size_t>(((b * N * size + n * size + place) * kHeads + h) * kWidth + i)] +=
                              weight * in[1][static_cast<std::size_t>(((b * sample.length + t) * kHeads + h) * kWidth + i)];
                        }
                      }
                    }
                  }
                }
                return out;
              }};
}

/// Weights themselves instead of their logarithms.
Values balanced(const SinkhornOptions& options, std::size_t n, Values x) {
  const auto counts = [&](std::size_t i, std::size_t j) { return !options.causal || j < i; };
  for (std::int64_t step = 0; step < options.iterations; ++step) {
    Values rows(n * n), columns(n * n);
    for (std::size_t i = 0; i < n; ++i) {
      double sum = 0;
      for (std::size_t j = 0; j < n; ++j) sum += counts(i, j) ? x[i * n + j] : 0;
      for (std::size_t j = 0; j < n; ++j) rows[i * n + j] = counts(i, j) ? x[i * n + j] / sum : 0;
    }
    for (std::size_t i = 0; i < n; ++i) {
      for (std::size_t j = 0; j < n; ++j) {
        double sum = 0;
        for (std::size_t k = 0; k < (options.causal ? i + 1 : n); ++k) sum += rows[k * n + j];
        columns[i * n + j] = counts(i, j) ? rows[i * n + j] / sum : 0;
      }
    }
    x = columns;
  }
  for (std::size_t i = 0; i < n * n; ++i) x[i] = counts(i / n, i % n) ? x[i] : 0;
  return x;
}

OperatorCase sinkhorn_case(const char* sample, const SinkhornOptions& options, std::int64_t blocks, std::int64_t columns,
                           const std::vector<std::int64_t>& counts) {
  const auto batch = static_cast<std::int64_t>(counts.size());
  return {.op = "sinkhorn",
          .sample = std::string(sample) + (options.causal ? ", causal" : ""),
          .shapes = {{batch, blocks, kHeads, columns}},
          .apply = [=](Inputs in) { return sinkhorn(in[0], counts, options); },
          .reference =
              [=](const std::vector<Values>& in) {
                Values out(static_cast<std::size_t>(batch * kHeads * blocks * blocks));
                for (std::int64_t b = 0; b < batch; ++b) {
                  for (std::int64_t h = 0; h < kHeads; ++h) {
                    const std::int64_t n = counts[static_cast<std::size_t>(b)];
                    Values x;
                    for (std::int64_t i = 0; i < n; ++i) {
                      for (std::int64_t j = 0; j < n; ++j) {
                        const std::int64_t element = ((b * blocks + i) * kHeads + h) * columns + j;
                        x.push_back(std::exp(in[0][static_cast<std::size_t>(element)] / options.temperature));
                      }
                    }
                    x = balanced(options, static_cast<std::size_t>(n), x);
                    for (std::int64_t i = 0; i < n * n; ++i) {
                      out[static_cast<std::size_t>(((b * kHeads + h) * blocks + i / n) * blocks + i % n)] =
                          x[static_cast<std::size_t>(i)];
                    }
                  }
                }
                return out;
              }};
}

}  // namespace

std::vector<OperatorCase> sinkhorn_cases() {
  std::vector<OperatorCase> cases;
  for (const Sample& sample : samples()) {
    cases.push_back(mix_case(sample));
    for (const bool earlier : {false, true}) cases.push_back(sum_case(sample, earlier));
  }
  for (const bool causal : {false, true}) {
    const SinkhornOptions options{.iterations = 3, .temperature = 0.8, .causal = causal};
    cases.push_back(sinkhorn_case("texts of several lengths", options, 4, 5, {4, 2, 0, 1}));
    cases.push_back(sinkhorn_case("one block", options, 1, 1, {1}));
    cases.push_back(sinkhorn_case("nothing", options, 0, 2, {}));
    cases.push_back(sinkhorn_case("not balanced", {.iterations = 0, .temperature = 2, .causal = causal}, 3, 3, {3}));
  }
  return cases;
}

std::vector<BadInput> bad_sinkhorn_inputs() {
  const auto zeros = [](const Shape& shape) { return Variable(Tensor::zeros(shape)); };
  const Variable heads = zeros({2, 3, 2, 4});
  return {{"sum_blocks", "too few blocks", [=] { sum_blocks(heads, nullptr, 2, 1, false); }},
          {"sum_blocks", "a mask of another shape", [=] { sum_blocks(heads, some_mask(), 2, 2, false); }},
          {"mix_blocks", "weights of other heads",
           [=] {
             mix_blocks(zeros({2, 1, 2, 2}), heads, nullptr, 2);
           }},
          {"mix_blocks", "too few blocks",
           [=] {
             mix_blocks(zeros({2, 2, 1, 1}), heads, nullptr, 2);
           }},
          {"sinkhorn", "fewer columns than rows",
           [=] {
             sinkhorn(zeros({1, 3, 2, 2}), {3}, {});
           }},
          {"sinkhorn", "more blocks than rows",
           [=] {
             sinkhorn(zeros({1, 3, 2, 3}), {4}, {});
           }},
          {"sinkhorn", "counts of other texts", [=] {
             sinkhorn(zeros({2, 3, 2, 3}), {3}, {});
           }}};
}

}  // namespace cosformer::test

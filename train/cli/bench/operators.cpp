#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <iostream>
#include <nlohmann/json.hpp>
#include <numbers>

#include "autograd/backward.h"
#include "autograd/ops.h"
#include "core/named_table.h"
#include "core/parallel.h"
#include "core/random.h"
#include "train/cli/bench/bench.h"
#include "train/cli/bench/ceilings.h"
#include "train/cli/bench/child_process.h"
#include "train/cli/bench/random_tensor.h"
#include "train/cli/bench/timing.h"
#include "train/optimizers/optimizer.h"

namespace cosformer {

namespace {

/// What one call has to do at least: arithmetic where products dominate, else bytes read and written in memory. The other is
/// 0.
struct Work {
  double flops = 0;
  double bytes = 0;
};

/// One operator in one shape, ready to be called.
struct Prepared {
  std::function<void()> forward;           ///< without a graph
  std::function<void()> forward_backward;  ///< empty where there is no backward pass
  Work forward_work, forward_backward_work;
};

struct OperatorRow {
  const char* name;
  const char* shape;
  Prepared (*prepare)();
};

/// `apply` on leaves for both passes, on constants for the forward pass.
Prepared prepare(std::vector<Shape> shapes, Work forward, Work forward_backward,
                 std::function<Variable(const std::vector<Variable>&)> apply) {
  std::vector<Variable> constants, leaves;
  for (std::size_t i = 0; i < shapes.size(); ++i) {
    const Tensor values = normal_tensor(shapes[i], "operator/" + std::to_string(i));
    constants.emplace_back(values);
    leaves.push_back(Variable::leaf(values));
  }
  const Tensor doutput = normal_tensor(apply(constants).shape(), "operator/doutput");
  return {.forward = [apply, constants] { apply(constants); },
          .forward_backward = [apply, leaves, doutput] { backward(apply(leaves), doutput); },
          .forward_work = forward,
          .forward_backward_work = forward_backward};
}

Tensor random_ids(std::int64_t count, std::int64_t bound) {
  Tensor ids = Tensor::empty({count}, DType::int32);
  const Random random(1, "operator/ids");
  for (std::int64_t i = 0; i < count; ++i) {
    ids.data<std::int32_t>()[i] =
        static_cast<std::int32_t>(random.below(static_cast<std::uint64_t>(bound), static_cast<std::uint64_t>(i)));
  }
  return ids;
}

/// A backward pass costs two products of the forward pass's size.
template <std::int64_t rows, std::int64_t in, std::int64_t out>
Prepared prepare_linear() {
  const double flops = 2.0 * rows * in * out;
  return prepare({{rows, in}, {out, in}, {out}}, {.flops = flops}, {.flops = 3 * flops},
                 [](const auto& x) { return linear(x[0], x[1], x[2]); });
}

/// The fused blocks of a narrow model: 64 wide, feed-forward 128 wide.
constexpr std::int64_t kNarrowRows = 32768, kNarrow = 64, kNarrowFfn = 128;

Prepared prepare_norm_linear() {
  const double flops = 3 * 2.0 * kNarrowRows * kNarrow * kNarrow;
  return prepare({{kNarrowRows, kNarrow}, {kNarrow}, {kNarrow}, {kNarrow, kNarrow}, {kNarrow}}, {.flops = flops},
                 {.flops = 3 * flops}, [](const auto& x) {
                   const std::vector<LinearWeights> layers(3, LinearWeights{x[3], x[4]});
                   const std::vector<Variable> y = norm_linear(x[0], {x[1], x[2], 1e-5}, layers);
                   return add(y[0], add(y[1], y[2]));
                 });
}

Prepared prepare_linear_residual() {
  const double flops = 2.0 * kNarrowRows * kNarrow * kNarrow;
  return prepare({{kNarrowRows, kNarrow}, {kNarrow, kNarrow}, {kNarrow}, {kNarrowRows, kNarrow}}, {.flops = flops},
                 {.flops = 3 * flops}, [](const auto& x) {
                   return linear_residual(x[0], {x[1], x[2]}, x[3], std::nullopt);
                 });
}

Prepared prepare_feed_forward() {
  const double flops = 2 * 2.0 * kNarrowRows * kNarrow * kNarrowFfn;
  return prepare(
      {{kNarrowRows, kNarrow}, {kNarrow}, {kNarrow}, {kNarrowFfn, kNarrow}, {kNarrowFfn}, {kNarrow, kNarrowFfn}, {kNarrow}},
      {.flops = flops}, {.flops = 3 * flops}, [](const auto& x) {
        return feed_forward(x[0], {x[1], x[2], 1e-5}, {x[3], x[4]}, {x[5], x[6]}, Activation::gelu, std::nullopt);
      });
}

/// Operators on rows of numbers: `forward` and `backward` are how often an activation is read or written.
template <std::int64_t rows, std::int64_t width>
Prepared prepare_rows(std::vector<Shape> shapes, double forward, double backward,
                      std::function<Variable(const std::vector<Variable>&)> apply) {
  const double bytes = 4.0 * rows * width;
  return prepare(std::move(shapes), {.bytes = forward * bytes}, {.bytes = (forward + backward) * bytes}, std::move(apply));
}

Prepared prepare_layer_norm() {
  return prepare_rows<65536, 256>({{65536, 256}, {256}, {256}}, 2, 3,
                                  [](const auto& x) { return layer_norm(x[0], x[1], x[2], 1e-5); });
}

Prepared prepare_bias_gelu() {
  return prepare_rows<16384, 1024>({{16384, 1024}, {1024}}, 2, 3,
                                   [](const auto& x) { return bias_activation(x[0], x[1], Activation::gelu); });
}

Prepared prepare_add() {
  return prepare_rows<65536, 256>({{65536, 256}, {65536, 256}}, 3, 0, [](const auto& x) { return add(x[0], x[1]); });
}

Prepared prepare_embedding() {
  const Tensor ids = random_ids(65536, 8192);
  // The table and its gradient are small beside the rows that are read from it and added to it.
  return prepare_rows<65536, 256>({{8192, 256}}, 1, 1, [ids](const auto& x) { return embedding(x[0], ids); });
}

Prepared prepare_cross_entropy() {
  const Tensor targets = random_ids(4096, 8192);
  return prepare_rows<4096, 8192>({{4096, 8192}}, 1, 2,
                                  [targets](const auto& x) { return cross_entropy(x[0], targets, 1.0 / 4096); });
}

Prepared prepare_linear_cross_entropy() {
  const double flops = 2.0 * 4096 * 256 * 8192;
  const Tensor targets = random_ids(4096, 8192);
  return prepare({{4096, 256}, {8192, 256}}, {.flops = flops}, {.flops = 3 * flops},
                 [targets](const auto& x) { return linear_cross_entropy(x[0], x[1], Variable(), targets, 1.0 / 4096); });
}

/// Ids of three bands of 20000, 40000 and 32000 tokens that fall in them as 8 : 1 : 1, about what text does.
Tensor banded_ids(std::int64_t count) {
  Tensor ids = random_ids(count, 16000);
  const Random random(2, "operator/bands");
  for (std::int64_t i = 0; i < count; ++i) {
    const std::uint64_t tenth = random.below(10, static_cast<std::uint64_t>(i));
    ids.data<std::int32_t>()[i] += tenth < 8 ? 0 : tenth == 8 ? 20000 : 60000;
  }
  return ids;
}

constexpr std::int64_t kBandRows = 1024, kBandWidth = 512;

Prepared prepare_adaptive_embedding() {
  // Each token's vector is read, projected and written in its place.
  const double products = 2.0 * kBandRows * kBandWidth * (0.8 * 512 + 0.1 * 128 + 0.1 * 32);
  const Tensor ids = banded_ids(kBandRows);
  return prepare({{20000, 512}, {512, 512}, {40000, 128}, {512, 128}, {32000, 32}, {512, 32}}, {.flops = products},
                 {.flops = 3 * products}, [ids](const auto& x) {
                   const std::vector<AdaptiveBand> bands = {{x[0], x[1]}, {x[2], x[3]}, {x[4], x[5]}};
                   return adaptive_embedding(bands, ids);
                 });
}

Prepared prepare_adaptive_cross_entropy() {
  const double head = 20002.0 * kBandWidth, tails = 0.1 * 128 * (kBandWidth + 40000.0) + 0.1 * 32 * (kBandWidth + 32000.0);
  const double flops = 2.0 * kBandRows * (head + tails);
  const Tensor targets = banded_ids(kBandRows);
  return prepare(
      {{kBandRows, kBandWidth}, {20002, kBandWidth}, {128, kBandWidth}, {40000, 128}, {32, kBandWidth}, {32000, 32}},
      {.flops = flops}, {.flops = 3 * flops}, [targets](const auto& x) {
        return adaptive_cross_entropy(x[0], {x[1], Variable(), {{x[2], x[3]}, {x[4], x[5]}}}, targets, 1.0 / kBandRows);
      });
}

constexpr std::int64_t kBatch = 4, kHeads = 8, kHeadDim = 64;

template <bool causal>
Prepared prepare_cosformer() {
  constexpr std::int64_t kLength = 2048;
  const Shape shape{kBatch, kLength, kHeads, kHeadDim};
  const double flops = 8.0 * kBatch * kHeads * kLength * kHeadDim * kHeadDim;
  return prepare({shape, shape, shape}, {.flops = flops}, {.flops = 3 * flops}, [](const auto& x) {
    const std::vector<double> steps(kBatch, std::numbers::pi / (2.0 * kLength));
    LinearAttentionOptions options;
    options.feature_map = FeatureMap::relu;
    options.cos_reweighting = true;
    options.query_angle_step = options.key_angle_step = steps;
    return linear_attention(x[0], x[1], x[2], {.causal = causal}, options);
  });
}

Prepared prepare_l1_norm() {
  constexpr std::int64_t kLength = 1024;
  const Shape shape{kBatch, kLength, kHeads, kHeadDim};
  const double flops = 4.0 * kBatch * kHeads * kLength * kLength * kHeadDim;
  return prepare({shape, shape, shape}, {.flops = flops}, {.flops = 3 * flops}, [](const auto& x) {
    return linear_attention(
        x[0], x[1], x[2], {},
        {.feature_map = FeatureMap::leaky_relu, .cos_reweighting = false, .normalization = AttentionNormalization::l1});
  });
}

template <bool causal>
Prepared prepare_softmax() {
  constexpr std::int64_t kLength = 1024;
  const Shape shape{kBatch, kLength, kHeads, kHeadDim};
  const double flops = (causal ? 2.0 : 4.0) * kBatch * kHeads * kLength * kLength * kHeadDim;
  return prepare({shape, shape, shape}, {.flops = flops}, {.flops = 3 * flops},
                 [](const auto& x) { return softmax_attention(x[0], x[1], x[2], {.causal = causal}, {.scale = 0.125}); });
}

Prepared prepare_adamw() {
  constexpr std::int64_t kElements = 1 << 24;
  const std::vector<Parameter> parameters = {{"weight", Variable::leaf(normal_tensor({kElements}, "operator/weight"))}};
  Gradients gradients;
  gradients.set(parameters[0].variable.node().get(), normal_tensor({kElements}, "operator/gradient"));
  const std::shared_ptr<Optimizer> optimizer = make_optimizer(OptimizerConfig(), parameters);
  // Parameter and two moments are read and written, the gradient is read.
  return {.forward = [=] { optimizer->update(parameters, gradients, 1, 1e-4, 1.0); },
          .forward_work = {.bytes = 7.0 * 4 * kElements}};
}

constexpr OperatorRow kRows[] = {
    {"linear_64_64", "65536 rows, 64 to 64", prepare_linear<65536, 64, 64>},
    {"linear_64_128", "65536 rows, 64 to 128", prepare_linear<65536, 64, 128>},
    {"linear_256_256", "4096 rows, 256 to 256", prepare_linear<4096, 256, 256>},
    {"linear_256_1024", "4096 rows, 256 to 1024", prepare_linear<4096, 256, 1024>},
    {"linear_768_3072", "1024 rows, 768 to 3072", prepare_linear<1024, 768, 3072>},
    {"norm_linear", "32768 rows, 64 to 3 times 64, and a sum", prepare_norm_linear},
    {"linear_residual", "32768 rows, 64 to 64", prepare_linear_residual},
    {"feed_forward", "32768 rows of 64, hidden 128", prepare_feed_forward},
    {"linear_cross_entropy", "4096 rows of 256, vocabulary 8192", prepare_linear_cross_entropy},
    {"adaptive_embedding", "1024 rows of 512 in bands of 92000", prepare_adaptive_embedding},
    {"adaptive_cross_entropy", "1024 rows of 512, bands of 92000", prepare_adaptive_cross_entropy},
    {"cosformer", "batch 4, length 2048, 8 heads of 64", prepare_cosformer<false>},
    {"cosformer_causal", "batch 4, length 2048, 8 heads of 64", prepare_cosformer<true>},
    {"linear_l1_norm", "batch 4, length 1024, 8 heads of 64", prepare_l1_norm},
    {"softmax", "batch 4, length 1024, 8 heads of 64", prepare_softmax<false>},
    {"softmax_causal", "batch 4, length 1024, 8 heads of 64", prepare_softmax<true>},
    {"layer_norm", "65536 rows of 256", prepare_layer_norm},
    {"bias_gelu", "16384 rows of 1024", prepare_bias_gelu},
    {"add", "65536 rows of 256", prepare_add},
    {"embedding", "65536 rows of 256 from 8192", prepare_embedding},
    {"cross_entropy", "4096 rows of 8192", prepare_cross_entropy},
    {"adamw", "16777216 parameters", prepare_adamw},
};

constexpr std::int64_t kMaxRepetitions = 100'000;
constexpr double kCeilingSeconds = 0.1;

/// Milliseconds, rate and share of one pass of a row.
nlohmann::ordered_json measure_pass(const OperatorRow& row, const char* pass, const std::function<void()>& call,
                                    const Work& work, int repetitions, double matmul, double bandwidth) {
  constexpr double kLeastSeconds = 0.02;
  const double seconds = time_calls(repetitions, kLeastSeconds, call).median;
  nlohmann::ordered_json result = {
      {"operator", row.name}, {"shape", row.shape}, {"pass", pass}, {"milliseconds", 1e3 * seconds}};
  const bool arithmetic = work.flops > 0;
  const double rate = (arithmetic ? work.flops : work.bytes) / seconds;
  result[arithmetic ? "gflops" : "gigabytes_per_second"] = 1e-9 * rate;
  result["share_of_peak"] = rate / (arithmetic ? matmul : bandwidth);
  return result;
}

nlohmann::ordered_json measure(std::span<const OperatorRow> rows, int repetitions) {
  const double matmul = matmul_ceiling(kCeilingSeconds);
  const MemoryCeilings memory = memory_ceilings(kCeilingSeconds);
  const double bandwidth = std::max({memory.read, memory.fill, memory.triad});
  nlohmann::ordered_json results = nlohmann::ordered_json::array();
  for (const OperatorRow& row : rows) {
    const Prepared prepared = row.prepare();
    const auto add_pass = [&](const char* pass, const std::function<void()>& call, const Work& work) {
      if (call) results.push_back(measure_pass(row, pass, call, work, repetitions, matmul, bandwidth));
    };
    add_pass("forward", prepared.forward, prepared.forward_work);
    add_pass("forward_backward", prepared.forward_backward, prepared.forward_backward_work);
  }
  return results;
}

}  // namespace

int run_bench_operators(int argc, char** argv) {
  CommandLine line(
      "cosformer bench operators",
      "Times the operators that training spends its time in: GFLOP/s and their share of the matrix-product ceiling\n"
      "where products dominate, else the GB/s that it has to move at least and their share of the best of read, fill and "
      "triad.");
  line.options()("only", "one operator", cxxopts::value<std::string>(), "NAME")(
      "repetitions", "timed calls", cxxopts::value<std::string>()->default_value("5"), "R");
  add_threads_option(line);
  add_json_option(line);
  const auto given = line.parse(argc, argv);
  if (!given) return 0;
  use_given_threads(*given);
  std::span<const OperatorRow> rows = kRows;
  if (given->count("only") > 0) rows = {&find_named(kRows, (*given)["only"].as<std::string>(), "--only"), 1};
  const int repetitions = static_cast<int>(given_integer(*given, "repetitions", 1, kMaxRepetitions));
  const nlohmann::ordered_json results = measure_in_child([&] { return measure(rows, repetitions); });
  if (given->count("json") > 0) {
    for (nlohmann::ordered_json result : results) {
      result["threads"] = num_threads();
      print_json(result);
    }
    return 0;
  }
  std::cout << fmt::format("{:<24}{:<38}{:<18}{:>9} {:>9} {:>8} {:>7}\n", "operator", "shape", "pass", "ms", "GFLOP/s",
                           "GB/s", "share");
  for (const auto& result : results) {
    const auto rate = [&](const char* key) {
      return result.contains(key) ? fmt::format("{:.1f}", result[key].get<double>()) : "";
    };
    std::cout << fmt::format("{:<24}{:<38}{:<18}{:>9.2f} {:>9} {:>8} {:>7.2f}\n", result["operator"].get<std::string>(),
                             result["shape"].get<std::string>(), result["pass"].get<std::string>(),
                             result["milliseconds"].get<double>(), rate("gflops"), rate("gigabytes_per_second"),
                             result["share_of_peak"].get<double>());
  }
  return 0;
}

}  // namespace cosformer

#include "train/cli/bench/operator_rows.h"

#include <numbers>
#include <vector>

#include "autograd/backward.h"
#include "autograd/ops.h"
#include "core/kernels/elementwise.h"
#include "core/random.h"
#include "train/cli/bench/product_rows.h"
#include "train/cli/bench/random_tensor.h"
#include "train/optimizers/optimizer.h"

namespace cosformer {

namespace {

using Prepared = PreparedOperator;
using Work = OperatorWork;

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
        return feed_forward(x[0], {x[1], x[2], 1e-5}, {x[3], x[4]}, {x[5], x[6]}, ScalarFunction::gelu);
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
                                   [](const auto& x) { return bias_activation(x[0], x[1], ScalarFunction::gelu); });
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

/// Probabilities of logits with deviation 16: about one in twenty is denormal.
Prepared prepare_cross_entropy_denormal() {
  const Tensor targets = random_ids(4096, 8192);
  Tensor logits = normal_tensor({4096, 8192}, "operator/logits");
  scale_elements(16.0f, logits.data<float>(), logits.data<float>(), logits.size());
  const Variable constant(logits), leaf = Variable::leaf(logits);
  const double bytes = 4.0 * 4096 * 8192;
  return {.forward = [=] { cross_entropy(constant, targets, 1.0 / 4096); },
          .forward_backward = [=] { backward(cross_entropy(leaf, targets, 1.0 / 4096)); },
          .forward_work = {.bytes = bytes},
          .forward_backward_work = {.bytes = 3 * bytes}};
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
    options.feature_map = ScalarFunction::relu;
    options.reweighting = Reweighting::cos;
    options.steps = {steps, steps};
    return linear_attention(x[0], x[1], x[2], {.causal = causal}, options);
  });
}

Prepared prepare_l1_norm() {
  constexpr std::int64_t kLength = 1024;
  const Shape shape{kBatch, kLength, kHeads, kHeadDim};
  const double flops = 4.0 * kBatch * kHeads * kLength * kLength * kHeadDim;
  return prepare({shape, shape, shape}, {.flops = flops}, {.flops = 3 * flops}, [](const auto& x) {
    return linear_attention(x[0], x[1], x[2], {},
                            {.feature_map = ScalarFunction::leaky_relu,
                             .reweighting = Reweighting::none,
                             .normalization = AttentionNormalization::l1});
  });
}

Prepared prepare_favor_features() {
  constexpr std::int64_t kLength = 1024, kFeatures = 256;
  const double flops = 2.0 * kBatch * kHeads * kLength * kHeadDim * kFeatures;
  const Tensor projection = normal_tensor({kHeads, kFeatures, kHeadDim}, "operator/projection");
  // The projection is constant: the backward pass has one product.
  return prepare({{kBatch, kLength, kHeads, kHeadDim}}, {.flops = flops}, {.flops = 2 * flops},
                 [projection](const auto& x) { return favor_features(x[0], projection); });
}

template <bool causal>
Prepared prepare_softmax() {
  constexpr std::int64_t kLength = 1024;
  const Shape shape{kBatch, kLength, kHeads, kHeadDim};
  const double flops = (causal ? 2.0 : 4.0) * kBatch * kHeads * kLength * kLength * kHeadDim;
  return prepare({shape, shape, shape}, {.flops = flops}, {.flops = 3 * flops},
                 [](const auto& x) { return softmax_attention(x[0], x[1], x[2], {.causal = causal}, {.scale = 0.125}); });
}

/// `numbers`: how many are read or written for each parameter.
Prepared update_of(const char* name, const Tensor& gradient, double numbers) {
  const std::int64_t elements = gradient.size();
  const std::vector<Parameter> parameters = {{"weight", Variable::leaf(normal_tensor({elements}, "operator/weight"))}};
  Gradients gradients;
  gradients.set(parameters[0].variable.node().get(), gradient);
  const auto optimizer = std::make_shared<Optimizer>(OptimizerConfig{.name = name}, parameters);
  return {.forward =
              [=] {
                optimizer->update(parameters, gradients, {1, 1e-4, 1.0});
              },
          .forward_work = {.bytes = numbers * 4 * static_cast<double>(elements)}};
}

constexpr std::int64_t kElements = 1 << 24;

/// Parameter and two moments are read and written, the gradient is read.
Prepared prepare_adamw() { return update_of("adamw", normal_tensor({kElements}, "operator/gradient"), 7); }

/// First moments near 1e-40, as of embeddings that got no gradient for a while.
Prepared prepare_adamw_denormal() { return update_of("adamw", Tensor::full({kElements}, 1e-39), 7); }

Prepared prepare_lion() { return update_of("lion", normal_tensor({kElements}, "operator/gradient"), 5); }

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
    {"favor_features", "batch 4, length 1024, 8 heads, 64 to 256", prepare_favor_features},
    {"softmax", "batch 4, length 1024, 8 heads of 64", prepare_softmax<false>},
    {"softmax_causal", "batch 4, length 1024, 8 heads of 64", prepare_softmax<true>},
    {"layer_norm", "65536 rows of 256", prepare_layer_norm},
    {"bias_gelu", "16384 rows of 1024", prepare_bias_gelu},
    {"add", "65536 rows of 256", prepare_add},
    {"embedding", "65536 rows of 256 from 8192", prepare_embedding},
    {"cross_entropy", "4096 rows of 8192", prepare_cross_entropy},
    {"cross_entropy_denormal", "4096 rows of 8192, deviation 16", prepare_cross_entropy_denormal},
    {"adamw", "16777216 parameters", prepare_adamw},
    {"adamw_denormal", "16777216 parameters, moments near 1e-40", prepare_adamw_denormal},
    {"lion", "16777216 parameters", prepare_lion},
};

}  // namespace

std::span<const OperatorRow> operator_rows() {
  static const std::vector<OperatorRow> all = [] {
    std::vector<OperatorRow> rows(product_rows().begin(), product_rows().end());
    rows.insert(rows.end(), std::begin(kRows), std::end(kRows));
    return rows;
  }();
  return all;
}

}  // namespace cosformer

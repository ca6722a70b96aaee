#include <algorithm>
#include <array>
#include <vector>

#include "autograd/backward.h"
#include "autograd/ops.h"
#include "core/error.h"
#include "core/kernels/cross_entropy.h"
#include "core/kernels/embedding.h"

namespace cosformer {

namespace {

/// The tokens of one band: where they stand, and their numbers within it.
struct BandTokens {
  std::vector<std::int32_t> positions, ids;
};

/// Tokens by band; those that are `kIgnoredTarget` belong to none if `may_ignore`.
std::vector<BandTokens> by_band(const char* operation, const Tensor& ids, std::span<const std::int64_t> sizes,
                                bool may_ignore) {
  std::vector<BandTokens> bands(sizes.size());
  const auto values = ids.span<std::int32_t>();
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (may_ignore && values[i] == kIgnoredTarget) continue;
    std::int64_t id = values[i];
    std::size_t band = 0;
    while (id >= 0 && band < sizes.size() && id >= sizes[band]) id -= sizes[band++];
    check<ShapeError>(id >= 0 && band < sizes.size(), '[', operation, "] id ", values[i], " at position ", i,
                      " lies outside ", sizes.size(), " bands");
    bands[band].positions.push_back(static_cast<std::int32_t>(i));
    bands[band].ids.push_back(static_cast<std::int32_t>(id));
  }
  return bands;
}

Tensor as_tensor(const std::vector<std::int32_t>& values) {
  return Tensor::from<std::int32_t>({static_cast<std::int64_t>(values.size())}, std::span(values));
}

void check_bands(std::span<const AdaptiveBand> bands) {
  check<ShapeError>(!bands.empty(), "[adaptive_embedding] no bands");
  for (const auto& [table, projection] : bands) {
    check<ShapeError>(table.shape().rank() == 2 && projection.shape().rank() == 2 && table.dim(1) == projection.dim(1) &&
                          projection.dim(0) == bands.front().projection.dim(0),
                      "[adaptive_embedding] a table of shape ", table.shape(), " with a projection of shape ",
                      projection.shape(), ", the first band's is ", bands.front().projection.shape());
  }
}

void check_softmax(const Variable& hidden, const AdaptiveSoftmaxWeights& weights, const Tensor& targets,
                   const TailDropout& dropout) {
  const auto tails = static_cast<std::int64_t>(weights.tails.size());
  check<ShapeError>(hidden.shape().rank() == 2 && targets.shape() == Shape({hidden.dim(0)}) &&
                        weights.words.shape().rank() == 2 && weights.words.dim(1) == hidden.dim(1),
                    "[adaptive_cross_entropy] hidden ", hidden.shape(), ", words ", weights.words.shape(), " and targets ",
                    targets.shape());
  check<ShapeError>(
      weights.clusters.defined() ? weights.clusters.shape() == Shape({tails, hidden.dim(1)}) : weights.words.dim(0) > tails,
      "[adaptive_cross_entropy] ", tails, " tails have no row each in the head");
  for (const auto& [projection, weight, transposed] : weights.tails) {
    check<ShapeError>(projection.shape().rank() == 2 && weight.shape().rank() == 2 &&
                          projection.dim(transposed ? 0 : 1) == hidden.dim(1) &&
                          projection.dim(transposed ? 1 : 0) == weight.dim(1),
                      "[adaptive_cross_entropy] a tail's projection ", projection.shape(), " and weight ", weight.shape(),
                      " for hidden ", hidden.shape());
  }
  check<ShapeError>(dropout.probability == 0 || dropout.noise.size() == weights.tails.size(), "[adaptive_cross_entropy] ",
                    dropout.noise.size(), " streams of dropout for ", tails, " tails");
}

}  // namespace

Variable adaptive_embedding(std::span<const AdaptiveBand> bands, const Tensor& ids) {
  check_bands(bands);
  std::vector<std::int64_t> sizes;
  for (const AdaptiveBand& band : bands) sizes.push_back(band.table.dim(0));
  const std::vector<BandTokens> tokens = by_band("adaptive_embedding", ids.contiguous(), sizes, false);
  std::vector<Variable> parts;
  std::vector<Tensor> positions;
  for (std::size_t i = 0; i < bands.size(); ++i) {
    if (tokens[i].ids.empty()) continue;
    parts.push_back(linear(embedding(bands[i].table, as_tensor(tokens[i].ids)), bands[i].projection, Variable()));
    positions.push_back(as_tensor(tokens[i].positions));
  }
  std::array<std::int64_t, Shape::kMaxRank> dims{};
  check<ShapeError>(ids.rank() < Shape::kMaxRank, "[adaptive_embedding] ids of shape ", ids.shape());
  std::ranges::copy(ids.shape(), dims.begin());
  dims[static_cast<std::size_t>(ids.rank())] = bands.front().projection.dim(0);
  const Shape shape(std::span<const std::int64_t>(dims.data(), static_cast<std::size_t>(ids.rank()) + 1));
  if (parts.empty()) return Variable(Tensor::empty(shape, bands.front().table.dtype()));
  return merge_rows(parts, positions, shape);
}

Variable adaptive_cross_entropy(const Variable& hidden, const AdaptiveSoftmaxWeights& weights, const Tensor& targets,
                                double factor, const TailDropout& dropout) {
  check_softmax(hidden, weights, targets, dropout);
  const auto tails = static_cast<std::int64_t>(weights.tails.size());
  const std::int64_t first_band = weights.words.dim(0) - (weights.clusters.defined() ? 0 : tails);
  std::vector<std::int64_t> sizes = {first_band};
  for (const AdaptiveTail& tail : weights.tails) sizes.push_back(tail.weight.dim(0));
  const std::vector<BandTokens> tokens = by_band("adaptive_cross_entropy", targets.contiguous(), sizes, true);

  // To the head, all tokens of a tail are the one class of its cluster.
  Tensor head_targets = targets.contiguous().clone();
  for (std::size_t i = 0; i < weights.tails.size(); ++i) {
    for (const std::int32_t position : tokens[i + 1].positions) {
      head_targets.data<std::int32_t>()[position] = static_cast<std::int32_t>(first_band + static_cast<std::int64_t>(i));
    }
  }
  Variable loss = linear_cross_entropy(hidden, weights.words, Variable(), head_targets, factor, 0, weights.clusters);
  for (std::size_t i = 0; i < weights.tails.size(); ++i) {
    const auto& [positions, ids] = tokens[i + 1];
    if (ids.empty()) continue;
    const AdaptiveTail& tail = weights.tails[i];
    const Variable rows = embedding(hidden, as_tensor(positions));
    Variable narrow_rows = tail.transposed ? matmul(rows, tail.projection) : linear(rows, tail.projection, Variable());
    if (dropout.probability > 0) narrow_rows = cosformer::dropout(narrow_rows, dropout.probability, dropout.noise[i]);
    loss = add(loss, linear_cross_entropy(narrow_rows, tail.weight, Variable(), as_tensor(ids), factor));
  }
  return loss;
}

}  // namespace cosformer

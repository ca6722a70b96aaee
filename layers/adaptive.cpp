#include "layers/adaptive.h"

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>

#include "core/error.h"
#include "core/parallel.h"

namespace cosformer {

namespace {

/// log softmax of `count` numbers plus `shift`, written to `out`.
template <class T>
void log_softmax_row(const T* logits, std::int64_t count, double shift, T* out) {
  const double largest = static_cast<double>(*std::max_element(logits, logits + count));
  double sum = 0;
  for (std::int64_t j = 0; j < count; ++j) sum += std::exp(static_cast<double>(logits[j]) - largest);
  const double normalizer = largest + std::log(sum) - shift;
  for (std::int64_t j = 0; j < count; ++j) out[j] = static_cast<T>(static_cast<double>(logits[j]) - normalizer);
}

/// A band's vectors start with a deviation by their own width, as fairseq's do, unless the config states one.
Initializer table_initializer(const ModelConfig& config, std::int64_t width) {
  return Initializer::normal(config.embedding_std > 0 ? config.embedding_std : 1.0 / std::sqrt(static_cast<double>(width)));
}

}  // namespace

std::vector<BandSize> adaptive_bands(const ModelConfig& config) {
  std::vector<BandSize> bands;
  std::int64_t begin = 0;
  double width = static_cast<double>(config.embed_dim);
  const auto add = [&](std::int64_t end) {
    check<InputError>(width >= 1, "model.adaptive_factor: ", config.adaptive_factor, " leaves no width for band ",
                      bands.size(), " of embed_dim ", config.embed_dim);
    bands.push_back({end - begin, static_cast<std::int64_t>(width)});
    begin = end;
    width /= config.adaptive_factor;
  };
  for (const std::int64_t cutoff : config.adaptive_cutoffs) {
    check<InputError>(cutoff > begin, "model.adaptive_cutoffs: ", cutoff, " after ", begin, "; they must rise from 1 on");
    check<InputError>(cutoff < config.vocab_size, "model.adaptive_cutoffs: ", cutoff, " must be below the ",
                      config.vocab_size, " tokens of the vocabulary");
    add(cutoff);
  }
  add(config.vocab_size);
  return bands;
}

double band_share(const std::vector<BandSize>& bands, std::size_t i) {
  double begin = 1, end = 1, vocab = 1;
  for (std::size_t band = 0; band < bands.size(); ++band) {
    vocab += static_cast<double>(bands[band].tokens);
    if (band < i) begin = vocab;
    if (band <= i) end = vocab;
  }
  return std::log(end / begin) / std::log(vocab);
}

AdaptiveEmbedding::AdaptiveEmbedding(const Scope& scope, const ModelConfig& config) {
  for (const auto& [tokens, width] : adaptive_bands(config)) {
    const Scope band = scope / "embeddings" / std::to_string(bands_.size());
    const Variable table = (band / "0").create("weight", {tokens, width}, table_initializer(config, width));
    bands_.push_back(
        {table, (band / "1").create("weight", {config.embed_dim, width}, Initializer::xavier(width, config.embed_dim))});
  }
}

Variable AdaptiveEmbedding::forward(const Tensor& ids, const Pass& pass) const {
  std::vector<AdaptiveBand> bands;
  for (const auto& [table, projection] : bands_) bands.push_back({pass.use(table), pass.use(projection)});
  return adaptive_embedding(bands, ids);
}

AdaptiveSoftmax::AdaptiveSoftmax(const Scope& scope, const ModelConfig& config, const AdaptiveEmbedding& input)
    : dropout_probability_(config.adaptive_dropout), hidden_dropout_(scope, config.adaptive_dropout) {
  const std::vector<BandSize> bands = adaptive_bands(config);
  const auto num_tails = static_cast<std::int64_t>(bands.size()) - 1;
  const std::int64_t dim = config.embed_dim;
  const auto matrix = [](const Scope& place, std::int64_t out, std::int64_t in) {
    return place.create("weight", {out, in}, Initializer::xavier(in, out));
  };
  if (config.tie_embeddings) {
    weights_.words = input.bands().front().table;
    weights_.clusters = matrix(scope / "head" / "class_proj", num_tails, dim);
  } else {
    weights_.words = matrix(scope / "head", bands.front().tokens + num_tails, dim);
  }
  for (std::size_t i = 1; i < bands.size(); ++i) {
    const Scope place = scope / "tail" / std::to_string(i - 1);
    const bool tied = config.tie_adaptive_projections;
    const Variable projection = tied ? input.bands()[i].projection : matrix(place / "0", bands[i].width, dim);
    const Variable weight =
        config.tie_embeddings ? input.bands()[i].table : matrix(place / "2", bands[i].tokens, bands[i].width);
    weights_.tails.push_back({projection, weight, tied});
    tail_streams_.push_back("dropout/" + place.path());
  }
}

AdaptiveSoftmaxWeights AdaptiveSoftmax::weights(const Pass& pass) const {
  AdaptiveSoftmaxWeights used{
      pass.use(weights_.words), weights_.clusters.defined() ? pass.use(weights_.clusters) : Variable(), {}};
  for (const auto& [projection, weight, transposed] : weights_.tails) {
    used.tails.push_back({pass.use(projection), pass.use(weight), transposed});
  }
  return used;
}

Variable AdaptiveSoftmax::loss(const Variable& hidden, const Tensor& targets, double factor, const Pass& pass) const {
  std::vector<Random> noise;
  for (const std::string& stream : tail_streams_) noise.push_back(pass.noise(stream));
  const TailDropout dropout{pass.training ? dropout_probability_ : 0.0, noise};
  return adaptive_cross_entropy(hidden_dropout_.forward(hidden, pass), weights(pass), targets, factor, dropout);
}

Tensor AdaptiveSoftmax::log_probabilities(const Tensor& hidden) const {
  const AdaptiveSoftmaxWeights used = weights(Pass());
  const auto num_tails = static_cast<std::int64_t>(used.tails.size());
  const Variable x(hidden.contiguous().reshape({hidden.size() / hidden.dim(-1), hidden.dim(-1)}));
  const std::int64_t first_band = used.words.dim(0) - (used.clusters.defined() ? 0 : num_tails);
  std::int64_t vocab = first_band;
  for (const AdaptiveTail& tail : used.tails) vocab += tail.weight.dim(0);
  Variable head = linear(x, used.words, Variable());
  if (used.clusters.defined()) head = concatenate(head, linear(x, used.clusters, Variable()));
  Tensor out = Tensor::empty(hidden.shape().with_dim(-1, vocab), hidden.dtype());
  const std::int64_t rows = x.dim(0);
  dispatch_float(hidden.dtype(), [&]<class T>(T) {
    // The head's log-probabilities of the clusters are what a tail's are added to.
    Tensor clusters = Tensor::empty({rows, num_tails}, hidden.dtype());
    const std::int64_t head_size = first_band + num_tails;
    parallel_for(rows, [&](std::int64_t r) {
      std::vector<T> row(static_cast<std::size_t>(head_size));
      log_softmax_row(std::as_const(head).value().template data<T>() + r * head_size, head_size, 0.0, row.data());
      std::copy_n(row.data(), first_band, out.data<T>() + r * vocab);
      std::copy_n(row.data() + first_band, num_tails, clusters.data<T>() + r * num_tails);
    });
    std::int64_t begin = first_band;
    for (std::int64_t i = 0; i < num_tails; ++i) {
      const AdaptiveTail& tail = used.tails[static_cast<std::size_t>(i)];
      const Variable narrow_rows = tail.transposed ? matmul(x, tail.projection) : linear(x, tail.projection, Variable());
      const Tensor logits = linear(narrow_rows, tail.weight, Variable()).value();
      const std::int64_t size = tail.weight.dim(0);
      parallel_for(rows, [&](std::int64_t r) {
        log_softmax_row(logits.data<T>() + r * size, size, static_cast<double>(clusters.data<T>()[r * num_tails + i]),
                        out.data<T>() + r * vocab + begin);
      });
      begin += size;
    }
  });
  return out;
}

}  // namespace cosformer

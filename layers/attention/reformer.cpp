// Reformer: softmax attention to the tokens with the same hash, with shared queries and keys (Kitaev et al., ICLR 2020).
#include <algorithm>
#include <utility>

#include "autograd/ops/attention_operands.h"
#include "core/error.h"
#include "core/kernels/sparse_attention/lsh_pattern.h"
#include "layers/attention/variants.h"

namespace cosformer {

namespace {

/// Whether two tensors are the same elements.
bool are_same(const Tensor& a, const Tensor& b) {
  return a.shape() == b.shape() &&
         dispatch_float(a.dtype(), [&]<class T>(T) { return std::as_const(a).data<T>() == std::as_const(b).data<T>(); });
}

class Reformer : public Attention {
 public:
  Reformer(const AttentionConfig& config, const AttentionSetting& setting)
      : Attention(setting),
        lsh_(lsh_sizes(config.reformer_rounds, buckets_of(config, setting))),
        chunk_(config.reformer_chunk) {
    // Drawn once, as a function of the seed and the layer.
    const Random random(setting.draw_seed(), "reformer/" + setting.scope.path());
    matrices_ = Tensor::empty({setting.num_heads, setting.head_dim, lsh_.rounds * lsh_.columns()}, DType::float64);
    double* values = matrices_.data<double>();
    for (std::int64_t i = 0; i < matrices_.size(); ++i) values[i] = random.normal(static_cast<std::uint64_t>(i));
    matrices_ = matrices_.to(setting.scope.store().dtype());
  }

  Variable forward(const AttentionInputs& inputs, const AttentionMask& mask, const Pass&) const override {
    LshBuckets buckets{.lsh = lsh_,
                       .heads = inputs.query.dim(2),
                       .queries = inputs.query.dim(1),
                       .keys = inputs.key.dim(1),
                       .chunk = chunk_,
                       .of_queries = buckets_of(inputs.query.value()),
                       .of_keys = {}};
    const bool shared = are_same(inputs.query.value(), inputs.key.value());
    buckets.of_keys = shared ? buckets.of_queries : buckets_of(inputs.key.value());
    return sparse_attention(inputs.query, unit_rows(inputs.key, kEps), inputs.value, mask, make_lsh_pattern(buckets), 1.0);
  }

  double forward_flops(std::int64_t queries, std::int64_t keys, bool causal) const override {
    const double hashes = 2.0 * static_cast<double>(queries * lsh_.rounds * lsh_.columns());
    return (4.0 * lsh_pairs(lsh_, chunk_, queries, keys, causal) + hashes) * static_cast<double>(head_dim());
  }
  double saved_numbers(std::int64_t queries, std::int64_t keys, bool) const override {
    // Normalisers, buckets, keys of length 1 and what they were divided by.
    return static_cast<double>(queries * (1 + lsh_.rounds) + keys * (head_dim() + 1));
  }
  double working_numbers(std::int64_t queries, std::int64_t keys, bool) const override {
    return (3.0 * static_cast<double>(queries) + 2.0 * static_cast<double>(keys)) * static_cast<double>(head_dim());
  }

 private:
  static constexpr double kEps = 1e-12;

  /// Half a chunk in each bucket of the longest text, the paper's.
  static std::int64_t buckets_of(const AttentionConfig& config, const AttentionSetting& setting) {
    if (config.reformer_buckets > 0) return config.reformer_buckets;
    return std::max<std::int64_t>(1, 2 * setting.max_length / config.reformer_chunk);
  }

  std::shared_ptr<const std::vector<std::int32_t>> buckets_of(const Tensor& x) const {
    const Tensor rows = inner_contiguous(x), matrices = matrices_.to(x.dtype()).contiguous();
    return dispatch_float(x.dtype(), [&]<class T>(T) {
      return std::make_shared<const std::vector<std::int32_t>>(
          lsh_buckets<T>(lsh_, x.dim(0), x.dim(1), x.dim(2), x.dim(3), heads_of<T>(rows), matrices.data<T>()));
    });
  }

  LshSizes lsh_;
  std::int64_t chunk_;
  Tensor matrices_;
};

}  // namespace

std::unique_ptr<Attention> make_reformer(const AttentionConfig& config, const AttentionSetting& setting) {
  const auto check_option = [](const char* key, std::int64_t value, std::int64_t least) {
    check<InputError>(value >= least, key, ": expected at least ", least, ", found ", value);
  };
  check_option("attention.reformer_rounds", config.reformer_rounds, 1);
  check_option("attention.reformer_chunk", config.reformer_chunk, 1);
  check_option("attention.reformer_buckets", config.reformer_buckets, 0);
  return std::make_unique<Reformer>(config, setting);
}

}  // namespace cosformer

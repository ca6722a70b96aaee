#pragma once
/// \file
/// The layers that wrap one operation: linear, layer norm, embedding, dropout.

#include <cmath>
#include <optional>
#include <string>

#include "autograd/ops.h"
#include "layers/low_rank_adapter.h"
#include "layers/model_config.h"
#include "layers/parameters.h"
#include "layers/pass.h"

namespace cosformer {

/// A parameter that a pass uses, or none.
inline Variable use_if_defined(const Variable& parameter, const Pass& pass) {
  return parameter.defined() ? pass.use(parameter) : Variable();
}

/// y = x Wᵀ + b, weight (out_features, in_features), or without b; W with an adapter where the config asks for one.
class Linear {
 public:
  /// Weights Xavier-uniform times `gain`, bias 0; or, if the store says so, both as PyTorch starts them.
  Linear(const Scope& scope, std::int64_t in_features, std::int64_t out_features, double gain = 1.0, bool bias = true)
      : weight_(scope.create(
            "weight", {out_features, in_features},
            as_pytorch(scope) ? pytorch_start(in_features) : Initializer::xavier(in_features, out_features, gain))),
        bias_(bias ? scope.create("bias", {out_features},
                                  as_pytorch(scope) ? pytorch_start(in_features) : Initializer::constant(0))
                   : Variable()) {
    if (scope.add_linear_layer()) adapter_.emplace(scope, in_features, out_features);
  }

  Variable forward(const Variable& x, const Pass& pass) const {
    const auto [weight, bias] = weights(pass);
    return linear(x, weight, bias);
  }
  /// What a fused operation takes; the bias is undefined in a layer without one.
  LinearWeights weights(const Pass& pass) const {
    const Variable weight = pass.use(weight_);
    return {adapter_ ? adapter_->beside(weight, pass) : weight, use_if_defined(bias_, pass)};
  }

 private:
  static bool as_pytorch(const Scope& scope) { return scope.store().linear_start() == LinearStart::pytorch; }
  static Initializer pytorch_start(std::int64_t in_features) {
    return Initializer::uniform(1.0 / std::sqrt(static_cast<double>(in_features)));
  }

  Variable weight_, bias_;
  std::optional<LowRankAdapter> adapter_;
};

/// Layer norm over the last axis.
class LayerNorm {
 public:
  LayerNorm(const Scope& scope, std::int64_t dim, double eps)
      : weight_(scope.create("weight", {dim}, Initializer::constant(1))),
        bias_(scope.create("bias", {dim}, Initializer::constant(0))),
        eps_(eps) {}

  Variable forward(const Variable& x, const Pass& pass) const {
    return layer_norm(x, pass.use(weight_), pass.use(bias_), eps_);
  }
  /// What a fused operation takes.
  NormWeights weights(const Pass& pass) const { return {pass.use(weight_), pass.use(bias_), eps_}; }

 private:
  Variable weight_, bias_;
  double eps_;
};

/// The norm of a model's layers: layer norm with or without a bias, or RMS norm with a weight alone.
class Norm {
 public:
  /// PyTorch's.
  static constexpr double kDefaultEps = 1e-5;

  Norm(const Scope& scope, NormKind kind, std::int64_t dim, bool bias, double eps = kDefaultEps)
      : kind_(kind),
        eps_(eps),
        weight_(scope.create("weight", {dim}, Initializer::constant(1))),
        bias_(kind == NormKind::layer && bias ? scope.create("bias", {dim}, Initializer::constant(0)) : Variable()) {}

  Variable forward(const Variable& x, const Pass& pass) const {
    if (kind_ == NormKind::rms) return rms_norm(x, pass.use(weight_), eps_);
    return layer_norm(x, pass.use(weight_), use_if_defined(bias_, pass), eps_);
  }
  /// What a fused operation takes, of a layer norm with a bias.
  NormWeights weights(const Pass& pass) const { return {pass.use(weight_), pass.use(bias_), eps_}; }

 private:
  NormKind kind_;
  double eps_;
  Variable weight_, bias_;
};

/// A table of vectors by id.
class Embedding {
 public:
  Embedding(const Scope& scope, std::int64_t count, std::int64_t dim, double deviation)
      : weight_(scope.create("weight", {count, dim}, Initializer::normal(deviation))) {}
  /// A table that is a parameter already.
  explicit Embedding(const Variable& weight) : weight_(weight) {}

  Variable forward(const Tensor& ids, const Pass& pass) const { return embedding(pass.use(weight_), ids); }
  const Variable& weight() const { return weight_; }

 private:
  Variable weight_;
};

/// Dropout while training, nothing otherwise. Its random numbers belong to its place in the tree of names.
class Dropout {
 public:
  Dropout(const Scope& scope, double probability) : stream_("dropout/" + scope.path()), probability_(probability) {}

  Variable forward(const Variable& x, const Pass& pass) const {
    return is_on(pass) ? dropout(x, probability_, pass.noise(stream_)) : x;
  }
  /// The same mask for a fused operation; none if nothing is dropped.
  std::optional<DropoutMask> mask(const Pass& pass) const {
    if (!is_on(pass)) return std::nullopt;
    return dropout_mask(probability_, pass.noise(stream_));
  }

 private:
  bool is_on(const Pass& pass) const { return pass.training && probability_ > 0; }

  std::string stream_;
  double probability_;
};

}  // namespace cosformer

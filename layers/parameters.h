#pragma once
/// \file
/// A model's parameters by name, and how layers make them.

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_set>
#include <utility>
#include <vector>

#include "autograd/variable.h"
#include "layers/model_config.h"

namespace cosformer {

/// How a new parameter's elements are set; every element is a function of (seed, parameter name, index).
struct Initializer {
  enum class Kind : std::uint8_t { constant, normal, uniform, listed };
  Kind kind = Kind::constant;
  double value = 0.0;               ///< the constant, the standard deviation, or the bound of the symmetric interval
  std::vector<double> values = {};  ///< all elements, if they are listed

  static Initializer constant(double value) { return {Kind::constant, value, {}}; }
  static Initializer normal(double deviation) { return {Kind::normal, deviation, {}}; }
  /// Uniform in ±bound.
  static Initializer uniform(double bound) { return {Kind::uniform, bound, {}}; }
  /// Every element by itself, in row-major order.
  static Initializer listed(std::vector<double> values) { return {Kind::listed, 0.0, std::move(values)}; }
  /// Uniform in ±gain · sqrt(6 / (fan_in + fan_out)) (Glorot and Bengio, 2010).
  static Initializer xavier(std::int64_t fan_in, std::int64_t fan_out, double gain = 1.0);
};

struct Parameter {
  std::string name;   ///< as in a checkpoint, "decoder.layers.0.fc1.weight"
  Variable variable;  ///< a constant if it is frozen

  bool is_trained() const { return variable.requires_grad(); }
};

/// Whether parameters hold numbers, or only say their names and shapes (nothing is then allocated).
enum class ParameterValues : std::uint8_t { initialized, shapes_only };

/// All parameters of a model, in the order in which its layers made them.
class ParameterStore {
 public:
  explicit ParameterStore(std::uint64_t seed, DType dtype, ParameterValues values = ParameterValues::initialized,
                          LinearStart linear_start = LinearStart::xavier, Adaptation adaptation = {})
      : seed_(seed), dtype_(dtype), values_(values), linear_start_(linear_start), adaptation_(std::move(adaptation)) {}

  /// A leaf if the parameter is trained, otherwise a constant.
  Variable create(std::string name, const Shape& shape, const Initializer& initializer);
  /// Whether the linear layer of this name, which is made now, gets an adapter.
  bool add_linear_layer(const std::string& name);
  /// Throws InputError if a pattern of the adaptation stands for nothing that has been made.
  void check_adaptation() const;
  const std::vector<Parameter>& all() const { return parameters_; }
  std::uint64_t seed() const { return seed_; }
  DType dtype() const { return dtype_; }
  LinearStart linear_start() const { return linear_start_; }
  const Adaptation& adaptation() const { return adaptation_; }

 private:
  bool is_trained(const std::string& name) const;
  Variable add(std::string name, Tensor value);

  std::uint64_t seed_;
  DType dtype_;
  ParameterValues values_;
  LinearStart linear_start_;
  Adaptation adaptation_;
  std::vector<Parameter> parameters_;
  std::vector<std::string> linear_layers_;
  std::unordered_set<std::string> names_;
};

/// A place in the tree of names; a layer is constructed with the scope that its parameters belong to.
class Scope {
 public:
  explicit Scope(ParameterStore& store, std::string path = {}) : store_(&store), path_(std::move(path)) {}

  /// The scope of a part of this layer.
  Scope operator/(std::string_view name) const { return Scope(*store_, join(name)); }
  Variable create(std::string_view name, const Shape& shape, const Initializer& initializer) const {
    return store_->create(join(name), shape, initializer);
  }
  /// See ParameterStore::add_linear_layer.
  bool add_linear_layer() const { return store_->add_linear_layer(path_); }
  const std::string& path() const { return path_; }
  const ParameterStore& store() const { return *store_; }

 private:
  std::string join(std::string_view name) const {
    return path_.empty() ? std::string(name) : path_ + '.' + std::string(name);
  }

  ParameterStore* store_;
  std::string path_;
};

/// Elements of all parameters, and of those that are trained.
std::int64_t count_elements(const std::vector<Parameter>& parameters);
std::int64_t count_trained(const std::vector<Parameter>& parameters);

}  // namespace cosformer

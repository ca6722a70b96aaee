#pragma once
/// \file
/// What turns gradients into new parameters.

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "autograd/backward.h"
#include "core/option_problem.h"
#include "layers/parameters.h"

namespace cosformer {

struct OptimizerConfig {
  std::string name = "adamw";  ///< a row of `optimizer_kinds`
  double learning_rate = 6e-4;
  std::optional<std::array<double, 2>> betas;  ///< none = the kind's own
  double eps = 1e-8;
  double weight_decay = 0.1;
  bool decay_norms_and_biases = true;  ///< weight decay of parameters of one axis
  bool decay_embeddings = true;        ///< weight decay of the tables of token and position embeddings
  double momentum = 0.0;
  bool nesterov = false;
  double clip_norm = 1.0;   ///< 0 = no clipping
  double clip_value = 0.0;  ///< limit of each element of the gradient, after `clip_norm`; 0 = none
};

/// What all parameters of one update have in common.
struct OptimizerStep {
  std::int64_t number;  ///< from 1
  double learning_rate;
  double gradient_scale;  ///< what clipping multiplies the gradients by
};

/// A registered update rule.
struct OptimizerKind {
  std::string_view name;
  std::array<double, 2> betas;  ///< that a config which gives none gets
  bool has_momentum;            ///< reads `momentum` and `nesterov`
  /// The names of the state tensors that a parameter has, each of the parameter's shape and 0 at first.
  std::vector<std::string> (*slots)(const OptimizerConfig& config);
  /// Updates `value` and the state tensors in place. All are contiguous and of one dtype, float32 or float64.
  void (*update)(const OptimizerConfig& config, const OptimizerStep& step, const Tensor& gradient, Tensor& value,
                 std::span<Tensor> slots);
};
std::span<const OptimizerKind> optimizer_kinds();

/// Elements [begin, end), row-major, of the parameter at this place of a list.
struct ParameterPart {
  std::size_t parameter = 0;
  std::int64_t begin = 0, end = 0;
  std::int64_t size() const { return end - begin; }
  friend bool operator==(const ParameterPart&, const ParameterPart&) = default;
};

/// Updates parameters in place by one of the rules.
class Optimizer {
 public:
  /// Of all that are trained. Throws InputError for an unknown name, with the nearest one.
  Optimizer(const OptimizerConfig& config, const std::vector<Parameter>& parameters);
  /// For some parts of the parameters alone: it keeps the state of those. Each begins at a multiple of kElementwiseGrain
  /// (core/parallel.h), so that its update has the same bits as that of the whole.
  Optimizer(const OptimizerConfig& config, const std::vector<Parameter>& parameters, std::vector<ParameterPart> parts);

  /// One update. Parameters without a gradient keep their value and their state. Needs an optimizer of whole parameters.
  void update(const std::vector<Parameter>& parameters, const Gradients& gradients, const OptimizerStep& step);
  /// The update of part `i` by the gradient of its elements, which has rank 1 and is contiguous.
  void update_part(std::size_t i, const std::vector<Parameter>& parameters, const Tensor& gradient,
                   const OptimizerStep& step);

  const std::vector<ParameterPart>& parts() const { return parts_; }
  /// "m", "v": the state tensors that each part has.
  const std::vector<std::string>& slot_names() const { return slot_names_; }
  /// State tensor `slot` of part `i`, of rank 1, sharing memory with the optimizer.
  const Tensor& state_of(std::size_t i, std::size_t slot) const { return slots_[i][slot]; }

  /// The state tensors by name ("<parameter>.m"), sharing memory with the optimizer: what a checkpoint holds. Needs an
  /// optimizer of whole parameters.
  std::map<std::string, Tensor> state() const;

  /// Takes over the state of a checkpoint. Throws InputError if a tensor is missing or has another shape.
  void load(const std::map<std::string, Tensor>& saved);

 private:
  OptimizerConfig config_, without_decay_;
  const OptimizerKind& kind_;
  std::vector<std::string> slot_names_;
  std::vector<ParameterPart> parts_;
  std::vector<std::string> names_;          ///< of each part's parameter
  std::vector<Shape> shapes_;               ///< of each part's parameter
  std::vector<char> decays_;                ///< whether each part's parameter does
  std::vector<std::vector<Tensor>> slots_;  ///< by part
};

/// Whether weight decay is for a parameter of this name and shape.
bool decays(const OptimizerConfig& config, const std::string& name, const Shape& shape);

/// "<parameter>.m": the name of a state tensor in a checkpoint.
std::string state_name(const std::string& parameter, const std::string& slot);

/// The state tensor of this name among those of a checkpoint. Throws InputError if it is missing or has another shape.
const Tensor& check_saved_state(const std::map<std::string, Tensor>& saved, const std::string& name, const Shape& shape);

/// The betas that the config gives, or its kind's own. Throws InputError for an unknown name.
std::array<double, 2> optimizer_betas(const OptimizerConfig& config);

/// Numbers of state that the optimizer keeps for each parameter. Throws InputError for an unknown name.
std::int64_t optimizer_moments(const OptimizerConfig& config);

/// An option that the config's optimizer does not read. Throws InputError for an unknown name.
std::optional<OptionProblem> find_optimizer_problem(const OptimizerConfig& config);

/// Euclidean norm over the gradients of all parameters, summed in double in a fixed order. It is not finite if any gradient
/// is not finite.
double gradient_norm(const std::vector<Parameter>& parameters, const Gradients& gradients);

}  // namespace cosformer

#pragma once
/// \file
/// A running mean of a model's weights.

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "layers/parameters.h"

namespace cosformer {

/// average ← δ average + (1 − δ) weights after update t, with δ = min(decay, (1 + t) / (10 + t)): short runs do not keep the
/// values that they began with (as TensorFlow's ExponentialMovingAverage with num_updates). The first average is the
/// parameters' values at construction. Copies of the weights that are trained, and an update that is the same on every rank.
class AveragedWeights {
 public:
  /// `decay` 0: there is no average, and all functions do nothing.
  AveragedWeights(double decay, const std::vector<Parameter>& parameters);

  explicit operator bool() const { return decay_ > 0; }
  /// After update `number`, from 1.
  void update(std::int64_t number);

  /// As long as it lives, the parameters hold the average, and the weights that training goes on with wait here.
  class Shown {
   public:
    explicit Shown(AveragedWeights& average) : average_(average) { average_.exchange(); }
    ~Shown() { average_.exchange(); }
    Shown(const Shown&) = delete;
    Shown& operator=(const Shown&) = delete;

   private:
    AveragedWeights& average_;
  };

  /// Adds the weights that wait, "<parameter>.live", to what a checkpoint holds beside the average. They share memory with
  /// this object. For the time of a Shown.
  void add_waiting(std::map<std::string, Tensor>& state) const;
  /// Throws InputError if a checkpoint lacks one of them. Does nothing without an average.
  void check_waiting(const std::map<std::string, Tensor>& state) const;
  /// The parameters hold the average of a checkpoint: takes it over.
  void take_average();
  /// Gives the parameters the waiting weights of a checkpoint.
  void restore_waiting(const std::map<std::string, Tensor>& state) const;

 private:
  void exchange();

  double decay_;
  std::vector<Parameter> parameters_;  ///< that are trained
  std::vector<Tensor> others_;         ///< the average; for the time of a Shown, the weights
};

}  // namespace cosformer

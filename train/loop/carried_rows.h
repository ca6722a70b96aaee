#pragma once
/// \file
/// The states with which a run's training windows go on (task.carry_state).

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "core/communicator.h"
#include "data/text_streams.h"
#include "layers/carried_texts.h"
#include "layers/model.h"
#include "train/tasks/execution.h"
#include "train/tasks/task.h"

namespace cosformer {

/// The rows of a step whose states one rank keeps: those that it computes, in every step.
class CarriedRows {
 public:
  /// `rows` are those of each rank, which together are the rows of a step, each once. The arguments must outlive it.
  CarriedRows(const TextStreams& streams, const Model& model, std::vector<std::vector<ShardRows>> rows, Communicator& ranks);

  /// Before step `step` (from 1): at an epoch's start texts begin anew.
  void begin(std::int64_t step);
  /// What a pass over rows [first, first + count) of the step reads and writes. Passes over other rows may run at once.
  /// Throws Error for rows of another rank.
  CarriedTexts texts(ShardRows rows) const;
  /// The step has been through all rows: the next one goes on.
  void advance() { states_.advance(); }
  /// The step is not to be gone on with: all texts begin anew.
  void restart() { states_.restart(); }

  /// Adds the states of all rows, "decoder.layers.0.self_attn.state", to those of a checkpoint, on rank 0. Collective.
  void gather(std::map<std::string, Tensor>& state) const;
  /// Throws InputError if a checkpoint lacks one of them, or has one of another shape. Not collective.
  void check_state(const std::map<std::string, Tensor>& state) const;
  /// Takes over those of rank 0's checkpoint, which was saved after step `step`; the last step that was skipped before that,
  /// where texts began anew, is `skipped`, or 0. Collective; `check_state` has been called on rank 0.
  void distribute(const std::map<std::string, Tensor>& state, std::int64_t step, std::int64_t skipped);

 private:
  /// The shape of a part with all rows.
  Shape whole_shape(std::size_t part) const;
  /// Calls visit(part, rank) for the parts of all ranks that have rows, in one order on all ranks.
  template <class Visit>
  void for_each_part(const Visit& visit) const;
  /// Copies a rank's own rows of a part to their places in the whole, or from there.
  void put_rows(int rank, const Tensor& own, Tensor& whole) const;
  void take_rows(int rank, const Tensor& whole, Tensor& own) const;
  std::int64_t count_of(int rank) const;

  TextStreams streams_;
  std::vector<std::vector<ShardRows>> rows_;
  Communicator& ranks_;
  CarriedStates states_;
};

class TextCosts;  // train/loop/step_work.h

/// Those of a run, of the leaves that SharedStep gives each rank; null for a task without streams. The arguments must
/// outlive it.
std::unique_ptr<CarriedRows> make_carried_rows(const Task& task, const Model& model, const TrainConfig& config,
                                               TextCosts& texts, Communicator& ranks);

}  // namespace cosformer

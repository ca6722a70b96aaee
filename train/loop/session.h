#pragma once
/// \file
/// A run in two calls: `prepare` reads all that it needs and writes nothing, `train` makes its folder and trains.

#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "train/loop/earlier_run.h"
#include "train/loop/plan.h"
#include "train/loop/trainer.h"
#include "train/tasks/loaded_model.h"

namespace cosformer {

struct SessionRequest {
  Config config;
  std::filesystem::path folder;
  RunDirectory::Mode mode = RunDirectory::Mode::create;
  std::optional<EarlierRun> earlier = {};  ///< what the folder holds of a run that goes on, by `read_earlier_run`
  bool tokenizer_of_folder = false;        ///< the tokenizer is that in the folder, also if the run has no checkpoint
  bool plan_only = false;                  ///< nothing will be trained
};

/// A run that is ready to train.
struct Session {
  Config config;  ///< with what the data and the initial weights decide
  std::filesystem::path folder;
  RunDirectory::Mode mode = RunDirectory::Mode::create;
  RunPlan plan;
  std::unique_ptr<Task> task;
  std::unique_ptr<Model> model;              ///< none if the request was for a plan only
  std::filesystem::path initial_weights;     ///< that the model has taken from train.init_from; empty = random ones
  std::optional<std::string> nothing_there;  ///< why a run that was to go on begins at step 1
};

/// Reads data, tokenizer and the weights of train.init_from. A run with a checkpoint needs nothing of what it began with.
/// `accept` sees the plan before a model is made and may throw. Throws InputError, one line, before anything is written:
/// what is wrong with the config, the data or the folder, or what a continued run may not change.
Session prepare(SessionRequest request, const Warn& warn, const std::function<void(const RunPlan&)>& accept = {});

struct RunSummary {
  RunEnd end = RunEnd::finished;
  int signal = 0;  ///< that ended it; 0 for none
  RunState state;
};

/// Trains a prepared run in its folder; see Trainer::run. `environment` is for its log. Throws InputError, Error.
RunSummary train(Session session, Console& console, const std::string& environment = {});
/// The same on several ranks, each with a session of its own, prepared alike. Rank 0 alone writes the folder. Collective.
RunSummary train(Session session, Console& console, const std::string& environment, Communicator& ranks);

}  // namespace cosformer

#include "train/loop/session.h"

#include <spdlog/spdlog.h>

#include <utility>

#include "core/error.h"
#include "data/tokenizers/registry.h"
#include "layers/attention/registry.h"
#include "train/loop/rank_agreement.h"
#include "train/store/logging.h"
#include "train/tasks/carry_check.h"
#include "train/tasks/cut_check.h"
#include "train/tasks/initial_weights.h"
#include "train/tasks/task_tokenizer.h"

namespace cosformer {

namespace {

namespace fs = std::filesystem;

/// The config of a run, where its tokenizer's files are now (empty = as the config says), and its initial weights.
struct Start {
  Config config;
  std::string tokenizer_folder = {};
  std::optional<ModelFile> weights = {};
};

Start start_of(const Config& config, const std::optional<EarlierRun>& earlier, const Warn& warn) {
  if (config.train.init_from.empty()) return {config};
  if (earlier && earlier->checkpointed) return {adopt_settings(config, *earlier->checkpointed)};
  ModelFile weights = read_initial_weights(config.train.init_from, config, warn);
  std::string folder = config.task.tokenizer_folder.empty() ? weights.config.task.tokenizer_folder : std::string();
  Config source = weights.config;
  // Another attention has its own length.
  if (config.train.new_attention) source.model.attention = config.model.attention;
  Config own = adopt_settings(config, source);
  if (weights.holds_config && !config.train.new_attention) own = adopt_draws(std::move(own), source);
  return {std::move(own), std::move(folder), std::move(weights)};
}

/// The config to read the data by. A run that has a checkpoint goes on with the tokenizer that it began with, not with one
/// that is made again or has changed elsewhere.
Config with_tokenizer(Config config, const Start& start, const fs::path& run, bool has_own) {
  const fs::path own = run / kTokenizerFolder;
  if (has_own && find_tokenizer_kind(config.task.tokenizer).has_files && fs::exists(own))
    config.task.tokenizer_folder = own.string();
  if (config.task.tokenizer_folder.empty()) config.task.tokenizer_folder = start.tokenizer_folder;
  return config;
}

/// How often `sequences` of the training order hold the whole data.
double epochs_of(const Task& task, std::int64_t sequences) {
  if (sequences == 0) return 0;
  std::int64_t later = sequences;
  while (task.position_of(later).epoch == 0) later *= 2;
  const DataPosition position = task.position_of(later);
  const std::int64_t in_epoch = (later - position.position) / position.epoch;
  return static_cast<double>(sequences) / static_cast<double>(in_epoch);
}

}  // namespace

Session prepare(SessionRequest request, const Warn& warn, const std::function<void(const RunPlan&)>& accept) {
  if (!request.plan_only) RunDirectory::check_usable(request.folder, request.mode);
  const Start start = start_of(request.config, request.earlier, warn);
  const bool has_begun = request.earlier && request.earlier->checkpointed;
  Session session{.config = start.config, .folder = request.folder, .mode = request.mode};
  session.task = make_task(with_tokenizer(start.config, start, request.folder, has_begun || request.tokenizer_of_folder));
  const Task& task = *session.task;
  for (const std::string& remark : task.remarks()) warn(remark);
  for (const std::string& option : overruled_options(start.config.model)) warn(option);
  // What the data decides is part of the config that is saved.
  Config& config = session.config;
  config.model = task.complete(config.model);
  check_cut(config.train, config.model, task.lengths().seq_len);
  check_carried(config.train, config.model, task);
  session.plan = make_plan(config, config.model, task.lengths().seq_len);
  session.plan.epochs = epochs_of(task, config.train.max_steps * config.train.batch_size);
  if (accept) accept(session.plan);
  // One batch shows that the data can be read.
  task.training_batch(0, config.train.batch_size);
  if (request.earlier) {
    check_identity(*request.earlier, identity_of(task), request.folder, warn);
    check_continuation(*request.earlier, config, request.folder, warn);
  }
  if (request.mode == RunDirectory::Mode::resume && !has_begun)
    session.nothing_there = request.earlier ? "holds no checkpoint" : "holds no run";
  if (request.plan_only && !start.weights) return session;
  auto model = std::make_unique<Model>(config.model, static_cast<std::uint64_t>(config.train.seed));
  if (start.weights) {
    for (const std::string& remark : load_initial_weights(*start.weights, config, *model)) warn(remark);
    session.initial_weights = start.weights->weights;
    // Other data is what it is for; another tokenizer than that of the weights is not.
    if (!start.tokenizer_folder.empty())
      warn_of_other_contents(*start.weights, make_identity({}, task.tokenizer_files(), {}), warn);
  }
  if (!request.plan_only) session.model = std::move(model);
  return session;
}

RunSummary train(Session session, Console& console, const std::string& environment) {
  return train(std::move(session), console, environment, *make_single_rank());
}

RunSummary train(Session session, Console& console, const std::string& environment, Communicator& ranks) {
  FileSystem files;
  std::optional<RunDirectory> directory;
  std::shared_ptr<spdlog::logger> log = make_logger(console);
  const std::string config = to_toml(session.config);
  on_first_rank(ranks, [&] {
    directory.emplace(RunDirectory::open(files, session.folder, session.mode));
    if (session.mode == RunDirectory::Mode::restart) directory->clear(kTokenizerFolder);
    // The config makes the folder a run that can be resumed: it comes before all else.
    if (directory->is_new()) directory->write_config(config);
    log = make_logger(console, directory->log_file());
    if (!directory->lock_note().empty()) log->warn("{}", directory->lock_note());
    if (!environment.empty()) log->debug("{}{}", kEnvironmentLabel, environment);
    if (session.nothing_there) {
      log->info("{}: {}, nothing to resume; the run begins at step 1", session.folder.string(), *session.nothing_there);
    }
    save_tokenizer(session.task->tokenizer_files(), directory->path());
  });
  Trainer trainer(session.config, *session.task, std::move(session.model), files, directory ? &*directory : nullptr, console,
                  *log, ranks);
  on_first_rank(ranks, [&] {
    if (!directory->is_new()) directory->write_config(config);
  });
  if (!session.initial_weights.empty()) {
    log->info("beginning with {}", session.initial_weights.string());
    trainer.save_start();
  }
  const RunEnd end = trainer.run();
  log->info("{}: {} after {} steps{}", session.folder.string(), describe(end, trainer.signal()), trainer.state().step,
            end == RunEnd::by_signal ? concat("; continue with `", continue_command(session.folder), '`') : "");
  return {end, trainer.signal(), trainer.state()};
}

}  // namespace cosformer

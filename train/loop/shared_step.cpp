#include "train/loop/shared_step.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "core/error.h"
#include "core/kernels/optimizer.h"
#include "core/parallel.h"
#include "train/loop/leaf_division.h"
#include "train/tasks/execution.h"

namespace cosformer {

namespace {

constexpr int kParameterTag = 0, kStateTag = 1;

std::int64_t pieces_of(const ParameterPart& part) { return (part.size() + kElementwiseGrain - 1) / kElementwiseGrain; }

/// The elements of a part, in a tensor of the whole parameter's size or of the part's own.
std::span<std::byte> bytes_of(const Tensor& tensor, std::int64_t begin, std::int64_t end) {
  Tensor writable = tensor;
  return dispatch_float(writable.dtype(), [&]<class T>(T) {
    return std::as_writable_bytes(
        writable.span<T>().subspan(static_cast<std::size_t>(begin), static_cast<std::size_t>(end - begin)));
  });
}

template <class T>
void append(std::string& message, std::span<const T> values) {
  const auto bytes = std::as_bytes(values);
  message.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
}

/// Takes values from the front of a message.
class Reader {
 public:
  explicit Reader(std::string_view message) : message_(message) {}
  template <class T>
  T next() {
    T value;
    check<Error>(message_.size() >= sizeof value, "a message between ranks is too short");
    std::memcpy(&value, message_.data(), sizeof value);
    message_.remove_prefix(sizeof value);
    return value;
  }

 private:
  std::string_view message_;
};

}  // namespace

SharedStep::SharedStep(const Config& config, const Task& task, const Model& model, Communicator& ranks)
    : config_(config),
      task_(task),
      model_(model),
      ranks_(ranks),
      parameters_(model.parameters()),
      slices_(parameters_, ranks.size()),
      texts_(model.config()),
      optimizer_(config.optimizer, parameters_, slices_.parts_of(ranks.rank())) {
  check_enough_leaves(model.config(), config.train, ranks.size());
  for (std::size_t p = 0; p < parameters_.size(); ++p) {
    if (parameters_[p].is_trained()) places_[parameters_[p].variable.node().get()] = p;
  }
  if (config.train.sequence_ranks > 0) sequence_.emplace(ranks, static_cast<int>(config.train.sequence_ranks));
  if (!ranks.is_alone()) exchange_.emplace(ranks, slices_, parameters_);
  carried_ = make_carried_rows(task, model, config.train, texts_, ranks);
}

StepResult SharedStep::compute(std::int64_t step, const std::function<StepNote()>& note) {
  if (carried_) carried_->begin(step);
  const StepWork work(task_, model_, config_.train, step, sequence_ ? &*sequence_ : nullptr, carried_.get());
  if (!exchange_) {
    LeafGradients gradients = compute_leaf_gradients(work, {{0, work.leaves()}});
    gradients_ = std::move(gradients.sums.front());
    StepResult result{.tokens = work.tokens(), .note = note()};
    result.gradient_norm = gradient_norm(parameters_, gradients_);
    for (const double loss : gradients.losses) result.loss += loss;
    return result;
  }
  // Ranks that share sequences have the same leaves.
  const int members = sequence_ ? sequence_->members() : 1;
  const std::vector<LeafRuns> by_group = divide_leaves(work.leaf_costs(texts_), ranks_.size() / members);
  const std::vector<LeafRuns> runs = runs_of_ranks(by_group, members);
  exchange_->begin(runs, work.leaves());
  const ParameterDone done = [this](const Node* parameter, std::vector<Tensor> sums) {
    exchange_->add(places_.at(parameter), std::move(sums));
  };
  // What travels early would meet the sums over parts of sequences.
  LeafGradients gradients = compute_leaf_gradients(work, by_group[static_cast<std::size_t>(ranks_.rank() / members)],
                                                   sequence_ ? ParameterDone() : done);
  if (sequence_ && !sequence_->is_first()) gradients = {};
  for (std::size_t p = 0; p < parameters_.size(); ++p) {
    if (exchange_->has(p)) continue;
    std::vector<Tensor> sums;
    for (const Gradients& subtree : gradients.sums) sums.push_back(subtree.of(parameters_[p].variable));
    exchange_->add(p, std::move(sums));
  }
  own_sums_ = exchange_->finish();
  StepResult result = unpack_steps(ranks_.gather_all(pack_step(gradients, note())), runs);
  result.tokens = work.tokens();
  return result;
}

std::string SharedStep::pack_step(const LeafGradients& gradients, const StepNote& note) const {
  std::string message;
  append(message, std::span(&note, 1));
  append(message, std::span<const double>(gradients.losses));
  for (const Parameter& parameter : parameters_) {
    message +=
        std::ranges::any_of(gradients.sums, [&](const Gradients& sum) { return sum.of(parameter.variable).defined(); })
            ? '\1'
            : '\0';
  }
  for (std::size_t bucket = 0; bucket < slices_.buckets(); ++bucket) {
    std::int64_t position = 0;
    for (const ParameterPart& part : slices_.slice(bucket, ranks_.rank()).parts) {
      std::vector<double> squares(static_cast<std::size_t>(pieces_of(part)));
      dispatch_float(own_sums_[bucket].dtype(), [&]<class T>(T) {
        piece_sums_of_squares(own_sums_[bucket].data<T>() + position, part.size(), squares.data());
      });
      append(message, std::span<const double>(squares));
      position += part.size();
    }
  }
  return message;
}

StepResult SharedStep::unpack_steps(const std::vector<std::string>& messages, std::span<const LeafRuns> runs) {
  StepResult result;
  std::map<std::int64_t, double> losses;  // by leaf: one process adds them in this order
  present_.assign(parameters_.size(), 0);
  std::vector<std::vector<double>> squares;
  for (const Parameter& parameter : parameters_)
    squares.emplace_back(static_cast<std::size_t>(pieces_of({0, 0, parameter.variable.value().size()})));
  for (int rank = 0; rank < ranks_.size(); ++rank) {
    Reader reader(messages[static_cast<std::size_t>(rank)]);
    const auto note = reader.next<StepNote>();
    if (rank == 0) result.note.wall_seconds = note.wall_seconds;
    result.note.signal = std::max(result.note.signal, note.signal);
    for (const LeafRange run : runs[static_cast<std::size_t>(rank)]) {
      for (std::int64_t leaf = run.first; leaf < run.end; ++leaf) losses[leaf] = reader.next<double>();
    }
    for (char& present : present_) present = static_cast<char>(present | reader.next<char>());
    for (const ParameterPart& part : slices_.parts_of(rank)) {
      const std::int64_t first = part.begin / kElementwiseGrain;
      for (std::int64_t piece = first; piece < first + pieces_of(part); ++piece)
        squares[part.parameter][static_cast<std::size_t>(piece)] = reader.next<double>();
    }
  }
  for (const auto& [leaf, loss] : losses) result.loss += loss;
  // As `gradient_norm` adds them.
  double sum = 0;
  for (const std::vector<double>& pieces : squares) {
    double own = 0;
    for (const double square : pieces) own += square;
    sum += own;
  }
  result.gradient_norm = std::sqrt(sum);
  return result;
}

bool SharedStep::skip() {
  if (carried_) carried_->restart();
  return carried_ != nullptr;
}

void SharedStep::update(const OptimizerStep& step) {
  if (carried_) carried_->advance();
  if (exchange_) {
    gather_parameters(step);
  } else {
    optimizer_.update(parameters_, gradients_, step);
    gradients_ = Gradients();
  }
}

void SharedStep::gather_parameters(const OptimizerStep& step) {
  const auto transfers = ranks_.begin_transfers();
  const auto bytes_of_part = [&](const ParameterPart& part) {
    return bytes_of(parameters_[part.parameter].variable.value(), part.begin, part.end);
  };
  for (int rank = 0; rank < ranks_.size(); ++rank) {
    if (rank == ranks_.rank()) continue;
    for (const ParameterPart& part : slices_.parts_of(rank)) {
      if (present_[part.parameter]) transfers->receive(rank, kParameterTag, bytes_of_part(part));
    }
  }
  std::size_t own = 0;
  for (std::size_t bucket = 0; bucket < slices_.buckets(); ++bucket) {
    std::int64_t position = 0;
    for (const ParameterPart& part : slices_.slice(bucket, ranks_.rank()).parts) {
      if (present_[part.parameter]) {
        optimizer_.update_part(own, parameters_, own_sums_[bucket].narrow(0, position, part.size()), step);
        // Not all to the same rank at once.
        for (int distance = 1; distance < ranks_.size(); ++distance)
          transfers->send((ranks_.rank() + distance) % ranks_.size(), kParameterTag, bytes_of_part(part));
      }
      position += part.size();
      ++own;
    }
    own_sums_[bucket] = Tensor();
    transfers->done();
  }
  transfers->wait();
}

template <class Visit>
void SharedStep::for_each_state(Visit&& visit) const {
  for (int rank = 0; rank < ranks_.size(); ++rank) {
    const std::vector<ParameterPart> parts = slices_.parts_of(rank);
    for (std::size_t i = 0; i < parts.size(); ++i) {
      for (std::size_t slot = 0; slot < optimizer_.slot_names().size(); ++slot)
        visit(rank, i, parts[i], slot, state_name(parameters_[parts[i].parameter].name, optimizer_.slot_names()[slot]));
    }
  }
}

std::map<std::string, Tensor> SharedStep::gather_state() {
  std::map<std::string, Tensor> state = exchange_ ? gather_moments() : optimizer_.state();
  if (carried_) carried_->gather(state);
  return state;
}

void SharedStep::go_on(const std::map<std::string, Tensor>& state, std::int64_t step, std::int64_t skipped) {
  if (carried_) carried_->distribute(state, step, skipped);
}

std::map<std::string, Tensor> SharedStep::gather_moments() {
  std::map<std::string, Tensor> state;
  const auto transfers = ranks_.begin_transfers();
  for_each_state([&](int rank, std::size_t i, const ParameterPart& part, std::size_t slot, const std::string& name) {
    if (!ranks_.is_first()) {
      if (rank == ranks_.rank()) transfers->send(0, kStateTag, bytes_of(optimizer_.state_of(i, slot), 0, part.size()));
      return;
    }
    const Variable& parameter = parameters_[part.parameter].variable;
    Tensor& whole = state[name];
    if (!whole.defined()) whole = Tensor::empty(parameter.shape(), parameter.dtype());
    const auto bytes = bytes_of(whole, part.begin, part.end);
    if (rank == 0) {
      std::ranges::copy(bytes_of(optimizer_.state_of(i, slot), 0, part.size()), bytes.begin());
    } else {
      transfers->receive(rank, kStateTag, bytes);
    }
  });
  transfers->wait();
  return state;
}

void SharedStep::distribute(const std::map<std::string, Tensor>& state) {
  for (const Parameter& parameter : parameters_)
    ranks_.broadcast(bytes_of(parameter.variable.value(), 0, parameter.variable.value().size()));
  std::map<std::string, Tensor> dense;
  for (const auto& [name, tensor] : state) dense[name] = tensor.to(parameters_.front().variable.dtype());
  const auto transfers = ranks_.begin_transfers();
  for_each_state([&](int rank, std::size_t i, const ParameterPart& part, std::size_t slot, const std::string& name) {
    if (rank != ranks_.rank()) {
      if (ranks_.is_first()) transfers->send(rank, kStateTag, bytes_of(dense.at(name), part.begin, part.end));
      return;
    }
    const auto own = bytes_of(optimizer_.state_of(i, slot), 0, part.size());
    if (rank == 0) {
      std::ranges::copy(bytes_of(dense.at(name), part.begin, part.end), own.begin());
    } else {
      transfers->receive(0, kStateTag, own);
    }
  });
  transfers->wait();
}

void SharedStep::check_state(const std::map<std::string, Tensor>& state) const {
  for (const Parameter& parameter : parameters_) {
    if (!parameter.is_trained()) continue;
    for (const std::string& slot : optimizer_.slot_names())
      check_saved_state(state, state_name(parameter.name, slot), parameter.variable.shape());
  }
  if (carried_) carried_->check_state(state);
}

void check_enough_leaves(const ModelConfig& model, const TrainConfig& config, int ranks) {
  const auto members = static_cast<int>(std::max<std::int64_t>(config.sequence_ranks, 1));
  check<InputError>(ranks % members == 0, "train.sequence_ranks: expected a divisor of the number of ranks, ", ranks,
                    ", found ", members);
  const std::int64_t leaves = step_leaves(model, config);
  if (leaves * members >= ranks) return;
  // A step is cut into micro-batches as far as it has sequences.
  const char* const key = config.batch_size >= ranks / members ? "train.accumulation" : "train.batch_size";
  throw InputError(concat(key, ": a step has ", leaves, leaves == 1 ? " part" : " parts",
                          " to compute (shards of its micro-batches), too few for ", ranks / members,
                          members > 1 ? " groups of ranks; raise " : " ranks; raise ", key));
}

}  // namespace cosformer

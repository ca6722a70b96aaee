#include "train/loop/carried_rows.h"

#include <algorithm>
#include <utility>

#include "core/error.h"
#include "train/loop/leaf_division.h"
#include "train/loop/step_work.h"

namespace cosformer {

namespace {

/// No tag of the exchange of gradients, parameters or moments.
constexpr int kCarriedTag = 2;

std::int64_t count_rows(const std::vector<ShardRows>& runs) {
  std::int64_t count = 0;
  for (const ShardRows& run : runs) count += run.count;
  return count;
}

std::span<std::byte> bytes_of(Tensor& tensor) {
  return dispatch_float(tensor.dtype(), [&]<class T>(T) { return std::as_writable_bytes(tensor.span<T>()); });
}

}  // namespace

CarriedRows::CarriedRows(const TextStreams& streams, const Model& model, std::vector<std::vector<ShardRows>> rows,
                         Communicator& ranks)
    : streams_(streams),
      rows_(std::move(rows)),
      ranks_(ranks),
      states_(model.decoder(), count_of(ranks.rank()), streams.length(), model.parameters().front().variable.dtype()) {}

std::int64_t CarriedRows::count_of(int rank) const { return count_rows(rows_[static_cast<std::size_t>(rank)]); }

void CarriedRows::begin(std::int64_t step) {
  if (streams_.before((step - 1) * streams_.streams()) == 0) states_.restart();
}

CarriedTexts CarriedRows::texts(ShardRows rows) const {
  std::int64_t place = 0;
  for (const ShardRows& run : rows_[static_cast<std::size_t>(ranks_.rank())]) {
    if (rows.first >= run.first && rows.first + rows.count <= run.first + run.count)
      return states_.rows(place + rows.first - run.first, rows.count);
    place += run.count;
  }
  throw Error(concat("rows ", rows.first, " to ", rows.first + rows.count, " have their states on another rank"));
}

Shape CarriedRows::whole_shape(std::size_t part) const {
  return states_.parts()[part].shape.with_dim(0, streams_.streams());
}

template <class Visit>
void CarriedRows::for_each_part(const Visit& visit) const {
  for (std::size_t part = 0; part < states_.parts().size(); ++part) {
    for (int rank = 0; rank < ranks_.size(); ++rank) {
      if (count_of(rank) > 0) visit(part, rank);
    }
  }
}

void CarriedRows::put_rows(int rank, const Tensor& own, Tensor& whole) const {
  std::int64_t place = 0;
  for (const ShardRows& run : rows_[static_cast<std::size_t>(rank)]) {
    whole.narrow(0, run.first, run.count).copy_from(own.narrow(0, place, run.count));
    place += run.count;
  }
}

void CarriedRows::take_rows(int rank, const Tensor& whole, Tensor& own) const {
  std::int64_t place = 0;
  for (const ShardRows& run : rows_[static_cast<std::size_t>(rank)]) {
    own.narrow(0, place, run.count).copy_from(whole.narrow(0, run.first, run.count));
    place += run.count;
  }
}

void CarriedRows::gather(std::map<std::string, Tensor>& state) const {
  std::vector<std::pair<int, Tensor>> received;  // in the order of the visits
  const auto transfers = ranks_.begin_transfers();
  for_each_part([&](std::size_t part, int rank) {
    Tensor own = states_.states()[part];
    if (ranks_.is_first() && rank > 0) {
      own = Tensor::empty(whole_shape(part).with_dim(0, count_of(rank)), own.dtype());
      transfers->receive(rank, kCarriedTag, bytes_of(own));
    } else if (rank > 0 && rank == ranks_.rank()) {
      transfers->send(0, kCarriedTag, bytes_of(own));
    }
    if (ranks_.is_first()) received.emplace_back(rank, own);
  });
  transfers->wait();
  if (!ranks_.is_first()) return;
  auto next = received.begin();
  for_each_part([&](std::size_t part, int) {
    Tensor& whole = state[states_.parts()[part].name];
    if (!whole.defined()) whole = Tensor::empty(whole_shape(part), next->second.dtype());
    put_rows(next->first, next->second, whole);
    ++next;
  });
}

void CarriedRows::check_state(const std::map<std::string, Tensor>& state) const {
  for (std::size_t part = 0; part < states_.parts().size(); ++part) {
    const std::string& name = states_.parts()[part].name;
    const auto found = state.find(name);
    check<InputError>(found != state.end(), "task.carry_state: the checkpoint has no tensor '", name,
                      "', with which training windows would go on; another --run-dir starts a new run");
    check<InputError>(found->second.shape() == whole_shape(part), "task.carry_state: the checkpoint's tensor '", name,
                      "' has shape ", found->second.shape(), ", expected ", whole_shape(part));
  }
}

void CarriedRows::distribute(const std::map<std::string, Tensor>& state, std::int64_t step, std::int64_t skipped) {
  states_.restart();
  std::vector<Tensor> sent;
  const auto transfers = ranks_.begin_transfers();
  for_each_part([&](std::size_t part, int rank) {
    Tensor own = states_.states()[part];
    if (ranks_.is_first()) {
      if (rank > 0) own = Tensor::empty(own.shape().with_dim(0, count_of(rank)), own.dtype());
      take_rows(rank, state.at(states_.parts()[part].name).to(own.dtype()), own);
      if (rank > 0) transfers->send(rank, kCarriedTag, bytes_of(sent.emplace_back(own)));
    } else if (rank == ranks_.rank()) {
      transfers->receive(0, kCarriedTag, bytes_of(own));
    }
  });
  transfers->wait();
  // Of the steps since the epoch's start or since the one that was skipped.
  const std::int64_t in_epoch = streams_.before(step * streams_.streams());
  states_.set_tokens_before(std::min(in_epoch, (step - skipped) * streams_.length()));
}

std::unique_ptr<CarriedRows> make_carried_rows(const Task& task, const Model& model, const TrainConfig& config,
                                               TextCosts& texts, Communicator& ranks) {
  const std::optional<TextStreams> streams = task.streams();
  if (!streams) return nullptr;
  // All windows are full: leaves cost as much in every step, and stay where they are.
  const StepWork work(task, model, config, 1);
  std::vector<std::vector<ShardRows>> rows;
  for (const LeafRuns& runs : divide_leaves(work.leaf_costs(texts), ranks.size())) {
    std::vector<ShardRows>& own = rows.emplace_back();
    for (const LeafRange run : runs) {
      for (std::int64_t leaf = run.first; leaf < run.end; ++leaf) own.push_back(work.rows_of(leaf));
    }
  }
  return std::make_unique<CarriedRows>(*streams, model, std::move(rows), ranks);
}

}  // namespace cosformer

#include "layers/sequence/sequence_group.h"

#include <algorithm>
#include <utility>

#include "core/error.h"
#include "core/kernels/elementwise.h"

namespace cosformer {

namespace {

/// No tag of the exchange of gradients.
constexpr int kTag = 32767;

std::span<std::byte> bytes_of(Tensor& tensor) {
  return dispatch_float(tensor.dtype(), [&]<class T>(T) { return std::as_writable_bytes(tensor.span<T>()); });
}

}  // namespace

SequenceGroup::SequenceGroup(Communicator& ranks, int members) : ranks_(ranks), members_(members) {
  check<Error>(members >= 1 && ranks.size() % members == 0, "groups of ", members, " of ", ranks.size(), " ranks");
  if (members == 1) return;
  single_ = make_single_rank();
  alone_ = std::make_unique<SequenceGroup>(*single_, 1);
}

void SequenceGroup::send(int member, const Tensor& tensor) {
  Tensor dense = tensor.contiguous();
  const auto transfers = ranks_.begin_transfers();
  transfers->send(rank_of(member), kTag, bytes_of(dense));
  transfers->wait();
}

void SequenceGroup::receive(int member, Tensor& tensor) {
  const auto transfers = ranks_.begin_transfers();
  transfers->receive(rank_of(member), kTag, bytes_of(tensor));
  transfers->wait();
}

std::vector<Tensor> SequenceGroup::gather(LeafRange parts, std::vector<Tensor> own, Direction direction,
                                          const MoveOn& move_on) {
  const bool from_left = direction == Direction::from_left;
  const int before = from_left ? member() - 1 : member() + 1, behind = from_left ? member() + 1 : member() - 1;
  const auto exists = [this](int other) { return other >= 0 && other < members_; };
  Tensor state = Tensor::zeros(own.front().shape(), own.front().dtype());
  if (exists(before)) receive(before, state);
  for (std::int64_t i = 0; i < parts.count(); ++i) {
    const std::int64_t place = from_left ? i : parts.count() - 1 - i;
    Tensor& part = own[static_cast<std::size_t>(place)];
    const Tensor next = std::exchange(part, state.clone());
    move_on(state, next.contiguous(), parts.first + place);
  }
  if (exists(behind)) send(behind, state);
  return own;
}

Tensor SequenceGroup::sum(std::vector<Tensor> own) {
  Tensor total = own.front().clone();
  if (member() > 0) {
    receive(member() - 1, total);
    own.insert(own.begin(), Tensor());
  }
  for (std::size_t part = 1; part < own.size(); ++part) {
    const Tensor next = own[part].contiguous();
    dispatch_float(total.dtype(), [&]<class T>(T) { accumulate_elements(next.data<T>(), total.data<T>(), total.size()); });
  }
  if (member() + 1 < members_) {
    send(member() + 1, total);
    receive(members_ - 1, total);
  } else {
    for (int other = 0; other + 1 < members_; ++other) send(other, total);
  }
  return total;
}

GradientSums SequenceGroup::begin_sums(const std::vector<Gradients>& own, std::int64_t parts,
                                       std::span<const Node::Edge> leaves) {
  GradientSums all;
  all.parts_ = parts;
  all.leaves_ = leaves.size();
  all.transfers_ = ranks_.begin_transfers();
  const auto filled = [](const Gradients& gradients, const Node::Edge& leaf) {
    const Tensor gradient = gradients.of(leaf.node.get());
    // x + -0 is x for every x, 0 and -0 included: as if nothing had been added.
    return gradient.defined() ? gradient.contiguous() : Tensor::full(leaf.value().shape, -0.0, leaf.value().dtype);
  };
  if (!is_first()) {
    for (const Gradients& subtree : own) {
      for (const Node::Edge& leaf : leaves)
        all.transfers_->send(rank_of(0), kTag, bytes_of(all.sent_.emplace_back(filled(subtree, leaf))));
    }
    return all;
  }
  for (int member = 0; member < members_; ++member) {
    const std::vector<LeafRange> subtrees = subtrees_in(leaves_of_rank(parts, members_, member), parts);
    for (std::size_t i = 0; i < subtrees.size(); ++i) {
      all.subtrees_.push_back(subtrees[i]);
      std::vector<Tensor>& of_leaves = all.sums_.emplace_back();
      for (const Node::Edge& leaf : leaves) {
        if (member == 0) {
          of_leaves.push_back(filled(own[i], leaf));
        } else {
          Tensor& gradient = of_leaves.emplace_back(Tensor::empty(leaf.value().shape, leaf.value().dtype));
          all.transfers_->receive(rank_of(member), kTag, bytes_of(gradient));
        }
      }
    }
  }
  return all;
}

std::vector<Tensor> GradientSums::finish() {
  transfers_->wait();
  sent_.clear();
  std::vector<Tensor> totals(leaves_);
  if (sums_.empty()) return totals;
  add_subtrees(subtrees_, parts_, [&](std::size_t left, std::size_t right) {
    for (std::size_t k = 0; k < leaves_; ++k) {
      Tensor& sum = sums_[left][k];
      if (!sum.is_exclusive()) sum = sum.clone();
      dispatch_float(sum.dtype(),
                     [&]<class T>(T) { accumulate_elements(sums_[right][k].data<T>(), sum.data<T>(), sum.size()); });
      sums_[right][k] = Tensor();
    }
  });
  for (std::size_t k = 0; k < leaves_; ++k) totals[k] = sums_.front()[k];
  return totals;
}

}  // namespace cosformer

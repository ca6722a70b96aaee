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

/// state = factors ∘ state + x, by axis 1.
void move_on(Tensor& state, std::span<const double> factors, const Tensor& x) {
  const std::int64_t heads = std::ssize(factors), block = state.size() / (state.dim(0) * heads);
  dispatch_float(state.dtype(), [&]<class T>(T) {
    T* const to = state.data<T>();
    const T* const from = x.data<T>();
    for (std::int64_t row = 0; row < state.dim(0) * heads; ++row) {
      const T factor = static_cast<T>(factors[static_cast<std::size_t>(row % heads)]);
      for (std::int64_t i = row * block; i < (row + 1) * block; ++i) to[i] = factor * to[i] + from[i];
    }
  });
}

}  // namespace

SequenceGroup::SequenceGroup(Communicator& ranks, int members) : ranks_(ranks), members_(members) {
  check<Error>(members >= 1 && ranks.size() % members == 0, "groups of ", members, " of ", ranks.size(), " ranks");
}

LeafRange SequenceGroup::own_parts(const SequenceGrid& grid) const {
  check<InputError>(grid.count() >= members_, "train.sequence_ranks (", members_, "): a text of ", grid.length(),
                    " tokens has ", grid.count(), grid.count() == 1 ? " part of " : " parts of ", grid.part_tokens(),
                    " tokens, fewer than ranks; a smaller attention.chunk_size makes more");
  return grid.parts_of(member(), members_);
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

std::vector<Tensor> SequenceGroup::sums_before(std::vector<Tensor> own, std::span<const double> factors, bool reversed) {
  const int before = reversed ? member() + 1 : member() - 1, behind = reversed ? member() - 1 : member() + 1;
  const auto exists = [this](int other) { return other >= 0 && other < members_; };
  if (reversed) std::ranges::reverse(own);
  Tensor state = Tensor::zeros(own.front().shape(), own.front().dtype());
  if (exists(before)) receive(before, state);
  for (Tensor& part : own) {
    const Tensor next = std::exchange(part, state.clone());
    move_on(state, factors, next.contiguous());
  }
  if (exists(behind)) send(behind, state);
  if (reversed) std::ranges::reverse(own);
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

std::vector<Tensor> SequenceGroup::sum_gradients(const std::vector<Gradients>& own, std::int64_t parts,
                                                 std::span<const Node::Edge> leaves) {
  std::vector<Tensor> totals(leaves.size());
  const auto filled = [](const Gradients& gradients, const Node::Edge& leaf) {
    const Tensor gradient = gradients.of(leaf.node.get());
    // x + -0 is x for every x, 0 and -0 included: as if nothing had been added.
    return gradient.defined() ? gradient.contiguous() : Tensor::full(leaf.value().shape, -0.0, leaf.value().dtype);
  };
  std::vector<Tensor> kept;  // until all is sent
  const auto transfers = ranks_.begin_transfers();
  if (!is_first()) {
    for (const Gradients& subtree : own) {
      for (const Node::Edge& leaf : leaves)
        transfers->send(rank_of(0), kTag, bytes_of(kept.emplace_back(filled(subtree, leaf))));
    }
    transfers->wait();
    return totals;
  }
  std::vector<LeafRange> tree;
  std::vector<std::vector<Tensor>> sums;  // by subtree and leaf
  for (int member = 0; member < members_; ++member) {
    const std::vector<LeafRange> subtrees = subtrees_in(leaves_of_rank(parts, members_, member), parts);
    for (std::size_t i = 0; i < subtrees.size(); ++i) {
      tree.push_back(subtrees[i]);
      std::vector<Tensor>& of_leaves = sums.emplace_back();
      for (const Node::Edge& leaf : leaves) {
        if (member == 0) {
          of_leaves.push_back(filled(own[i], leaf));
        } else {
          Tensor& gradient = of_leaves.emplace_back(Tensor::empty(leaf.value().shape, leaf.value().dtype));
          transfers->receive(rank_of(member), kTag, bytes_of(gradient));
        }
      }
    }
  }
  transfers->wait();
  add_subtrees(tree, parts, [&](std::size_t left, std::size_t right) {
    for (std::size_t k = 0; k < leaves.size(); ++k) {
      Tensor& sum = sums[left][k];
      if (!sum.is_exclusive()) sum = sum.clone();
      dispatch_float(sum.dtype(),
                     [&]<class T>(T) { accumulate_elements(sums[right][k].data<T>(), sum.data<T>(), sum.size()); });
      sums[right][k] = Tensor();
    }
  });
  for (std::size_t k = 0; k < leaves.size(); ++k) totals[k] = sums.front()[k];
  return totals;
}

}  // namespace cosformer

#include "train/loop/leaf_division.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <optional>

namespace cosformer {

namespace {

/// What a rank may have more to do than on average before leaves are divided by cost.
constexpr double kTolerated = 1.05;
/// What an exchange of leaves has to save of a rank's work, at least: it makes for more subtrees to send.
constexpr double kWorthwhile = 0.005;

/// The rank of each leaf, and the cost of each rank.
class Division {
 public:
  Division(std::span<const double> costs, int ranks)
      : costs_(costs), owners_(costs.size()), loads_(static_cast<std::size_t>(ranks)), counts_(loads_.size()) {}

  void give(std::size_t leaf, std::size_t rank) {
    owners_[leaf] = rank;
    loads_[rank] += costs_[leaf];
    ++counts_[rank];
  }
  double heaviest_load() const { return *std::ranges::max_element(loads_); }
  double mean_load() const {
    return std::accumulate(costs_.begin(), costs_.end(), 0.0) / static_cast<double>(loads_.size());
  }

  /// Moves a leaf from the heaviest rank to the lightest, or lets two of them change places, whichever evens them out best.
  /// Returns whether it was worth it.
  bool even_out() {
    const auto heavy = static_cast<std::size_t>(std::ranges::max_element(loads_) - loads_.begin());
    const auto light = static_cast<std::size_t>(std::ranges::min_element(loads_) - loads_.begin());
    const double wanted = (loads_[heavy] - loads_[light]) / 2;
    double nearest = wanted - kWorthwhile * mean_load();
    std::optional<std::size_t> from, to;
    const auto consider = [&](std::size_t leaf, std::optional<std::size_t> other) {
      const double moved = costs_[leaf] - (other ? costs_[*other] : 0.0), distance = std::abs(moved - wanted);
      if (distance >= nearest) return;
      nearest = distance;
      from = leaf;
      to = other;
    };
    for (std::size_t leaf = 0; leaf < owners_.size(); ++leaf) {
      if (owners_[leaf] != heavy) continue;
      if (counts_[heavy] > 1) consider(leaf, std::nullopt);
      for (std::size_t other = 0; other < owners_.size(); ++other) {
        if (owners_[other] == light) consider(leaf, other);
      }
    }
    if (!from) return false;
    move(*from, light);
    if (to) move(*to, heavy);
    return true;
  }

  std::vector<LeafRuns> runs() const {
    std::vector<LeafRuns> runs(loads_.size());
    for (std::size_t leaf = 0; leaf < owners_.size(); ++leaf) {
      LeafRuns& own = runs[owners_[leaf]];
      const auto first = static_cast<std::int64_t>(leaf);
      if (!own.empty() && own.back().end == first) {
        ++own.back().end;
      } else {
        own.push_back({first, first + 1});
      }
    }
    return runs;
  }

 private:
  void move(std::size_t leaf, std::size_t rank) {
    loads_[owners_[leaf]] -= costs_[leaf];
    --counts_[owners_[leaf]];
    give(leaf, rank);
  }

  std::span<const double> costs_;
  std::vector<std::size_t> owners_;  // by leaf
  std::vector<double> loads_;        // by rank
  std::vector<std::int64_t> counts_;
};

Division equal_numbers(std::span<const double> costs, int ranks) {
  Division division(costs, ranks);
  for (int rank = 0; rank < ranks; ++rank) {
    const LeafRange range = leaves_of_rank(std::ssize(costs), ranks, rank);
    for (std::int64_t leaf = range.first; leaf < range.end; ++leaf)
      division.give(static_cast<std::size_t>(leaf), static_cast<std::size_t>(rank));
  }
  return division;
}

/// Neighbours whose ends lie nearest to equal costs.
Division equal_costs(std::span<const double> costs, int ranks) {
  Division division(costs, ranks);
  const double mean = division.mean_load();
  double before = 0;
  std::size_t leaf = 0;
  for (int rank = 0; rank < ranks; ++rank) {
    const double end = mean * (rank + 1);
    const std::size_t last = costs.size() - static_cast<std::size_t>(ranks - 1 - rank);
    bool is_first = true;
    while (leaf < last && (is_first || rank + 1 == ranks || std::abs(before + costs[leaf] - end) < std::abs(before - end))) {
      before += costs[leaf];
      division.give(leaf++, static_cast<std::size_t>(rank));
      is_first = false;
    }
  }
  return division;
}

}  // namespace

std::vector<LeafRuns> divide_leaves(std::span<const double> costs, int ranks) {
  const Division even = equal_numbers(costs, ranks);
  if (even.heaviest_load() <= kTolerated * even.mean_load()) return even.runs();
  Division division = equal_costs(costs, ranks);
  for (int exchange = 0; exchange < 2 * ranks && division.even_out(); ++exchange) {
  }
  return division.heaviest_load() < even.heaviest_load() ? division.runs() : even.runs();
}

std::vector<LeafRuns> runs_of_ranks(std::span<const LeafRuns> of_groups, int members) {
  const auto step = static_cast<std::size_t>(members);
  std::vector<LeafRuns> runs(of_groups.size() * step);
  for (std::size_t group = 0; group < of_groups.size(); ++group) runs[group * step] = of_groups[group];
  return runs;
}

}  // namespace cosformer

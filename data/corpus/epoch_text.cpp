#include "data/corpus/epoch_text.h"

#include <algorithm>
#include <mutex>
#include <utility>

#include "core/error.h"
#include "core/parallel.h"
#include "data/permutation.h"

namespace cosformer {

namespace {

/// Documents between two places that are remembered: each that a window begins behind is looked up in the file.
constexpr std::int64_t kStride = 32;

}  // namespace

struct EpochText::Order {
  std::int64_t epoch;
  Permutation documents;
  std::vector<std::int64_t> places;  ///< of the documents 0, kStride, 2 kStride ... of this order, in the epoch's text
};

struct EpochText::Orders {
  explicit Orders(std::uint64_t of_seed) : seed(of_seed) {}
  const std::uint64_t seed;
  std::mutex mutex;
  std::vector<std::shared_ptr<const Order>> last;  ///< at most two: a batch may span epochs
};

EpochText::EpochText(TokenArray tokens, DocumentStarts starts) : tokens_(std::move(tokens)), starts_(std::move(starts)) {}

EpochText::EpochText(TokenArray tokens, DocumentStarts starts, std::uint64_t seed)
    : tokens_(std::move(tokens)), starts_(std::move(starts)), orders_(std::make_shared<Orders>(seed)) {
  check<Error>(starts_.size() > 0, "[epoch text] a corpus without documents");
}

EpochText::Document EpochText::document(std::int64_t number) const {
  std::int64_t bounds[] = {0, tokens_.size()};
  starts_.copy(number, std::span(bounds).first(number + 1 < starts_.size() ? 2 : 1));
  return {bounds[0], bounds[1]};
}

std::shared_ptr<const EpochText::Order> EpochText::order_of(std::int64_t epoch) const {
  const std::lock_guard lock(orders_->mutex);
  auto& last = orders_->last;
  const auto found = std::ranges::find(last, epoch, [](const auto& order) { return order->epoch; });
  if (found != last.end()) return *found;
  const std::int64_t count = starts_.size();
  Order order{epoch, Permutation(count, orders_->seed, "data/documents", epoch), {}};
  order.places.resize(static_cast<std::size_t>((count + kStride - 1) / kStride) + 1);
  parallel_for(std::ssize(order.places) - 1, [&](std::int64_t stride) {
    std::int64_t tokens = 0;
    for (std::int64_t i = stride * kStride; i < std::min((stride + 1) * kStride, count); ++i) {
      const Document own = document(order.documents(i));
      tokens += own.end - own.begin;
    }
    order.places[static_cast<std::size_t>(stride) + 1] = tokens;
  });
  for (std::size_t i = 1; i < order.places.size(); ++i) order.places[i] += order.places[i - 1];
  constexpr std::size_t kMostOrders = 2;
  if (last.size() == kMostOrders) last.erase(last.begin());
  return last.emplace_back(std::make_shared<const Order>(std::move(order)));
}

template <class Visit>
void EpochText::for_each_document(std::int64_t epoch, std::int64_t first, std::int64_t count, const Visit& visit) const {
  const std::shared_ptr<const Order> order = order_of(epoch);
  const std::vector<std::int64_t>& places = order->places;
  // The last one with a place at or before `first`; those at the same place have no tokens.
  const auto stride = std::prev(std::ranges::upper_bound(places, first));
  std::int64_t place = *stride;
  for (std::int64_t i = (stride - places.begin()) * kStride; place < first + count && i < starts_.size(); ++i) {
    const Document own = document(order->documents(i));
    const std::int64_t end = place + own.end - own.begin;
    if (end > first && end > place) visit(own, place);
    place = end;
  }
}

void EpochText::copy(std::int64_t epoch, std::int64_t first, std::span<std::int32_t> to) const {
  if (!orders_) return tokens_.copy(first, to);
  const std::int64_t last = first + std::ssize(to);
  for_each_document(epoch, first, std::ssize(to), [&](const Document& own, std::int64_t place) {
    const std::int64_t begin = std::max(place, first), end = std::min(place + own.end - own.begin, last);
    tokens_.copy(own.begin + begin - place,
                 to.subspan(static_cast<std::size_t>(begin - first), static_cast<std::size_t>(end - begin)));
  });
}

std::vector<std::int64_t> EpochText::starts(std::int64_t epoch, std::int64_t first, std::int64_t count) const {
  std::vector<std::int64_t> found;
  const auto add = [&](std::int64_t place) {
    if (place > first && place < first + count && (found.empty() || found.back() < place - first))
      found.push_back(place - first);
  };
  if (orders_) {
    for_each_document(epoch, first, count, [&](const Document&, std::int64_t place) { add(place); });
    return found;
  }
  std::int64_t low = 0, high = starts_.size();
  while (low < high) {
    const std::int64_t middle = low + (high - low) / 2;
    if (starts_.part(middle, 1)[0] > first) {
      high = middle;
    } else {
      low = middle + 1;
    }
  }
  constexpr std::int64_t kAtOnce = 64;
  for (bool is_within = true; is_within && low < starts_.size();) {
    const std::vector<std::int64_t> next = starts_.part(low, std::min(kAtOnce, starts_.size() - low));
    for (const std::int64_t place : next) add(place);
    low += std::ssize(next);
    is_within = next.back() < first + count;
  }
  return found;
}

}  // namespace cosformer

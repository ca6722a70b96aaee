#include "train/loop/gradient_exchange.h"

#include <algorithm>
#include <cstring>
#include <map>
#include <utility>

#include "core/error.h"
#include "core/kernels/elementwise.h"

namespace cosformer {

namespace {

/// Buckets that travel at one time: enough to keep the network busy, few enough not to need another set of gradients.
constexpr std::size_t kTravelling = 4;
constexpr int kTags = 32767;

std::span<std::byte> bytes_of(Tensor& tensor, std::int64_t begin, std::int64_t end) {
  return dispatch_float(tensor.dtype(), [&]<class T>(T) {
    return std::as_writable_bytes(
        tensor.span<T>().subspan(static_cast<std::size_t>(begin), static_cast<std::size_t>(end - begin)));
  });
}

}  // namespace

GradientExchange::GradientExchange(Communicator& ranks, const ParameterSlices& slices,
                                   const std::vector<Parameter>& parameters)
    : ranks_(ranks),
      slices_(slices),
      parameters_(parameters),
      given_(parameters.size()),
      added_(parameters.size()),
      buckets_(slices.buckets()) {}

void GradientExchange::begin(std::span<const LeafRuns> runs, std::int64_t leaves) {
  leaves_ = leaves;
  std::map<std::int64_t, std::pair<LeafRange, int>> from_left;
  for (int rank = 0; rank < ranks_.size(); ++rank) {
    for (const LeafRange& subtree : subtrees_in(runs[static_cast<std::size_t>(rank)], leaves))
      from_left[subtree.first] = {subtree, rank};
  }
  tree_.clear();
  owners_.clear();
  for (const auto& [first, part] : from_left) {
    tree_.push_back(part.first);
    owners_.push_back(part.second);
  }
}

void GradientExchange::add(std::size_t parameter, std::vector<Tensor> sums) {
  for (Tensor& sum : sums) {
    if (sum.defined()) sum = sum.contiguous();
  }
  given_[parameter] = std::move(sums);
  added_[parameter] = true;
  post_ready();
}

bool GradientExchange::is_complete(std::size_t bucket) const {
  for (int rank = 0; rank < ranks_.size(); ++rank) {
    const auto& parts = slices_.slice(bucket, rank).parts;
    if (!std::ranges::all_of(parts, [this](const ParameterPart& part) { return has(part.parameter); })) return false;
  }
  return true;
}

void GradientExchange::post_ready() {
  // All ranks post in the same order, so that none waits for a bucket that another has behind its last place.
  while (posted_ < buckets_.size() && posted_ < finished_ + kTravelling && is_complete(posted_)) post(posted_++);
  if (finished_ < posted_ && buckets_[finished_].transfers->done()) add_up(finished_++);
}

void GradientExchange::post(std::size_t bucket) {
  Travelling& own = buckets_[bucket];
  own.transfers = ranks_.begin_transfers();
  const int tag = static_cast<int>(bucket % kTags);
  const DType dtype = parameters_.front().variable.dtype();
  const Slice& slice = slices_.slice(bucket, ranks_.rank());
  std::size_t own_subtree = 0;
  for (const int owner : owners_) {
    Tensor& sum = own.sums.emplace_back(Tensor::empty({slice.elements}, dtype));
    if (owner != ranks_.rank()) {
      std::int64_t position = 0;
      for (const ParameterPart& part : slice.parts) {
        own.transfers->receive(owner, tag, bytes_of(sum, position, position + part.size()));
        position += part.size();
      }
      continue;
    }
    for (int rank = 0; rank < ranks_.size(); ++rank) {
      std::int64_t position = 0;
      for (const ParameterPart& part : slices_.slice(bucket, rank).parts) {
        Tensor gradient = given_[part.parameter][own_subtree];
        std::span<const std::byte> bytes;
        if (gradient.defined()) {
          bytes = bytes_of(gradient, part.begin, part.end);
        } else {
          // x + -0 is x for every x, 0 and -0 included: as if nothing had been added.
          bytes = bytes_of(own.fillings.emplace_back(Tensor::full({part.size()}, -0.0, dtype)), 0, part.size());
        }
        if (rank != ranks_.rank()) {
          own.transfers->send(rank, tag, bytes);
        } else {
          std::memcpy(bytes_of(sum, position, position + part.size()).data(), bytes.data(), bytes.size());
        }
        position += part.size();
      }
    }
    ++own_subtree;
  }
}

void GradientExchange::add_up(std::size_t bucket) {
  Travelling& own = buckets_[bucket];
  own.transfers->wait();
  own.transfers.reset();
  own.fillings.clear();
  add_subtrees(tree_, leaves_, [&](std::size_t left, std::size_t right) {
    Tensor& sum = own.sums[left];
    dispatch_float(sum.dtype(),
                   [&]<class T>(T) { accumulate_elements(own.sums[right].data<T>(), sum.data<T>(), sum.size()); });
    own.sums[right] = Tensor();
  });
  own.sums.resize(1);
}

std::vector<Tensor> GradientExchange::finish() {
  std::vector<Tensor> sums;
  for (std::size_t bucket = 0; bucket < buckets_.size(); ++bucket) {
    if (bucket == posted_) {
      check<Error>(is_complete(bucket), "a gradient is missing in the exchange between ranks");
      post(posted_++);
    }
    while (posted_ < buckets_.size() && posted_ < bucket + kTravelling && is_complete(posted_)) post(posted_++);
    if (bucket >= finished_) add_up(finished_++);
    sums.push_back(std::move(buckets_[bucket].sums.front()));
    buckets_[bucket] = {};
  }
  posted_ = finished_ = 0;
  for (auto& sum : given_) sum.clear();
  added_.assign(added_.size(), false);
  return sums;
}

}  // namespace cosformer

#include "tests/support/thread_ranks.h"

#include <algorithm>
#include <condition_variable>
#include <cstring>
#include <deque>
#include <exception>
#include <map>
#include <mutex>
#include <thread>
#include <tuple>

#include "core/error.h"

namespace cosformer::test {

namespace {

/// Sender, receiver and tag.
using Address = std::tuple<int, int, int>;
constexpr int kGatherTag = -1, kBroadcastTag = -2;

class Post {
 public:
  void send(const Address& address, std::string message) {
    const std::lock_guard lock(mutex_);
    boxes_[address].push_back(std::move(message));
    arrived_.notify_all();
  }
  bool has(const Address& address, std::size_t count) {
    const std::lock_guard lock(mutex_);
    return boxes_[address].size() >= count;
  }
  std::string take(const Address& address) {
    std::unique_lock lock(mutex_);
    arrived_.wait(lock, [&] { return failed_ || !boxes_[address].empty(); });
    check<Error>(!boxes_[address].empty(), "another rank has failed");
    std::string message = std::move(boxes_[address].front());
    boxes_[address].pop_front();
    return message;
  }
  void fail() {
    const std::lock_guard lock(mutex_);
    failed_ = true;
    arrived_.notify_all();
  }
  bool is_empty() {
    const std::lock_guard lock(mutex_);
    return std::ranges::all_of(boxes_, [](const auto& box) { return box.second.empty(); });
  }

 private:
  std::mutex mutex_;
  std::condition_variable arrived_;
  std::map<Address, std::deque<std::string>> boxes_;
  bool failed_ = false;
};

class ThreadTransfers : public Transfers {
 public:
  ThreadTransfers(Post& post, int rank) : post_(post), rank_(rank) {}
  void send(int to, int tag, std::span<const std::byte> bytes) override {
    post_.send({rank_, to, tag}, {reinterpret_cast<const char*>(bytes.data()), bytes.size()});
  }
  void receive(int from, int tag, std::span<std::byte> bytes) override {
    wanted_.emplace_back(Address{from, rank_, tag}, bytes);
  }
  bool done() override {
    std::map<Address, std::size_t> counts;
    for (const auto& [address, bytes] : wanted_) ++counts[address];
    return std::ranges::all_of(counts, [this](const auto& count) { return post_.has(count.first, count.second); });
  }
  void wait() override {
    for (const auto& [address, bytes] : wanted_) {
      const std::string message = post_.take(address);
      check<Error>(message.size() == bytes.size(), "a message of ", message.size(), " bytes, expected ", bytes.size());
      std::memcpy(bytes.data(), message.data(), bytes.size());
    }
    wanted_.clear();
  }

 private:
  Post& post_;
  int rank_;
  std::vector<std::pair<Address, std::span<std::byte>>> wanted_;
};

class ThreadRank : public Communicator {
 public:
  ThreadRank(Post& post, int rank, int size) : post_(post), rank_(rank), size_(size) {}
  int rank() const override { return rank_; }
  int size() const override { return size_; }
  std::vector<std::string> gather_all(std::string_view own) override {
    for (int to = 0; to < size_; ++to) post_.send({rank_, to, kGatherTag}, std::string(own));
    std::vector<std::string> all;
    for (int from = 0; from < size_; ++from) all.push_back(post_.take({from, rank_, kGatherTag}));
    return all;
  }
  void broadcast(std::span<std::byte> bytes) override {
    ThreadTransfers transfers(post_, rank_);
    if (rank_ == 0) {
      for (int to = 1; to < size_; ++to) transfers.send(to, kBroadcastTag, bytes);
    } else {
      transfers.receive(0, kBroadcastTag, bytes);
    }
    transfers.wait();
  }
  std::unique_ptr<Transfers> begin_transfers() override { return std::make_unique<ThreadTransfers>(post_, rank_); }
  void abort(int) override { std::terminate(); }

 private:
  Post& post_;
  int rank_, size_;
};

}  // namespace

void run_ranks(int ranks, const std::function<void(Communicator&)>& work) {
  Post post;
  std::vector<std::exception_ptr> errors(static_cast<std::size_t>(ranks));
  std::vector<std::thread> threads;
  for (int rank = 0; rank < ranks; ++rank) {
    threads.emplace_back([&, rank] {
      try {
        ThreadRank own(post, rank, ranks);
        work(own);
      } catch (...) {
        errors[static_cast<std::size_t>(rank)] = std::current_exception();
        post.fail();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (const std::exception_ptr& error : errors) {
    if (error) std::rethrow_exception(error);
  }
  check<Error>(post.is_empty(), "a message was sent that nobody has received");
}

}  // namespace cosformer::test

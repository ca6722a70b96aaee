#include "core/mpi_communicator.h"

#define OMPI_SKIP_MPICXX 1
#define MPICH_SKIP_MPICXX 1
#include <mpi.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <numeric>
#include <thread>

#include "core/clock.h"
#include "core/error.h"

namespace cosformer {

namespace {

/// MPI counts in int; one message is cut into pieces of this size.
constexpr std::size_t kMaxMessageBytes = std::size_t{1} << 30;
/// Whoever waits longer than this lets others have the processor.
constexpr double kSpinSeconds = 0.001;
constexpr double kYieldSeconds = 0.05;
constexpr int kSleepMicroseconds = 100;

void check_call(int code, const char* what) {
  if (code == MPI_SUCCESS) return;
  std::array<char, MPI_MAX_ERROR_STRING> text{};
  int length = 0;
  MPI_Error_string(code, text.data(), &length);
  throw Error(concat("MPI: ", what, ": ", text.data()));
}

/// Waits until `done` says true: first in a loop, then beside others, then asleep between looks.
template <class Done>
void wait_until(Done&& done) {
  if (done()) return;
  const double begin = now_seconds();
  for (;;) {
    for (int i = 0; i < 100; ++i) {
      if (done()) return;
    }
    const double waited = now_seconds() - begin;
    if (waited > kYieldSeconds) {
      ::usleep(kSleepMicroseconds);
    } else if (waited > kSpinSeconds) {
      std::this_thread::yield();
    }
  }
}

void wait_for(MPI_Request request, const char* what) {
  wait_until([&] {
    int flag = 0;
    check_call(MPI_Test(&request, &flag, MPI_STATUS_IGNORE), what);
    return flag != 0;
  });
}

class MpiTransfers : public Transfers {
 public:
  ~MpiTransfers() override {
    // What is abandoned here belongs to a failure that ends all ranks; MPI may no longer touch the memory.
    for (MPI_Request& request : requests_) {
      if (request == MPI_REQUEST_NULL) continue;
      MPI_Cancel(&request);
      MPI_Request_free(&request);
    }
  }
  void send(int to, int tag, std::span<const std::byte> bytes) override {
    for_each_message(bytes, [&](std::span<const std::byte> part) {
      check_call(MPI_Isend(part.data(), static_cast<int>(part.size()), MPI_BYTE, to, tag, MPI_COMM_WORLD, add()), "send");
    });
  }
  void receive(int from, int tag, std::span<std::byte> bytes) override {
    for_each_message(bytes, [&](std::span<std::byte> part) {
      check_call(MPI_Irecv(part.data(), static_cast<int>(part.size()), MPI_BYTE, from, tag, MPI_COMM_WORLD, add()),
                 "receive");
    });
  }
  bool done() override {
    if (requests_.empty()) return true;
    int flag = 0;
    check_call(MPI_Testall(static_cast<int>(requests_.size()), requests_.data(), &flag, MPI_STATUSES_IGNORE), "transfer");
    if (flag != 0) requests_.clear();
    return flag != 0;
  }
  void wait() override {
    wait_until([this] { return done(); });
  }

 private:
  template <class Bytes, class Visit>
  static void for_each_message(Bytes bytes, Visit&& visit) {
    for (std::size_t begin = 0; begin < bytes.size(); begin += kMaxMessageBytes)
      visit(bytes.subspan(begin, std::min(kMaxMessageBytes, bytes.size() - begin)));
  }
  MPI_Request* add() { return &requests_.emplace_back(MPI_REQUEST_NULL); }

  std::vector<MPI_Request> requests_;
};

class MpiRanks : public Communicator {
 public:
  MpiRanks() {
    check_call(MPI_Comm_rank(MPI_COMM_WORLD, &rank_), "rank");
    check_call(MPI_Comm_size(MPI_COMM_WORLD, &size_), "size");
    check_call(MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN), "error handler");
  }
  ~MpiRanks() override { MPI_Finalize(); }

  int rank() const override { return rank_; }
  int size() const override { return size_; }

  std::vector<std::string> gather_all(std::string_view own) override {
    const auto ranks = static_cast<std::size_t>(size_);
    check<Error>(own.size() <= kMaxMessageBytes / ranks, "a message of ", own.size(), " bytes to all ranks");
    MPI_Request request = MPI_REQUEST_NULL;
    const int own_size = static_cast<int>(own.size());
    std::vector<int> sizes(ranks);
    check_call(MPI_Iallgather(&own_size, 1, MPI_INT, sizes.data(), 1, MPI_INT, MPI_COMM_WORLD, &request), "gather");
    wait_for(request, "gather");
    std::vector<int> begins(ranks);
    std::exclusive_scan(sizes.begin(), sizes.end(), begins.begin(), 0);
    std::string all(static_cast<std::size_t>(begins.back()) + static_cast<std::size_t>(sizes.back()), '\0');
    check_call(MPI_Iallgatherv(own.data(), own_size, MPI_BYTE, all.data(), sizes.data(), begins.data(), MPI_BYTE,
                               MPI_COMM_WORLD, &request),
               "gather");
    wait_for(request, "gather");
    std::vector<std::string> parts;
    for (std::size_t rank = 0; rank < ranks; ++rank)
      parts.push_back(all.substr(static_cast<std::size_t>(begins[rank]), static_cast<std::size_t>(sizes[rank])));
    return parts;
  }

  void broadcast(std::span<std::byte> bytes) override {
    for (std::size_t begin = 0; begin < bytes.size(); begin += kMaxMessageBytes) {
      const auto part = bytes.subspan(begin, std::min(kMaxMessageBytes, bytes.size() - begin));
      MPI_Request request = MPI_REQUEST_NULL;
      check_call(MPI_Ibcast(part.data(), static_cast<int>(part.size()), MPI_BYTE, 0, MPI_COMM_WORLD, &request), "broadcast");
      wait_for(request, "broadcast");
    }
  }

  std::unique_ptr<Transfers> begin_transfers() override { return std::make_unique<MpiTransfers>(); }

  void abort(int code) override {
    MPI_Abort(MPI_COMM_WORLD, code);
    std::_Exit(code);
  }

 private:
  int rank_ = 0, size_ = 1;
};

}  // namespace

std::unique_ptr<Communicator> make_mpi_ranks(int launched) {
  int provided = MPI_THREAD_SINGLE;
  check_call(MPI_Init_thread(nullptr, nullptr, MPI_THREAD_FUNNELED, &provided), "start");
  check<Error>(provided >= MPI_THREAD_FUNNELED, "MPI: this library cannot be used by a program with threads");
  auto ranks = std::make_unique<MpiRanks>();
  check<InputError>(ranks->size() == launched, "the launcher has started ", launched, " ranks, but MPI finds ",
                    ranks->size(), ": mpirun or srun is of another MPI than ", mpi_library());
  return ranks;
}

std::string mpi_library() {
  std::array<char, MPI_MAX_LIBRARY_VERSION_STRING> text{};
  int length = 0;
  MPI_Get_library_version(text.data(), &length);
  const std::string_view all = text.data();
  return std::string(all.substr(0, all.find(',')));
}

}  // namespace cosformer

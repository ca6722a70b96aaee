#include "core/communicator.h"

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <cstring>

#include "core/error.h"
#ifdef COSFORMER_MPI
#include "core/mpi_communicator.h"
#endif

namespace cosformer {

namespace {

class NoTransfers : public Transfers {
 public:
  void send(int, int, std::span<const std::byte>) override { throw Error("a single rank has nobody to send to"); }
  void receive(int, int, std::span<std::byte>) override { throw Error("a single rank has nobody to receive from"); }
  bool done() override { return true; }
  void wait() override {}
};

class SingleRank : public Communicator {
 public:
  int rank() const override { return 0; }
  int size() const override { return 1; }
  std::vector<std::string> gather_all(std::string_view own) override { return {std::string(own)}; }
  void broadcast(std::span<std::byte>) override {}
  std::unique_ptr<Transfers> begin_transfers() override { return std::make_unique<NoTransfers>(); }
  void abort(int code) override { std::_Exit(code); }
};

/// The number that an environment variable holds; 0 if it holds none.
int number_in(const char* variable) {
  const char* const text = std::getenv(variable);
  int number = 0;
  if (text != nullptr) std::from_chars(text, text + std::strlen(text), number);
  return number;
}

}  // namespace

std::string broadcast_text(Communicator& ranks, std::string_view text) {
  std::uint64_t size = text.size();
  ranks.broadcast(std::as_writable_bytes(std::span(&size, 1)));
  std::string result(ranks.is_first() ? text : std::string_view());
  result.resize(size);
  ranks.broadcast(std::as_writable_bytes(std::span(result)));
  return result;
}

std::vector<std::vector<double>> gather_numbers(Communicator& ranks, const std::vector<double>& own) {
  if (ranks.is_alone()) return {own};
  std::vector<std::vector<double>> all;
  for (const std::string& bytes :
       ranks.gather_all({reinterpret_cast<const char*>(own.data()), own.size() * sizeof(double)})) {
    std::vector<double>& numbers = all.emplace_back(bytes.size() / sizeof(double));
    // Of nothing, too: a batch that another rank scores.
    std::copy_n(bytes.data(), bytes.size(), reinterpret_cast<char*>(numbers.data()));
  }
  return all;
}

std::unique_ptr<Communicator> make_single_rank() { return std::make_unique<SingleRank>(); }

int launched_ranks() {
  // mpirun of Open MPI; of MPICH and its relatives, and srun --mpi=pmi2.
  for (const char* const variable : {"OMPI_COMM_WORLD_SIZE", "PMI_SIZE"}) {
    if (const int ranks = number_in(variable); ranks > 0) return ranks;
  }
  // srun --mpi=pmix gives each process its rank, and Slurm their number.
  return std::getenv("PMIX_RANK") != nullptr && number_in("SLURM_STEP_NUM_TASKS") > 0 ? number_in("SLURM_STEP_NUM_TASKS")
                                                                                      : 1;
}

std::unique_ptr<Communicator> connect_ranks() {
  const int launched = launched_ranks();
  if (launched == 1) return make_single_rank();
#ifdef COSFORMER_MPI
  return make_mpi_ranks(launched);
#else
  throw InputError(concat("started as one of ", launched,
                          " ranks, but this program was built without MPI: install libopenmpi-dev and build again"));
#endif
}

#ifndef COSFORMER_MPI
std::string mpi_library() { return {}; }
#endif

}  // namespace cosformer

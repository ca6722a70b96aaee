#pragma once
/// \file
/// The processes ("ranks") that train one model together, and what they send each other.
///
/// A rank of a single process is alone and sends nothing. Several are started by mpirun or srun and speak MPI, which stays
/// behind this interface. All calls come from the thread that made the communicator (MPI_THREAD_FUNNELED): a thread of its
/// own for messages would have to spin for them, on a core that computes.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace cosformer {

/// Messages that travel while their sender and receiver do other things. The memory must stay as it is until `wait` has
/// returned, or `done` has said true. Messages from one rank to another with the same tag arrive in the order sent.
class Transfers {
 public:
  virtual ~Transfers() = default;
  /// Begins to send. 0 <= `tag` < 32768. Throws Error.
  virtual void send(int to, int tag, std::span<const std::byte> bytes) = 0;
  /// Begins to receive a message of exactly this size. Throws Error.
  virtual void receive(int from, int tag, std::span<std::byte> bytes) = 0;
  /// Moves the messages on, and says whether all have arrived. Throws Error.
  virtual bool done() = 0;
  /// Waits for all of them. Throws Error.
  virtual void wait() = 0;
};

/// The ranks 0 … size() - 1. The functions without a receiver are collective: every rank calls them, in the same order.
class Communicator {
 public:
  virtual ~Communicator() = default;
  virtual int rank() const = 0;
  virtual int size() const = 0;
  bool is_alone() const { return size() == 1; }
  /// The rank that writes files and speaks to people.
  bool is_first() const { return rank() == 0; }

  /// The bytes that each rank gave, by rank. Collective. Throws Error.
  virtual std::vector<std::string> gather_all(std::string_view own) = 0;
  /// Overwrites `bytes`, of the same size on all ranks, with those of rank 0. Collective. Throws Error.
  virtual void broadcast(std::span<std::byte> bytes) = 0;
  virtual std::unique_ptr<Transfers> begin_transfers() = 0;
  /// Ends the processes of all ranks with this exit code, from any one of them.
  [[noreturn]] virtual void abort(int code) = 0;
};

/// The text of rank 0, on all ranks. Collective. Throws Error.
std::string broadcast_text(Communicator& ranks, std::string_view text);

/// The numbers that each rank gave, by rank. Collective. Throws Error.
std::vector<std::vector<double>> gather_numbers(Communicator& ranks, const std::vector<double>& own);

/// A process that is alone.
std::unique_ptr<Communicator> make_single_rank();

/// How many ranks the launcher (mpirun, srun with PMIx or PMI) has started, as it says in the environment; 1 without one.
int launched_ranks();

/// The ranks that this process was launched with: MPI is started if they are several. Call it once, on the main thread,
/// before other threads. Throws InputError if they are several and this program was built without MPI.
std::unique_ptr<Communicator> connect_ranks();

/// "Open MPI v4.1.4" of the library in use; empty if the program was built without MPI.
std::string mpi_library();

}  // namespace cosformer

#pragma once
/// \file
/// What several ranks do as one: succeed or fail together, and speak with one voice.

#include <functional>
#include <string>

#include "core/communicator.h"
#include "core/error.h"

namespace cosformer {

/// All ranks have failed together and each ends by itself. Rank 0 has the message; that of the others is empty.
class AgreedFailure : public Error {
 public:
  AgreedFailure(const std::string& message, bool input_at_fault) : Error(message), input_at_fault_(input_at_fault) {}
  bool input_at_fault() const { return input_at_fault_; }

 private:
  bool input_at_fault_;
};

/// Calls `action` on each rank. If it throws on one of them, all throw AgreedFailure with the message of the lowest rank
/// that failed; it says which, unless rank 0 is among them. A rank that is alone throws what `action` does. Collective;
/// `action` itself is not.
void together(Communicator& ranks, const std::function<void()>& action);

/// Calls `action` on rank 0 alone, and fails on all ranks if it throws. Collective.
void on_first_rank(Communicator& ranks, const std::function<void()>& action);

/// The first rank's value, on all of them; T holds no pointers. Collective.
template <class T>
T of_first_rank(Communicator& ranks, T value) {
  ranks.broadcast(std::as_writable_bytes(std::span(&value, 1)));
  return value;
}

/// "rank 3 on node17": this machine's name, for people.
std::string describe_rank(const Communicator& ranks);

}  // namespace cosformer

#pragma once
/// \file
/// Ranks that are threads of the test's process, to test what ranks do together without MPI.

#include <functional>

#include "core/communicator.h"

namespace cosformer::test {

/// Calls `work` with the communicator of each of `ranks` ranks, on a thread each. Messages are copied when they are sent,
/// and those of a tag arrive in the order sent. An exception of a rank is thrown again when all threads have ended: a rank
/// that waits for a message of one that has failed gets an Error.
void run_ranks(int ranks, const std::function<void(Communicator&)>& work);

}  // namespace cosformer::test

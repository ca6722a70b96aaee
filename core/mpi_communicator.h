#pragma once
/// \file
/// Ranks that speak MPI.

#include <memory>

#include "core/communicator.h"

namespace cosformer {

/// Starts MPI for the `launched` processes of one launch, and ends it in the communicator's destructor. Throws InputError
/// if MPI finds another number of ranks, Error if it cannot start.
std::unique_ptr<Communicator> make_mpi_ranks(int launched);

}  // namespace cosformer

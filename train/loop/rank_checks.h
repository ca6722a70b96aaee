#pragma once
/// \file
/// What has to be the same on all ranks of a run, compared at its start.

#include <functional>
#include <string>

#include "core/communicator.h"
#include "layers/model.h"
#include "train/config/config.h"
#include "train/store/run_identity.h"

namespace cosformer {

/// One rank, as it is about to train or to score.
struct RankFacts {
  std::string version;  ///< of the program
  Config config;        ///< complete
  RunIdentity identity;
  std::string weights;  ///< `weights_checksum` of the model
};

/// XXH3-128 of the values of all parameters.
std::string weights_checksum(const Model& model);

/// Throws AgreedFailure with a line that names rank, host and difference if a rank is about to train something else than
/// rank 0, or with other arithmetic. Collective.
void check_same_start(Communicator& ranks, const RankFacts& own);

/// The first difference between rank 0 and another rank, as the end of a sentence; empty if there is none.
std::string first_difference(const RankFacts& first, const RankFacts& other);

/// Lets all ranks use the weakest of their instruction sets, and says so through `warn` if they differ. To be called before
/// any loop has run. Collective.
void agree_on_instruction_set(Communicator& ranks, const std::function<void(const std::string&)>& warn);

/// What to say of ranks with more threads than the processors they may run on; empty if there are none. mpirun binds each
/// rank to one core unless it is told otherwise. Collective.
std::string find_bound_ranks(Communicator& ranks, int threads, int usable_processors);

}  // namespace cosformer

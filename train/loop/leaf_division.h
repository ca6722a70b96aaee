#pragma once
/// \file
/// Which rank computes which leaves of a step, by what the leaves cost.

#include <span>
#include <vector>

#include "autograd/step_tree.h"

namespace cosformer {

/// The leaves of each rank, for leaves of these costs (at least as many leaves as ranks): at least one for each. Equal
/// numbers of neighbours (`leaves_of_rank`) if the heaviest rank then has at most a twentieth more to do than on average,
/// since they have the fewest subtrees to send. Otherwise neighbours of about equal cost, of which a few change places with
/// one of another rank, so that little is left between the heaviest rank and the average. A pure function.
std::vector<LeafRuns> divide_leaves(std::span<const double> costs, int ranks);

/// Whose gradients each rank has, if groups of `members` ranks compute their leaves together: the first of each has those of
/// its group, the others none.
std::vector<LeafRuns> runs_of_ranks(std::span<const LeafRuns> of_groups, int members);

}  // namespace cosformer

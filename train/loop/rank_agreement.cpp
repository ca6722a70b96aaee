#include "train/loop/rank_agreement.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <new>

namespace cosformer {

namespace {

/// How `action` ended on a rank, as it travels: the first character, then the message.
constexpr char kDone = 'd', kInputAtFault = 'i', kFailed = 'f';

std::string outcome_of(const std::function<void()>& action) {
  try {
    action();
    return {kDone};
  } catch (const InputError& error) {
    return kInputAtFault + std::string(error.what());
  } catch (const std::bad_alloc&) {
    return kFailed + std::string("out of memory");
  } catch (const std::exception& error) {
    return kFailed + std::string(error.what());
  }
}

}  // namespace

void together(Communicator& ranks, const std::function<void()>& action) {
  if (ranks.is_alone()) {
    action();
    return;
  }
  std::string own = outcome_of(action);
  // Rank 0 speaks for itself.
  if (own.front() != kDone && !ranks.is_first()) own.insert(1, describe_rank(ranks) + ": ");
  const std::vector<std::string> outcomes = ranks.gather_all(own);
  const auto failed = std::ranges::find_if(outcomes, [](const std::string& outcome) { return outcome.front() != kDone; });
  if (failed == outcomes.end()) return;
  throw AgreedFailure(ranks.is_first() ? failed->substr(1) : std::string(), failed->front() == kInputAtFault);
}

void on_first_rank(Communicator& ranks, const std::function<void()>& action) {
  together(ranks, [&] {
    if (ranks.is_first()) action();
  });
}

std::string describe_rank(const Communicator& ranks) {
  std::array<char, 256> host{};
  if (::gethostname(host.data(), host.size() - 1) != 0) host = {"an unknown host"};
  return concat("rank ", ranks.rank(), " on ", host.data());
}

}  // namespace cosformer

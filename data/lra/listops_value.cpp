#include "data/lra/listops_value.h"

#include <algorithm>
#include <array>
#include <numeric>
#include <vector>

#include "core/error.h"
#include "data/lra/listops_tokens.h"

namespace cosformer {

namespace {

using Apply = int (*)(std::span<int> arguments);
constexpr std::array<Apply, kListopsOperators> kApply{
    [](std::span<int> arguments) { return std::ranges::min(arguments); },
    [](std::span<int> arguments) { return std::ranges::max(arguments); },
    [](std::span<int> arguments) {
      std::ranges::sort(arguments);
      const std::size_t count = arguments.size();
      return (arguments[(count - 1) / 2] + arguments[count / 2]) / 2;
    },
    [](std::span<int> arguments) { return std::accumulate(arguments.begin(), arguments.end(), 0) % 10; },
};

/// An operator whose bracket is open.
struct Open {
  std::size_t operation = 0;
  std::vector<int> arguments;
};

}  // namespace

int apply_listops(std::size_t operation, std::span<int> arguments) { return kApply.at(operation)(arguments); }

ListopsValue evaluate_listops(std::span<const std::int32_t> tokens) {
  std::vector<Open> open;
  std::vector<int> results;
  for (const std::int32_t token : tokens) {
    if (token < kListopsFirstOperator || token >= kListopsVocabSize)
      return {-1, concat("token ", token, " is none of ListOps")};
    if (token < kListopsClose) {
      open.push_back({static_cast<std::size_t>(token - kListopsFirstOperator), {}});
      continue;
    }
    int value = token - kListopsFirstDigit;
    if (token == kListopsClose) {
      if (open.empty()) return {-1, "a bracket closes that none has opened"};
      if (open.back().arguments.empty()) return {-1, "an operator without arguments"};
      value = apply_listops(open.back().operation, open.back().arguments);
      open.pop_back();
    }
    (open.empty() ? results : open.back().arguments).push_back(value);
  }
  if (!open.empty()) return {-1, concat(open.size(), open.size() == 1 ? " bracket is" : " brackets are", " not closed")};
  if (results.size() != 1) return {-1, concat("expected one expression, found ", results.size())};
  return {results.front(), {}};
}

}  // namespace cosformer

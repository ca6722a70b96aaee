#include "data/split.h"

#include <algorithm>

#include "core/named_table.h"

namespace cosformer {

namespace {

struct SplitName {
  const char* name;
  Split split;
};
constexpr SplitName kSplits[] = {{"train", Split::train}, {"valid", Split::valid}, {"test", Split::test}};

}  // namespace

const char* split_name(Split split) { return std::ranges::find(kSplits, split, &SplitName::split)->name; }

Split find_split(std::string_view name, std::string_view key) { return find_named(kSplits, name, key).split; }

}  // namespace cosformer

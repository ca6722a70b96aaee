#include "data/tokenizers/bpe_model.h"

#include <algorithm>
#include <string_view>
#include <unordered_map>
#include <unordered_set>

#include "core/error.h"
#include "core/printable.h"
#include "data/mapped_file.h"
#include "data/tokenizers/vocabulary.h"

namespace cosformer {

namespace {

std::vector<BpeMerge> read_merges(const std::filesystem::path& path, const std::vector<std::string>& tokens) {
  const MappedFile file(path);
  const std::unordered_map<std::string_view, std::int32_t> ids = ids_of(tokens);
  std::unordered_set<std::int64_t> seen;
  std::vector<BpeMerge> merges;
  std::string_view rest = file.bytes();
  for (std::int64_t line_number = 1; !rest.empty(); ++line_number) {
    std::string_view line = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(std::min(line.size() + 1, rest.size()));
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (line.empty() || (line_number == 1 && line.starts_with("#version"))) continue;

    const auto refuse = [&](const auto&... what) {
      throw InputError(concat(path.string(), ":", line_number, ": ", what...));
    };
    const std::size_t blank = line.find(' ');
    const std::string_view left = line.substr(0, blank);
    const std::string_view right = blank == std::string_view::npos ? std::string_view() : line.substr(blank + 1);
    if (left.empty() || right.empty() || right.find(' ') != std::string_view::npos) {
      refuse("expected two tokens parted by one blank, found ", printable(line));
    }
    const auto id_of = [&](std::string_view token) {
      const auto entry = ids.find(token);
      if (entry == ids.end()) refuse("token ", printable(token), " is not in vocab.json");
      return entry->second;
    };
    if (left.size() + right.size() > kMaxTokenBytes) refuse("the merged token has over ", kMaxTokenBytes, " bytes");
    const BpeMerge merge{id_of(left), id_of(right), id_of(std::string(left).append(right))};
    if (!seen.insert(merge.left * kMaxVocabSize + merge.right).second) refuse(printable(line), " appears twice");
    if (static_cast<std::int64_t>(merges.size()) == kMaxMerges) refuse("more than ", kMaxMerges, " merges");
    merges.push_back(merge);
  }
  return merges;
}

}  // namespace

BpeModel read_bpe_model(const std::filesystem::path& folder) {
  BpeModel model;
  model.tokens = read_vocabulary(folder / "vocab.json");
  model.merges = read_merges(folder / "merges.txt", model.tokens);
  return model;
}

TokenizerFiles files_of(const BpeModel& model) {
  std::string lines = "#version: 0.2\n";
  for (const BpeMerge& merge : model.merges) {
    lines += concat(model.tokens[static_cast<std::size_t>(merge.left)], ' ',
                    model.tokens[static_cast<std::size_t>(merge.right)], '\n');
  }
  return {{"vocab.json", vocabulary_text(model.tokens)}, {"merges.txt", lines}};
}

}  // namespace cosformer

#include "train/cli/bench/comparison.h"

#include <algorithm>

#include "core/error.h"
#include "data/mapped_file.h"
#include "data/strict_json.h"

namespace cosformer {

EarlierResults::EarlierResults(const std::filesystem::path& path) {
  const MappedFile file(path);
  const std::string_view text = file.bytes();
  std::size_t number = 1;
  for (std::size_t begin = 0; begin < text.size(); ++number) {
    const std::size_t end = std::min(text.find('\n', begin), text.size());
    const std::string_view line = text.substr(begin, end - begin);
    begin = end + 1;
    if (line.empty()) continue;
    const std::string place = concat(path.string(), ':', number);
    nlohmann::json result = parse_strict_json(line, place);
    const auto time = result.is_object() ? result.find("milliseconds") : result.end();
    check<InputError>(result.is_object() && time != result.end() && time->is_number() && time->get<double>() > 0, place,
                      ": error: expected a result with \"milliseconds\", as --json prints it");
    results_.push_back(std::move(result));
  }
  check<InputError>(!results_.empty(), path.string(), ": error: no results");
}

std::optional<double> EarlierResults::milliseconds(const nlohmann::ordered_json& result,
                                                   const std::vector<std::string>& keys) const {
  const auto same = [&](const nlohmann::json& earlier) {
    return std::ranges::all_of(
        keys, [&](const std::string& key) { return earlier.contains(key) && earlier[key] == nlohmann::json(result[key]); });
  };
  const auto found = std::ranges::find_if(results_, same);
  if (found == results_.end()) return std::nullopt;
  return (*found)["milliseconds"].get<double>();
}

}  // namespace cosformer

#pragma once
/// \file
/// Results of another run, to compare with.

#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

namespace cosformer {

/// What an earlier `bench … --json` printed: one JSON object a line.
class EarlierResults {
 public:
  /// Throws InputError that names file and line.
  explicit EarlierResults(const std::filesystem::path& path);

  /// `milliseconds` of the earlier result whose `keys` have the values of `result`; nothing if there is none.
  std::optional<double> milliseconds(const nlohmann::ordered_json& result, const std::vector<std::string>& keys) const;

 private:
  std::vector<nlohmann::json> results_;
};

}  // namespace cosformer

#pragma once
/// \file
/// A tiny project with a sweep of it.

#include <filesystem>
#include <nlohmann/json.hpp>

#include "tests/integration/tiny_project.h"

namespace cosformer::test {

inline nlohmann::json json_of(const std::filesystem::path& file) { return nlohmann::json::parse(read_bytes(file)); }

inline constexpr const char* kSweep = R"(question = "Softmax or cosFormer?"
base = "tiny.toml"
seeds = [1, 2]
[[list]]
name = "softmax"
"attention.kind" = "softmax"
[[list]]
name = "cosformer"
"attention.kind" = "cosformer"
)";

/// A project with sweep.toml.
class SweepProject : public TinyProject {
 public:
  explicit SweepProject(const std::string& text = kSweep) { write(text); }
  void write(const std::string& text) const { write_bytes(*this / "sweep.toml", text); }
  Outcome sweep(const std::vector<std::string>& further = {}) const { return call(arguments(further)); }
  static std::vector<std::string> arguments(const std::vector<std::string>& further) {
    std::vector<std::string> all = {"sweep", "sweep.toml", "--sweep-dir", "s"};
    all.insert(all.end(), further.begin(), further.end());
    return all;
  }
  std::filesystem::path run(const std::string& point, const std::string& stage = "train") const {
    return *this / ("s/runs/" + point + "/" + stage);
  }
};

}  // namespace cosformer::test

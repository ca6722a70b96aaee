// One byte of any file of a run or of a sweep is another: what is said then is the truth, or says that something is wrong.
// COSFORMER_FLIPS sets how many bytes, COSFORMER_FLIP_SEED which; scripts/flip_test is the long form.
#include <iostream>
#include <map>
#include <nlohmann/json.hpp>
#include <random>

#include "tests/catch.h"
#include "tests/integration/tiny_project.h"

namespace cosformer {
namespace {

namespace fs = std::filesystem;

using test::Outcome;
using test::read_bytes;
using test::TinyProject;
using test::write_bytes;

std::uint64_t from_environment(const char* name, std::uint64_t otherwise) {
  const char* const text = std::getenv(name);
  return text ? std::stoull(text) : otherwise;
}

/// Without what depends on the clock, and without what the report quotes from run.log, which is words and no result.
nlohmann::json timeless(nlohmann::json json) {
  if (json.is_object()) {
    for (const char* key :
         {"seconds", "wall_seconds", "tokens_per_second", "peak_memory_bytes", "environment", "warnings"}) {
      json.erase(key);
    }
  }
  if (json.is_structured()) {
    for (auto& value : json) value = timeless(value);
  }
  return json;
}

/// What a command has answered: its numbers, and whether it ended well.
struct Answer {
  Outcome outcome;
  nlohmann::json numbers;
};

/// A sound folder, and commands that read it.
class Subject {
 public:
  Subject(const TinyProject& project, std::string folder, std::vector<std::vector<std::string>> commands)
      : project_(project), folder_(std::move(folder)), sound_(folder_ + ".sound"), commands_(std::move(commands)) {
    fs::rename(project_ / folder_, project_ / sound_);
    for (const auto& entry : fs::recursive_directory_iterator(project_ / sound_)) {
      if (entry.is_regular_file() && !entry.is_symlink() && entry.file_size() > 0) {
        files_.push_back(fs::relative(entry.path(), project_ / sound_));
      }
    }
    std::ranges::sort(files_);
    for (const auto& command : commands_) {
      restore();
      truths_.push_back(ask(command));
      REQUIRE(truths_.back().outcome.code == 0);
    }
  }

  const std::vector<fs::path>& files() const { return files_; }

  /// How the commands take one changed byte: "same", "said" or "refused", the worst that happened; "SILENT" otherwise.
  std::string verdict_on(const fs::path& file, std::mt19937_64& dice) const {
    std::string bytes = read_bytes(project_ / sound_ / file);
    const std::size_t place = dice() % bytes.size();
    bytes[place] = static_cast<char>(bytes[place] ^ static_cast<char>(1 + dice() % 255));
    std::string worst = "same";
    for (std::size_t i = 0; i < commands_.size(); ++i) {
      restore();
      write_bytes(project_ / folder_ / file, bytes);
      const Answer answer = ask(commands_[i]);
      const Outcome& outcome = answer.outcome;
      INFO(file.string() << " byte " << place << " of " << bytes.size() << ": " << commands_[i].front() << ": "
                         << outcome.errors);
      CHECK(outcome.signal == 0);
      // A config's path that leads nowhere is said with its key.
      const bool names_file = test::contains(outcome.errors + outcome.output, file.filename().string()) ||
                              (file.filename() == "config.toml" && test::contains(outcome.errors, "error: task."));
      if (outcome.code != 0) {
        CHECK(outcome.code == 2);
        CHECK(names_file);
        worst = "refused";
      } else if (answer.numbers != truths_[i].numbers) {
        CHECK(names_file);
        if (!names_file) return "SILENT";
        if (worst == "same") worst = "said";
      }
    }
    return worst;
  }

 private:
  void restore() const {
    fs::remove_all(project_ / folder_);
    fs::copy(project_ / sound_, project_ / folder_, fs::copy_options::recursive | fs::copy_options::copy_symlinks);
  }

  Answer ask(const std::vector<std::string>& command) const {
    Answer answer{project_.call(command), {}};
    if (answer.outcome.code != 0) return answer;
    answer.numbers["output"] = timeless(nlohmann::json::parse(answer.outcome.output));
    if (command.front() == "train") {
      const test::RunResult result = project_.result(folder_);
      answer.numbers["tensors"] = result.tensors;
      answer.numbers["metrics"] = result.metrics;
    }
    return answer;
  }

  const TinyProject& project_;
  std::string folder_, sound_;
  std::vector<std::vector<std::string>> commands_;
  std::vector<fs::path> files_;
  std::vector<Answer> truths_;
};

/// The kind of a file, for the table: its name without what a run draws.
std::string kind_of(const std::string& subject, const fs::path& file) {
  const std::string name = file.filename().string();
  return subject + (name.starts_with("events.out") ? "events.out…" : name);
}

TEST_CASE("No changed byte of a run or a sweep gives another result in silence") {
  const std::uint64_t flips = from_environment("COSFORMER_FLIPS", 34);
  const std::uint64_t seed = from_environment("COSFORMER_FLIP_SEED", std::random_device()());
  INFO("COSFORMER_FLIP_SEED=" << seed);
  std::mt19937_64 dice(seed);
  const TinyProject project;
  const std::vector<std::string> keys = {"train.max_steps=9", "task.tokenizer=word", "model.embed_dim=8", "model.ffn_dim=8"};
  REQUIRE(project.train("run", keys).code == 0);
  write_bytes(
      project / "sweep.toml",
      "question = \"?\"\nbase = \"tiny.toml\"\nseeds = [1, 2]\n[set]\n\"train.max_steps\" = 4\n\"model.embed_dim\" = 8\n"
      "\"model.ffn_dim\" = 8\n");
  REQUIRE(project.call({"sweep", "sweep.toml", "--sweep-dir", "swept"}).code == 0);
  const Subject run(project, "run",
                    {{"eval", "run", "--json"},
                     {"report", "run", "--format", "json"},
                     {"train", "run", "--resume", "--set", "train.max_steps=12", "--json"}});
  const Subject sweep(
      project, "swept",
      {{"report", "swept", "--format", "json"}, {"sweep", "sweep.toml", "--sweep-dir", "swept", "--resume", "--json"}});
  std::map<std::string, std::map<std::string, int>> table;
  for (std::uint64_t flip = 0; flip < flips; ++flip) {
    // Every file in turn, however long.
    const std::size_t turn = flip % (run.files().size() + sweep.files().size());
    const bool of_run = turn < run.files().size();
    const fs::path& file = of_run ? run.files()[turn] : sweep.files()[turn - run.files().size()];
    ++table[kind_of(of_run ? "run " : "sweep ", file)][(of_run ? run : sweep).verdict_on(file, dice)];
  }
  int silent = 0;
  for (auto& [kind, verdicts] : table) {
    std::cout << kind << ": " << verdicts["same"] << " without effect, " << verdicts["said"] << " said, "
              << verdicts["refused"] << " refused, " << verdicts["SILENT"] << " silent\n";
    silent += verdicts["SILENT"];
  }
  CHECK(silent == 0);
}

}  // namespace
}  // namespace cosformer

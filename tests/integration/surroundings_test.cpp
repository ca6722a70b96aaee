// Every verb where the surroundings are not as usual: standard streams, the environment, folders that cannot be written.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstdlib>
#include <nlohmann/json.hpp>

#include "tests/catch.h"
#include "tests/integration/tiny_project.h"
#include "tests/support/sanitized.h"

namespace cosformer {
namespace {

namespace fs = std::filesystem;
using test::contains;
using test::TinyProject;

const char* const kSweep = "question = \"?\"\nbase = \"tiny.toml\"\n";

/// Calls that print something, of every verb that needs no long measurement. They need the run "run".
const std::vector<std::vector<std::string>>& printing_calls() {
  static const std::vector<std::vector<std::string>> calls = {
      {"config", "list"},
      {"config", "list", "--json"},
      {"config", "show", "tiny.toml"},
      {"config", "explain", "model.num_layers"},
      {"data", "check", "set"},
      {"data", "check", "set", "--json"},
      {"doctor"},
      {"doctor", "--json"},
      {"eval", "run"},
      {"eval", "run", "--json"},
      {"generate", "run", "--tokens", "4"},
      {"generate", "run", "--tokens", "4", "--json"},
      {"inspect", "run"},
      {"inspect", "tiny.toml"},
      {"inspect", "run", "--json"},
      {"report", "run", "--format", "md"},
      {"report", "run", "--format", "csv"},
      {"report", "run", "--format", "json"},
      {"sweep", "s.toml", "--dry-run"},
      {"sweep", "s.toml", "--dry-run", "--json"},
      {"train", "tiny.toml", "--dry-run"},
      {"train", "tiny.toml", "--dry-run", "--json"},
      {"train", "tiny.toml", "--run-dir", "run", "--resume", "--json"},
      {"--version"},
      {"--help"},
  };
  return calls;
}

/// A project with a finished run.
class Project : public TinyProject {
 public:
  Project() {
    test::write_bytes(*this / "s.toml", kSweep);
    REQUIRE(train("run").code == 0);
    REQUIRE(call({"data", "make", "copy", "set", "--train", "20", "--valid", "5", "--test", "5"}).code == 0);
  }
};

std::string words(const std::vector<std::string>& arguments) {
  std::string text;
  for (const std::string& argument : arguments) text += argument + " ";
  return text;
}

TEST_CASE("A result that cannot be written is exit code 1 and one line, whatever the verb") {
  const Project project;
  test::Surroundings surroundings = project.surroundings();
  surroundings.prepare = [] { ::dup2(::open("/dev/full", O_WRONLY), STDOUT_FILENO); };
  for (const auto& call : printing_calls()) {
    const test::Outcome outcome = test::run_program(call, surroundings);
    INFO(words(call) << outcome.errors);
    CHECK(outcome.code == 1);
    CHECK(outcome.errors.ends_with("error: standard output cannot be written\n"));
  }
}

TEST_CASE("A reader that is gone ends a verb as it ends other programs, or with one line where that is ignored") {
  const Project project;
  std::array<int, 2> ends{};
  REQUIRE(::pipe2(ends.data(), O_CLOEXEC) == 0);
  ::close(ends[0]);
  const bool ignored = GENERATE(false, true);
  test::Surroundings surroundings = project.surroundings();
  surroundings.prepare = [&] {
    ::dup2(ends[1], STDOUT_FILENO);
    ::signal(SIGPIPE, ignored ? SIG_IGN : SIG_DFL);
  };
  for (const auto& call : printing_calls()) {
    const test::Outcome outcome = test::run_program(call, surroundings);
    INFO(words(call) << outcome.errors << outcome.code << ' ' << outcome.signal);
    if (ignored) {
      CHECK(outcome.code == 1);
      CHECK(outcome.errors.ends_with("error: standard output cannot be written\n"));
    } else {
      CHECK(outcome.signal == SIGPIPE);
    }
  }
  ::close(ends[1]);
}

TEST_CASE("A run without standard streams keeps its files, goes on and is reported") {
  const TinyProject project;
  REQUIRE(project.train("with").code == 0);
  test::Surroundings surroundings = project.surroundings();
  surroundings.prepare = [] {
    for (const int file : {0, 1, 2}) ::close(file);
  };
  REQUIRE(test::run_program(project.train_arguments("without", {"train.max_steps=21"}), surroundings).code == 0);
  REQUIRE(test::run_program(project.train_arguments("without", {}, {"--resume"}), surroundings).code == 0);
  CHECK(project.result("without") == project.result("with"));
  CHECK(project.call({"report", "without", "--format", "csv"}).code == 0);
  // A result that nobody can get is an error.
  CHECK(test::run_program({"eval", "without"}, surroundings).code == 1);
}

TEST_CASE("Numbers have points, and no home is needed, whatever the locale") {
  const Project project;
  // A locale is data of the system, which not every system has.
  const std::string make = "localedef -i de_DE -f UTF-8 " + (project / "de_DE.UTF-8").string() + " 2>/dev/null";
  if (std::system(make.c_str()) != 0 && !fs::exists(project / "de_DE.UTF-8/LC_NUMERIC"))
    WARN("no de_DE locale can be made here (package locales): tried with its name alone");
  test::Surroundings surroundings = project.surroundings();
  surroundings.environment = {
      {"LOCPATH", (project / "x").parent_path().string()}, {"LC_ALL", "de_DE.UTF-8"}, {"LANG", "de_DE.UTF-8"}};
  surroundings.prepare = [] { ::unsetenv("HOME"); };
  const std::vector<std::vector<std::string>> same = {
      {"config", "list"},
      {"config", "show", "tiny.toml"},
      {"generate", "run", "--tokens", "10"},
      {"inspect", "run"},
      {"inspect", "tiny.toml"},
      {"report", "run", "--format", "csv"},
      {"report", "run", "--format", "md"},
  };
  for (const auto& call : same) {
    const test::Outcome there = test::run_program(call, surroundings), here = project.call(call);
    INFO(words(call) << there.errors);
    CHECK(there.code == 0);
    CHECK(there.output == here.output);
  }
  const auto values = [](const test::Outcome& outcome) {
    nlohmann::json json = nlohmann::json::parse(outcome.output);
    json.erase("seconds");
    return json;
  };
  CHECK(values(test::run_program({"eval", "run", "--json"}, surroundings)) ==
        values(project.call({"eval", "run", "--json"})));
  REQUIRE(test::run_program(project.train_arguments("german", {"optimizer.learning_rate=0.01"}), surroundings).code == 0);
  CHECK(project.result("german") == project.result("run"));
  CHECK(contains(
      test::run_program({"train", "tiny.toml", "--dry-run", "--set", "optimizer.learning_rate=0,01"}, surroundings).errors,
      "optimizer.learning_rate must be a number"));
}

TEST_CASE("A folder that cannot be made is one line, whatever the verb") {
  const Project project;
  // Below a file there is no folder, not even for root.
  const std::vector<std::vector<std::string>> calls = {
      {"train", "tiny.toml", "--run-dir", "tiny.toml/run"},
      {"sweep", "s.toml", "--sweep-dir", "tiny.toml/s"},
      {"sweep", "s.toml", "--sweep-dir", "tiny.toml/s", "--launcher", "slurm"},
      {"report", "run", "-o", "tiny.toml/report.html"},
      {"data", "make", "copy", "tiny.toml/data"},
      {"data", "make", "listops", "tiny.toml/data"},
      {"train", "tiny.toml", "--run-dir", "/proc/run"},
      {"sweep", "s.toml", "--sweep-dir", "/proc/s"},
      {"report", "run", "-o", "/proc/report.html"},
      {"data", "make", "copy", "/proc/data"},
  };
  for (const auto& call : calls) {
    const test::Outcome outcome = project.call(call);
    INFO(words(call) << outcome.errors);
    CHECK((outcome.code == 1 || outcome.code == 2));
    CHECK(test::is_one_line(outcome.errors));
    CHECK(contains(outcome.errors, contains(words(call), "/proc/") ? "/proc" : "tiny.toml"));
    CHECK(outcome.output.empty());
  }
}

TEST_CASE("A number of threads that no machine has is refused") {
  const TinyProject project;
  std::vector<int> refused = {5000, 50'000, 100'000};
  // LLVM's OpenMP, which the sanitizers' builds have, ends a process that asks for so many before main begins.
  if (!test::kSanitized) refused.push_back(2'000'000'000);
  for (const int threads : refused) {
    const test::Outcome outcome = project.call({"train", "tiny.toml", "--run-dir", "run"}, threads);
    INFO(outcome.errors);
    CHECK(outcome.code == 2);
    CHECK(outcome.errors == concat("error: OMP_NUM_THREADS: expected at most 4096 threads, found ", threads, "\n"));
  }
  CHECK(project.call({"data", "make", "copy", "out", "--threads", "100000"}).code == 2);
  CHECK(project.train("run", {"train.threads=100000"}).code == 2);
  CHECK_FALSE(fs::exists(project / "run"));
}

}  // namespace
}  // namespace cosformer

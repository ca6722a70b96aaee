// Signals that ask for the end, and two processes in one folder.
#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <memory>

#include "tests/catch.h"
#include "tests/integration/tiny_project.h"
#include "train/store/checkpoint.h"

namespace cosformer {
namespace {

using test::contains;
using test::TinyProject;

TEST_CASE("Signals that ask for the end of a run end it with a checkpoint, and it goes on as if nothing had been") {
  const TinyProject project;
  const int signal = GENERATE(SIGINT, SIGTERM, SIGHUP, SIGUSR1, SIGUSR2, SIGXCPU);
  const std::vector<std::string> keys = {"train.max_steps=300", "checkpoint.every=0", "train.eval_every=20"};
  REQUIRE(project.train("unbroken", keys).code == 0);

  test::Program program(project.train_arguments("stopped", keys), project.surroundings());
  const auto has_begun = [&] { return contains(test::read_bytes(project / "stopped/metrics.jsonl"), "\"step\":2,"); };
  REQUIRE(test::wait_until([&] { return has_begun() || !program.is_running(); }, std::chrono::seconds(60)));
  program.send(signal);
  const test::Outcome outcome = program.wait();
  INFO(outcome.errors);
  CHECK(outcome.code == 128 + signal);
  CHECK(contains(outcome.errors, " stopped --resume`"));
  REQUIRE(project.newest("stopped") >= 2);
  CHECK(project.newest("stopped") < 300);

  CHECK(project.train("stopped", keys, {"--resume"}).code == 0);
  CHECK(project.result("stopped") == project.result("unbroken"));
}

TEST_CASE("A console that is gone ends a run with a checkpoint") {
  const TinyProject project;
  std::array<int, 2> ends{};
  REQUIRE(::pipe2(ends.data(), O_CLOEXEC) == 0);
  test::Surroundings surroundings = project.surroundings();
  surroundings.prepare = [&] { ::dup2(ends[1], STDERR_FILENO); };
  test::Program program(project.train_arguments("run", {"train.max_steps=1000000", "checkpoint.every=0",
                                                        "train.eval_every=0", "logging.progress=true"}),
                        surroundings);
  ::close(ends[1]);
  char byte = 0;
  REQUIRE(::read(ends[0], &byte, 1) == 1);
  ::close(ends[0]);
  CHECK(program.wait().code == 128 + SIGPIPE);
  CHECK(project.newest("run") >= 1);
}

TEST_CASE("A SIGHUP that was ignored stays ignored") {
  const TinyProject project;
  test::Surroundings surroundings = project.surroundings();
  surroundings.prepare = [] { ::signal(SIGHUP, SIG_IGN); };
  test::Program program(project.train_arguments("run", {"train.max_steps=1000000", "checkpoint.every=0"}), surroundings);
  const auto has_begun = [&] { return contains(test::read_bytes(project / "run/metrics.jsonl"), "\"step\":2,"); };
  REQUIRE(test::wait_until([&] { return has_begun() || !program.is_running(); }, std::chrono::seconds(60)));
  program.send(SIGHUP);
  program.send(SIGTERM);
  // The first signal that counts decides.
  CHECK(program.wait().code == 128 + SIGTERM);
}

TEST_CASE("A signal does not wait for an evaluation, which the continued run makes up for") {
  const TinyProject project;
  std::string text;
  for (int i = 0; i < 100; ++i) text += test::read_bytes(project / "train.txt");
  test::write_bytes(project / "valid.txt", text);
  const std::vector<std::string> keys = {"train.max_steps=4", "checkpoint.every=0", "train.eval_every=2"};
  REQUIRE(project.train("unbroken", keys).code == 0);

  const int step = GENERATE(2, 4);
  test::Program program(project.train_arguments("stopped", keys), project.surroundings());
  const std::string trained = "{\"step\":" + std::to_string(step) + ",\"split\":\"train\"";
  const std::string evaluated = "{\"step\":" + std::to_string(step) + ",\"split\":\"valid\"";
  const auto metrics = [&] { return test::read_bytes(project / "stopped/metrics.jsonl"); };
  REQUIRE(test::wait_until([&] { return contains(metrics(), trained) || !program.is_running(); }, std::chrono::seconds(60)));
  program.send(SIGTERM);
  CHECK(program.wait().code == 143);
  CHECK_FALSE(contains(metrics(), evaluated));
  CHECK(project.newest("stopped") == step);

  // As a crash leaves it between the record of the evaluation and the checkpoint.
  const bool is_recorded = GENERATE(false, true);
  if (is_recorded) {
    const std::string all = test::read_bytes(project / "unbroken/metrics.jsonl");
    const std::size_t begin = all.find(evaluated);
    test::write_bytes(project / "stopped/metrics.jsonl", metrics() + all.substr(begin, all.find('\n', begin) + 1 - begin));
  }
  CHECK(project.train("stopped", keys, {"--resume"}).code == 0);
  CHECK(project.result("stopped") == project.result("unbroken"));
  CHECK(project.checkpoints("stopped") == project.checkpoints("unbroken"));
  CHECK(read_checkpoint(project.checkpoint("stopped", step)).state.metric.has_value());
}

TEST_CASE("A second process in the folder of a run is refused, and the first does not notice") {
  const TinyProject project;
  const std::vector<std::string> keys = {"train.max_steps=100000", "checkpoint.every=0"};
  test::Program first(project.train_arguments("run", keys), project.surroundings());
  const auto has_begun = [&] { return std::filesystem::exists(project / "run/metrics.jsonl"); };
  REQUIRE(test::wait_until([&] { return has_begun() || !first.is_running(); }, std::chrono::seconds(60)));

  const test::Outcome second = project.train("run", keys, {"--resume"});
  CHECK(second.code == 2);
  CHECK(test::is_one_line(second.errors));
  CHECK(contains(second.errors, "process " + std::to_string(first.id()) + " is writing this run"));
  CHECK(first.is_running());
  first.send(SIGTERM);
  CHECK(first.wait().code == 143);
}

TEST_CASE("Of processes that begin one run at once, exactly one trains") {
  const TinyProject project;
  for (int round = 0; round < 3; ++round) {
    const std::string run = "round-" + std::to_string(round);
    std::array<std::unique_ptr<test::Program>, 6> programs;
    for (auto& program : programs) {
      program = std::make_unique<test::Program>(project.train_arguments(run), project.surroundings());
    }
    int trained = 0;
    for (auto& program : programs) {
      const test::Outcome outcome = program->wait();
      INFO(outcome.errors);
      if (outcome.code == 0) {
        ++trained;
      } else {
        CHECK(outcome.code == 2);
        CHECK(test::is_one_line(outcome.errors));
      }
    }
    CHECK(trained == 1);
    CHECK(project.newest(run) == 30);
  }
}

}  // namespace
}  // namespace cosformer

// kill -9 at any moment, resume, and nothing shows of it. COSFORMER_KILLS sets how many kills, COSFORMER_KILL_SEED which;
// scripts/kill_test is the long form.
#include <csignal>
#include <iostream>
#include <random>

#include "tests/catch.h"
#include "tests/integration/tiny_project.h"
#include "train/store/atomic_file.h"

namespace cosformer {
namespace {

using test::TinyProject;

std::uint64_t from_environment(const char* name, std::uint64_t otherwise) {
  const char* const text = std::getenv(name);
  return text ? std::stoull(text) : otherwise;
}

/// True while a checkpoint is half written, or a crash has left it so.
bool is_saving(const std::filesystem::path& run) {
  std::error_code error;
  for (std::filesystem::directory_iterator it(run / "checkpoints", error), end; !error && it != end; it.increment(error)) {
    if (is_temporary_name(it->path().filename().string())) return true;
  }
  return false;
}

struct Kills {
  int before_first_checkpoint = 0, between = 0, while_saving = 0;
  int all() const { return before_first_checkpoint + between + while_saving; }
};

/// Random numbers without the freedom that the standard's distributions have.
class Dice {
 public:
  explicit Dice(std::uint64_t seed) : engine_(seed) {}
  int below(int count) { return static_cast<int>(engine_() % static_cast<std::uint64_t>(count)); }
  template <std::size_t N>
  std::string one_of(const char* const (&names)[N]) {
    return names[below(N)];
  }

 private:
  std::mt19937_64 engine_;
};

std::vector<std::string> random_keys(Dice& dice) {
  return {"attention.kind=" + dice.one_of({"cosformer", "softmax", "linear"}),
          "train.shards=" + dice.one_of({"auto", "1", "2"}),
          "model.dropout=" + dice.one_of({"0.1", "0.3"}),
          "train.accumulation=" + dice.one_of({"1", "2", "3"}),
          "optimizer.name=" + dice.one_of({"adamw", "adam", "sgd"}),
          "train.eval_every=" + dice.one_of({"0", "4", "7"}),
          "checkpoint.keep_best=" + dice.one_of({"true", "false"}),
          "task.carry_state=" + dice.one_of({"false", "true"}),
          "model.positions=rope",
          "attention.reweighting_length=4000",
          "train.max_steps=60"};
}

/// Kills a run until it has ended or the kills are used up, then lets it end.
void kill_and_resume(const TinyProject& project, const std::vector<std::string>& keys, Dice& dice,
                     std::uint64_t kills_wanted, Kills& kills) {
  for (;;) {
    test::Program program(project.train_arguments("killed", keys, {"--resume"}), project.surroundings(1 + dice.below(3)));
    if (static_cast<std::uint64_t>(kills.all()) < kills_wanted) {
      // Half of the kills wait for a save to begin; the others come whenever they come.
      if (dice.below(2) == 0) {
        for (int saves = 1 + dice.below(3); saves > 0 && program.is_running(); --saves) {
          test::wait_until([&] { return is_saving(project / "killed") || !program.is_running(); }, std::chrono::seconds(60));
          if (saves > 1) ::usleep(20'000);
        }
        ::usleep(static_cast<useconds_t>(dice.below(4000)));
      } else {
        // Short delays as often as long ones, for the beginning of a run is short.
        ::usleep(static_cast<useconds_t>(dice.below(dice.below(2) == 0 ? 40'000 : 400'000)));
      }
      program.send(SIGKILL);
    }
    const test::Outcome outcome = program.wait();
    INFO("exit code " << outcome.code << ", " << outcome.errors);
    if (outcome.signal == 0) {
      REQUIRE(outcome.code == 0);
      return;
    }
    REQUIRE(outcome.signal == SIGKILL);
    ++(is_saving(project / "killed")  ? kills.while_saving
       : project.newest("killed") < 0 ? kills.before_first_checkpoint
                                      : kills.between);
  }
}

TEST_CASE("A run that is killed again and again ends like one that never was") {
  const std::uint64_t wanted = from_environment("COSFORMER_KILLS", 6);
  const std::uint64_t seed = from_environment("COSFORMER_KILL_SEED", std::random_device()());
  INFO("COSFORMER_KILL_SEED=" << seed);
  Dice dice(seed);
  Kills kills;
  int runs = 0;
  while (static_cast<std::uint64_t>(kills.all()) < wanted) {
    const TinyProject project;
    const std::vector<std::string> keys = random_keys(dice);
    CAPTURE(keys);
    REQUIRE(project.train("unbroken", keys).code == 0);
    kill_and_resume(project, keys, dice, wanted, kills);
    const test::RunResult unbroken = project.result("unbroken"), killed = project.result("killed");
    CHECK(killed.tensors == unbroken.tensors);
    CHECK(killed.metrics == unbroken.metrics);
    CHECK(project.checkpoints("killed") == project.checkpoints("unbroken"));
    ++runs;
  }
  std::cout << kills.all() << " kills in " << runs << " runs (seed " << seed << "): " << kills.before_first_checkpoint
            << " before the first checkpoint, " << kills.while_saving << " while one was being written, " << kills.between
            << " at other moments\n";
}

}  // namespace
}  // namespace cosformer

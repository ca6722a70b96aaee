// Models that no machine holds, and processes that get no memory.
#include <sys/resource.h>
#include <unistd.h>

#include <functional>

#include "tests/catch.h"
#include "tests/integration/tiny_project.h"
#include "tests/support/sanitized.h"

namespace cosformer {
namespace {

using test::contains;
using test::kSanitized;
using test::TinyProject;

TEST_CASE("A model that no machine holds is refused with its size before anything is allocated") {
  const TinyProject project;
  for (const std::vector<std::string>& keys :
       {std::vector<std::string>{"model.embed_dim=1048576", "model.ffn_dim=1048576", "model.num_layers=4096"},
        {"model.embed_dim=65536", "model.ffn_dim=262144", "model.num_layers=96"},
        {"task.seq_len=16777216", "train.batch_size=1048576", "attention.kind=softmax_materialized"}}) {
    for (const std::vector<std::string>& further : {std::vector<std::string>{"--dry-run"}, {}}) {
      const test::Outcome outcome = project.train("run", keys, further);
      CAPTURE(keys.front(), outcome.errors);
      CHECK(outcome.code == 2);
      CHECK(test::is_one_line(outcome.errors));
      CHECK(contains(outcome.errors, "a training step of this config needs about "));
      CHECK(outcome.output.empty());
      CHECK_FALSE(std::filesystem::exists(project / "run"));
    }
  }
}

/// In the program before it begins: a limit of its address space.
std::function<void()> limit_address_space(unsigned long mebibytes) {
  return [mebibytes] {
    const rlimit bytes{mebibytes << 20, mebibytes << 20};
    if (::setrlimit(RLIMIT_AS, &bytes) != 0) ::_exit(127);
  };
}

TEST_CASE("Under any limit of the address space the program starts or says why not") {
  if (kSanitized) {
    SUCCEED("skipped: sanitizers take terabytes of address space");
    return;
  }
  const TinyProject project;
  int started = 0, refused = 0;
  for (const int threads : {1, 2}) {
    for (unsigned long limit = 100; limit <= 440; limit += 6) {
      test::Surroundings surroundings = project.surroundings(threads);
      surroundings.prepare = limit_address_space(limit);
      const test::Outcome outcome = test::run_program({"--version"}, surroundings);
      CAPTURE(threads, limit, outcome.code, outcome.errors);
      CHECK(outcome.signal == 0);
      ++(outcome.code == 0 ? started : refused);
      if (outcome.code == 0) continue;
      CHECK(outcome.code == 1);
      CHECK(contains(outcome.errors, "out of memory"));
    }
  }
  CHECK(started > 4);
  CHECK(refused > 4);
}

TEST_CASE("A limit of the address space ends in a line, however low it is") {
  if (kSanitized) {
    SUCCEED("skipped: sanitizers take terabytes of address space");
    return;
  }
  const TinyProject project;
  int refused = 0;
  for (const int threads : {1, 2}) {
    for (const unsigned long limit : {80, 150, 200, 280, 330, 400, 450, 550}) {
      test::Surroundings surroundings = project.surroundings(threads);
      surroundings.prepare = limit_address_space(limit);
      const std::string run = "run-" + std::to_string(threads) + "-" + std::to_string(limit);
      const test::Outcome outcome =
          test::run_program(project.train_arguments(run, {"train.max_steps=2", "logging.progress=false"}), surroundings);
      CAPTURE(threads, limit, outcome.code, outcome.errors);
      CHECK(outcome.signal == 0);
      if (outcome.code == 0) continue;
      ++refused;
      CHECK(outcome.code == 1);
      CHECK(contains(outcome.errors, "out of memory"));
    }
  }
  CHECK(refused > 4);
}

}  // namespace
}  // namespace cosformer

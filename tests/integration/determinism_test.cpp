// The same bits whatever the number of threads.
#include <nlohmann/json.hpp>

#include "tests/catch.h"
#include "tests/integration/tiny_project.h"

namespace cosformer {
namespace {

using test::TinyProject;

/// What `eval` or `generate` print, but for the times and the name of the run.
nlohmann::json untimed(const test::Outcome& outcome) {
  REQUIRE(outcome.code == 0);
  auto json = nlohmann::json::parse(outcome.output);
  for (const char* name : {"seconds", "checkpoint", "milliseconds_per_token", "milliseconds_by_context"}) json.erase(name);
  return json;
}

TEST_CASE("Weights and metrics of a training run do not depend on the number of threads") {
  const TinyProject project;
  const std::string kind = GENERATE("cosformer", "softmax");
  const std::string shards = GENERATE("auto", "1");
  INFO(kind << ", shards " << shards);
  const auto run_on = [&](int threads) {
    const std::string run = "on-" + std::to_string(threads);
    CHECK(project.train(run, {"attention.kind=" + kind, "train.shards=" + shards, "checkpoint.every=0"}, {}, threads).code ==
          0);
    return project.result(run);
  };
  const test::RunResult on_one = run_on(1);
  CHECK(on_one.metrics.size() == 30 + 4 + 1);
  CHECK(on_one == run_on(2));
  CHECK(on_one == run_on(3));
}

TEST_CASE("A limit that OpenMP's variables put on the threads changes nothing but their number") {
  const TinyProject project;
  // Products so large that OpenBLAS would split them by itself.
  const std::vector<std::string> keys = {"model.embed_dim=512",  "model.ffn_dim=512",  "task.seq_len=64",
                                         "train.batch_size=8",   "train.shards=1",     "train.max_steps=2",
                                         "train.accumulation=1", "checkpoint.every=0", "train.eval_every=0"};
  REQUIRE(project.train("free", keys, {}, 2).code == 0);
  const test::RunResult free = project.result("free");
  for (const auto& [name, value] :
       {std::pair{"OMP_THREAD_LIMIT", "1"}, {"OMP_DYNAMIC", "true"}, {"OMP_MAX_ACTIVE_LEVELS", "0"}}) {
    INFO(name << "=" << value);
    test::Surroundings limited = project.surroundings(2);
    limited.environment = {{name, value}};
    CHECK(test::run_program(project.train_arguments(name, keys), limited).code == 0);
    CHECK(project.result(name) == free);
  }
}

TEST_CASE("A run depends on its seed, and on nothing else that a repetition changes") {
  const TinyProject project;
  CHECK(project.train("first", {"checkpoint.every=0"}).code == 0);
  CHECK(project.train("again", {"checkpoint.every=0"}).code == 0);
  CHECK(project.train("other", {"checkpoint.every=0", "train.seed=2"}).code == 0);
  CHECK(project.result("first") == project.result("again"));
  CHECK(project.result("first").tensors != project.result("other").tensors);
}

TEST_CASE("eval and generate give the same on any number of threads") {
  const TinyProject project;
  REQUIRE(project.train("run", {"checkpoint.every=0", "model.max_length=64"}).code == 0);
  const std::vector<std::string> eval = {"eval", "run", "--json"};
  const std::vector<std::string> generate = {"generate", "run", "--prompt", "the sea", "--tokens", "20", "--json"};
  const auto scored = untimed(project.call(eval)), written = untimed(project.call(generate));
  for (const int threads : {2, 3}) {
    CHECK(untimed(project.call(eval, threads)) == scored);
    CHECK(untimed(project.call(generate, threads)) == written);
  }
  CHECK(scored["tokens"].get<std::size_t>() == test::read_bytes(project / "valid.txt").size() - 1);
}

}  // namespace
}  // namespace cosformer

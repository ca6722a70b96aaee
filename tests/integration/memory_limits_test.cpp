// Models that no machine holds.
#include "tests/catch.h"
#include "tests/integration/tiny_project.h"

namespace cosformer {
namespace {

using test::contains;
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

}  // namespace
}  // namespace cosformer

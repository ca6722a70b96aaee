#include "train/experiments/sweep/slurm_script.h"

#include "tests/catch.h"
#include "tests/support/input_error.h"
#include "tests/train/experiments/sweep/sweep_support.h"
#include "tests/train/run_support.h"
#include "train/experiments/sweep/sweep_plan.h"

namespace cosformer {
namespace {

using test::file_of;
using test::input_error_of;
using test::TemporaryFolder;
using test::write_bytes;

TEST_CASE("A script for Slurm has the unfinished points as tasks, and one directive a line") {
  const TemporaryFolder folder;
  write_bytes(folder / "a.toml", "[task]\nvalid = \"v\"\n");
  const SweepPlan plan = make_sweep_plan(file_of(folder, "base = \"a.toml\"\nseeds = [1,2,3,4,5,6]\n"), "sweeps/s");
  const std::string script = slurm_script(plan, "sweeps/s", "/opt/it's/cosformer", {0, 1, 2, 5}, 3, 4);
  for (const char* line :
       {"#SBATCH --array=0-2,5%3\n", "#SBATCH --cpus-per-task=4\n", "#SBATCH --signal=B:TERM@120\n", "#SBATCH --requeue\n",
        "\n'/opt/it'\\''s/cosformer' sweep ", " --point \"$((SLURM_ARRAY_TASK_ID + ${1:-0}))\" &\n"}) {
    INFO(line);
    CHECK(script.find(line) != std::string::npos);
  }
  CHECK(script.starts_with("#!/bin/bash\n# Submit with sbatch"));
  CHECK(script.find("sbatch --parsable") == std::string::npos);
  CHECK(input_error_of([&] { slurm_script(plan, "a\nb", "/x", {0}, 1, 1); }).find("cannot name a folder") !=
        std::string::npos);
}

TEST_CASE("2,500 points become three arrays for Slurm, one after another, with every point once") {
  const TemporaryFolder folder;
  write_bytes(folder / "a.toml", "[task]\nvalid = \"v\"\n");
  const SweepPlan plan = make_sweep_plan(file_of(folder, "base = \"a.toml\"\n"), "sweeps/s");
  std::vector<std::size_t> points;
  for (std::size_t point = 0; point < 2500; ++point) {
    if (point != 1007) points.push_back(point);
  }
  REQUIRE(needs_several_arrays(points));
  CHECK_FALSE(needs_several_arrays({0, 999}));
  CHECK(needs_several_arrays({1000}));
  write_bytes(folder / "sweep.sbatch", slurm_script(plan, "sweeps/s", "/opt/cosformer", points, 3, 4));
  // In the place of Slurm: each array gets a number, and its arguments are kept.
  write_bytes(folder / "sbatch", "#!/bin/bash\ncd \"${0%/*}\"\necho \"$@\" >> calls\necho \"$(wc -l < calls);cluster\"\n");
  std::filesystem::permissions(folder / "sbatch", std::filesystem::perms::owner_all);
  const std::string script = (folder / "sweep.sbatch").string();
  const std::string run = "cd / && unset SLURM_ARRAY_TASK_ID && PATH=" + folder.path().string() + ":$PATH bash " + script;
  REQUIRE(std::system((run + " > " + (folder / "said").string()).c_str()) == 0);
  CHECK(test::read_bytes(folder / "said") == "points from 0: job 1\npoints from 1000: job 2\npoints from 2000: job 3\n");
  CHECK(test::read_bytes(folder / "calls") ==
        "--parsable --array=0-999%3 " + script + " 0\n" +                                     //
            "--parsable --array=0-6,8-999%3 --dependency=afterany:1 " + script + " 1000\n" +  //
            "--parsable --array=0-499%3 --dependency=afterany:2 " + script + " 2000\n");
  // A task adds what it is given to its index.
  const std::string text = test::read_bytes(folder / "sweep.sbatch");
  const std::size_t begin = text.find("--point ") + 8;
  const std::string point = text.substr(begin, text.find(" &\n", begin) - begin);
  REQUIRE(std::system(("bash -c 'set -- 2000; SLURM_ARRAY_TASK_ID=7; test " + point + " = 2007'").c_str()) == 0);
}

}  // namespace
}  // namespace cosformer

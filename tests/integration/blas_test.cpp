// Which of OpenBLAS's kernels the program uses, and what it says of them.
#include <algorithm>
#include <nlohmann/json.hpp>

#include "core/blas_kernels.h"
#include "tests/catch.h"
#include "tests/integration/tiny_project.h"

namespace cosformer {
namespace {

using nlohmann::json;
using test::TinyProject;

TEST_CASE("The user's weak OPENBLAS_CORETYPE is kept, with a warning, and named wherever kernels are") {
  if (processor_vectors().value_or(VectorLevel::sse) == VectorLevel::sse) {
    WARN("skipped: no kernels are weak for this processor");
    return;
  }
  const TinyProject project;
  test::Surroundings weak = project.surroundings(1);
  weak.environment.emplace_back("OPENBLAS_CORETYPE", "Prescott");
  const std::string level = name_of(*processor_vectors());
  const std::string warning =
      "warning: OPENBLAS_CORETYPE=Prescott: kernels without " + level + ", which this processor has\n";

  const test::Outcome doctor = test::run_program({"doctor", "--json"}, weak);
  CHECK(doctor.errors == warning);
  const json facts = json::parse(doctor.output);
  CHECK(facts["blas"]["core"] == "Prescott");
  CHECK(facts["blas"]["core_asked"] == "Prescott");
  const auto advised = [&](const std::string& fix) {
    return std::ranges::any_of(facts["findings"], [&](const json& finding) { return finding["fix"] == fix; });
  };
  CHECK(advised("unset OPENBLAS_CORETYPE"));

  const std::vector<std::string> keys = {"train.max_steps=1", "checkpoint.every=0", "train.eval_every=0"};
  const test::Outcome trained = test::run_program(project.train_arguments("weak", keys), weak);
  CHECK(trained.code == 0);
  CHECK(trained.errors.starts_with(warning));
  CHECK(test::read_bytes(project / "weak/run.log").find("kernels Prescott (OPENBLAS_CORETYPE=Prescott)") !=
        std::string::npos);
}

TEST_CASE("Without OPENBLAS_CORETYPE the kernels fit the processor, and doctor and bench peak say so") {
  const TinyProject project;
  test::Surroundings free = project.surroundings(1);
  free.environment.emplace_back("OPENBLAS_CORETYPE", "");
  const test::Outcome doctor = test::run_program({"doctor", "--json"}, free);
  CHECK(doctor.errors.empty());
  const json facts = json::parse(doctor.output);
  CHECK(facts["blas"]["core_asked"].is_null());
  for (const json& finding : facts["findings"]) {
    CHECK(finding["what"].get<std::string>().find("OpenBLAS uses its") == std::string::npos);
  }
  const std::string core = facts["blas"]["core"];
  if (const auto level = vectors_of_blas_kernels(core)) CHECK(level == processor_vectors());
  const json peak = json::parse(test::run_program({"bench", "peak", "--threads", "1", "--json"}, free).output);
  CHECK(peak["blas_kernels"] == core);
}

}  // namespace
}  // namespace cosformer

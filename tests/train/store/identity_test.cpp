// What a run's numbers follow from beside its config.
#include <nlohmann/json.hpp>

#include "tests/catch.h"
#include "tests/support/input_error.h"
#include "train/store/run_identity.h"

namespace cosformer::test {

namespace {

RunIdentity sample_identity() {
  return {{{"train", "data/train.txt", digest_of("abc")}, {"valid", "data/valid.txt", digest_of("de")}},
          {{"vocab.json", digest_of("{}")}, {"merges.txt", digest_of("")}},
          {"avx2", "OpenBLAS 0.3.21", "Haswell"}};
}

}  // namespace

TEST_CASE("An identity comes back from JSON as it was, and equals itself") {
  const RunIdentity identity = sample_identity();
  const RunIdentity read = run_identity_from_json(nlohmann::json::parse(to_json(identity).dump()), "x");
  REQUIRE(read.data.size() == 2);
  CHECK(read.data[1].path == "data/valid.txt");
  CHECK(read.data[1].content == identity.data[1].content);
  CHECK(read.tokenizer == identity.tokenizer);
  CHECK(read.arithmetic == identity.arithmetic);
  CHECK(content_differences(identity, read, "run/tokenizer").empty());
}

TEST_CASE("Contents decide, not paths, and each difference is one line that begins with the file") {
  const RunIdentity run = sample_identity();
  RunIdentity now = run;
  now.data[0].path = "/scratch/17/train.txt";
  now.data[1].path = "/scratch/17/valid.txt";
  CHECK(content_differences(run, now, "run/tokenizer").empty());
  now.data[0].content = digest_of("abX");
  now.data[1].content = digest_of("d");
  now.tokenizer["vocab.json"] = digest_of("{a}");
  CHECK(content_differences(run, now, "run/tokenizer") ==
        std::vector<std::string>{
            "run/tokenizer/vocab.json: is not the tokenizer of the run: 3 bytes, 2 in the run",
            "/scratch/17/train.txt: is not the data of the run (task.train): other contents of the same 3 bytes",
            "/scratch/17/valid.txt: is not the data of the run (task.valid): 1 bytes, 2 in the run"});
  // An evaluation reads one split alone.
  now.data = {{"test", "t", digest_of("")}};
  now.tokenizer = run.tokenizer;
  CHECK(content_differences(run, now, "run/tokenizer").empty());
}

TEST_CASE("An identity with a key missing, unknown or of another kind is refused") {
  const nlohmann::json sound = to_json(sample_identity());
  const auto refusal = [&](const char* pointer, const nlohmann::json& value) {
    nlohmann::json changed = sound;
    changed[nlohmann::json::json_pointer(pointer)] = value;
    return input_error_of([&] { run_identity_from_json(changed, "state.json"); });
  };
  CHECK(refusal("/other", 1)
            .starts_with("state.json: identity: expected an object with the keys data, tokenizer, arithmetic"));
  CHECK(refusal("/data", 1).starts_with("state.json: identity: data: expected an array"));
  CHECK(refusal("/data/0", 1).starts_with("state.json: identity: data: expected an object"));
  CHECK(refusal("/data/0/content/bytes", -1).find("bytes: expected a number") != std::string::npos);
  CHECK(refusal("/data/0/path", 1).find("path: expected a string") != std::string::npos);
  CHECK(refusal("/tokenizer", nlohmann::json::array()).find("tokenizer: expected an object") != std::string::npos);
  CHECK(refusal("/tokenizer/vocab.json", nullptr).find("\"vocab.json\"") != std::string::npos);
  CHECK(refusal("/arithmetic/blas_kernels", 1).find("blas_kernels: expected a string") != std::string::npos);
  CHECK(refusal("/arithmetic/more", 1).find("expected an object") != std::string::npos);
}

TEST_CASE("This process has an instruction set, a library and kernels") {
  const Arithmetic arithmetic = this_arithmetic();
  CHECK_FALSE(arithmetic.instruction_set.empty());
  CHECK(arithmetic.blas_library.starts_with("OpenBLAS "));
  CHECK(arithmetic.blas_library.find(' ', 9) == std::string::npos);
  CHECK_FALSE(arithmetic.blas_kernels.empty());
}

}  // namespace cosformer::test

// What `cosformer bench` prints. How long anything takes is not tested.
#include <nlohmann/json.hpp>
#include <sstream>

#include "core/error.h"
#include "layers/attention/registry.h"
#include "tests/catch.h"
#include "tests/integration/tiny_project.h"

namespace cosformer {
namespace {

using nlohmann::json;

/// The objects that `bench …` prints, one per line.
std::vector<json> measure(std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), "bench");
  arguments.emplace_back("--json");
  const test::Outcome outcome = test::run_program(arguments);
  INFO(outcome.errors);
  REQUIRE(outcome.code == 0);
  CHECK(outcome.errors.empty());
  std::vector<json> results;
  std::istringstream lines(outcome.output);
  for (std::string line; std::getline(lines, line);) results.push_back(json::parse(line));
  return results;
}

void check_positive(const json& result, std::initializer_list<const char*> names) {
  for (const char* name : names) {
    INFO(name);
    REQUIRE(result.contains(name));
    CHECK(result[name].get<double>() > 0);
  }
}

std::string error_of(std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), "bench");
  const test::Outcome outcome = test::run_program(arguments);
  CHECK(outcome.code == 2);
  CHECK(outcome.output.empty());
  return outcome.errors;
}

constexpr const char* kTinyModel =
    "[task]\nseq_len = 16\n[model]\nnum_layers = 1\nembed_dim = 16\nnum_heads = 2\nffn_dim = 16\n[train]\nbatch_size = 4\n";

TEST_CASE("bench attention gives one result a length, whose rate is the formula's work over its time") {
  const test::TemporaryFolder folder;
  const std::vector<std::string> arguments = {"attention",     "--kind", "softmax", "--causal", "--length",   "32,64",
                                              "--batch",       "2",      "--heads", "3",        "--head-dim", "8",
                                              "--repetitions", "2"};
  const std::vector<json> results = measure(arguments);
  REQUIRE(results.size() == 2);
  std::string lines;
  for (const std::int64_t length : {32, 64}) {
    const json& result = results[length == 32 ? 0 : 1];
    check_positive(result,
                   {"milliseconds", "gflops", "share_of_peak", "peak_memory_bytes", "peak_gflops", "best_milliseconds"});
    CHECK(result["length"] == length);
    CHECK(result["pass"] == "forward_backward");
    const double flops = 3.0 * 2 * 3 * 4 * 0.5 * static_cast<double>(length * length) * 8;
    CHECK(result["gflops"].get<double>() == Approx(1e-6 * flops / result["milliseconds"].get<double>()));
    CHECK(result["share_of_peak"].get<double>() ==
          Approx(result["gflops"].get<double>() / result["peak_gflops"].get<double>()));
    CHECK(result["share_of_fma_peak"].get<double>() ==
          Approx(result["gflops"].get<double>() / result["fma_peak_gflops"].get<double>()));
    lines += result.dump() + '\n';
  }
  test::write_bytes(folder / "old.json", lines);
  std::vector<std::string> again = arguments;
  again[5] = "64,48";
  again.insert(again.end(), {"--compare", (folder / "old.json").string(), "--peak", "50.5"});
  const std::vector<json> compared = measure(again);
  REQUIRE(compared.size() == 2);
  CHECK(compared[0]["peak_gflops"] == 50.5);
  CHECK(compared[0]["earlier_milliseconds"] == results[1]["milliseconds"]);
  CHECK(compared[0]["speedup"].get<double>() ==
        Approx(results[1]["milliseconds"].get<double>() / compared[0]["milliseconds"].get<double>()));
  CHECK_FALSE(compared[1].contains("speedup"));
}

TEST_CASE("bench attention measures every kind, with options of its own") {
  for (const AttentionKind& kind : attention_kinds()) {
    INFO(kind.name);
    const bool causal = !kind.supports({.kind = kind.name}).not_causal;
    std::vector<std::string> arguments = {"attention",  "--kind", kind.name,       "--length", "40",     "--heads", "2",
                                          "--head-dim", "16",     "--repetitions", "1",        "--peak", "100"};
    if (causal) arguments.emplace_back("--causal");
    const std::vector<json> results = measure(arguments);
    REQUIRE(results.size() == 1);
    check_positive(results[0], {"milliseconds", "gflops", "peak_memory_bytes"});
  }
  const std::vector<json> local = measure({"attention", "--kind", "local", "--set", "attention.window=8", "--length", "40",
                                           "--repetitions", "1", "--peak", "100"});
  REQUIRE(local.size() == 1);
  CHECK(local[0]["options"] == json{{"attention.window", "8"}});
}

TEST_CASE("bench step --pass forward times an evaluation: no gradients, no optimizer, a third of the work") {
  const test::TemporaryFolder folder;
  const std::string config = (folder / "tiny.toml").string();
  test::write_bytes(config, kTinyModel);
  const auto step = [&](const char* pass) {
    const std::vector<json> results = measure({"step", config, "--steps", "2", "--peak", "100", "--pass", pass});
    REQUIRE(results.size() == 1);
    CHECK(results[0]["pass"] == pass);
    return results[0];
  };
  const json forward = step("forward"), training = step("forward_backward");
  const auto work = [](const json& result) {
    return result["gflops"].get<double>() / result["tokens_per_second"].get<double>();
  };
  CHECK(work(training) == Approx(3 * work(forward)));
  double backward = 0;
  for (const json& row : forward["operators"]) {
    backward += row["backward_milliseconds"].get<double>();
    CHECK(row["name"] != "adamw");
  }
  CHECK(backward == 0);
}

TEST_CASE("bench says in one line what is wrong with its input") {
  const test::TemporaryFolder folder;
  CHECK(error_of({"atention"}) == "cosformer bench: error: unknown verb 'atention'; did you mean \"attention\"?\n");
  CHECK(error_of({"attention", "--kind", "cosfomer"}) ==
        "error: --kind: unknown name \"cosfomer\"; did you mean \"cosformer\"?\n");
  CHECK(error_of({"attention", "--pass", "foward"}) ==
        "error: --pass: unknown name \"foward\"; did you mean \"forward\"?\n");
  CHECK(test::contains(error_of({"attention", "--kind", "linear", "--set", "attention.feature_map=rellu"}),
                       "not the string \"rellu\"; did you mean \"relu\"?\n"));
  CHECK(error_of({"attention", "--kind", "gated"}) == "error: --kind: gated with these options is causal only\n");
  CHECK(error_of({"attention", "--set", "model.num_heads=2"}) ==
        "error: --set: expected a key of the table attention, found \"model.num_heads=2\"\n");
  for (const char* length : {"0", "12,", "12,x", "", "99999999999999999999", "12 "}) {
    INFO(length);
    CHECK(error_of({"attention", "--length", length}) ==
          concat("error: --length: expected integers from 1 to 16777216, found \"", length, "\"\n"));
  }
  for (const char* peak : {"0", "-1", "inf", "nan", "fast", "", "1 "}) {
    INFO(peak);
    CHECK(error_of({"attention", "--peak", peak}) ==
          concat("error: --peak: expected GFLOP/s, a number above 0, found \"", peak, "\"\n"));
  }
  CHECK(error_of({"attention", "--batch", "1,2"}) == "error: --batch: expected one number, found 2\n");
  CHECK(test::contains(error_of({"attention", "--length", "16777216", "--batch", "16384"}), "elements that are measured"));
  CHECK(error_of({"operators", "--only", "adamv"}) == "error: --only: unknown name \"adamv\"; did you mean \"adamw\"?\n");

  const std::string old = (folder / "old.json").string();
  const auto error_of_old = [&](const char* text) {
    test::write_bytes(old, text);
    return error_of({"attention", "--compare", old});
  };
  CHECK(error_of_old("") == old + ": error: no results\n");
  CHECK(test::contains(error_of_old("{\"milliseconds\":1}\n{\"milliseconds\":-1}\n"), old + ":2: error: expected a result"));
  CHECK(test::contains(error_of_old("[1]\n"), old + ":1: error: expected a result"));
  CHECK(test::contains(error_of_old("{\"milliseconds\":"), old + ":1"));

  test::write_bytes(folder / "encoder.toml", std::string(kTinyModel));
  CHECK(test::contains(error_of({"step", (folder / "encoder.toml").string(), "--set", "model.kind=encoder"}),
                       "model.num_classes"));
}

TEST_CASE("bench step gives the time of a step, all of it by operator, for every kind of model") {
  const test::TemporaryFolder folder;
  const std::string config = (folder / "tiny.toml").string();
  test::write_bytes(config, kTinyModel);
  struct Variant {
    std::vector<std::string> keys;
    std::string loss;
    bool same_sizes = true;  ///< every step has arrays of the same sizes: those of a band's tokens differ
  };
  const std::vector<Variant> variants = {
      {{"model.kind=decoder"}, "linear_cross_entropy"},
      {{"model.vocab_size=40", "model.adaptive_cutoffs=[8, 20]", "model.adaptive_factor=2"}, "merge_rows", false},
      {{"model.kind=encoder", "model.num_classes=3"}, "cross_entropy"},
      {{"model.kind=encoder_decoder"}, "linear_cross_entropy"}};
  for (const Variant& variant : variants) {
    std::vector<std::string> arguments = {"step", config, "--steps", "3", "--peak", "100"};
    for (const std::string& key : variant.keys) arguments.insert(arguments.end(), {"--set", key});
    const std::vector<json> results = measure(arguments);
    REQUIRE(results.size() == 1);
    const json& result = results[0];
    INFO(result.dump());
    CHECK(result["peak_gflops"] == 100);
    check_positive(result, {"milliseconds", "tokens_per_second", "share_of_peak", "share_of_fma_peak", "peak_memory_bytes",
                            "gflops", "loss"});
    if (variant.same_sizes) CHECK(result["system_requests_per_step"] == 0);
    CHECK(result["tokens_per_second"].get<double>() == Approx(4 * 16 * 1e3 / result["milliseconds"].get<double>()));
    double shares = 0;
    bool has_loss = false;
    for (const json& row : result["operators"]) {
      CHECK(row["forward_milliseconds"].get<double>() >= 0);
      CHECK(row["backward_milliseconds"].get<double>() >= 0);
      shares += row["share_of_step"].get<double>();
      has_loss = has_loss || row["name"] == variant.loss;
    }
    CHECK(has_loss);
    CHECK(shares == Approx(1.0));
  }
}

TEST_CASE("bench peak and bench operators give their ceilings and rates") {
  const std::vector<json> peak = measure({"peak", "--threads", "1"});
  REQUIRE(peak.size() == 1);
  REQUIRE(peak[0]["by_threads"].size() == 1);
  check_positive(peak[0]["by_threads"][0],
                 {"threads", "matmul_gflops", "fma_gflops", "read_gigabytes_per_second", "fill_gigabytes_per_second",
                  "triad_gigabytes_per_second", "fresh_fill_gigabytes_per_second"});
  const std::vector<json> product = measure({"operators", "--only", "product_nt_4096_256_256", "--repetitions", "1"});
  REQUIRE(product.size() == 1);
  CHECK(product[0]["gflops"].get<double>() ==
        Approx(1e-6 * 2 * 4096 * 256 * 256 / product[0]["milliseconds"].get<double>()));
  const std::vector<json> rows = measure({"operators", "--only", "linear_64_64", "--repetitions", "1"});
  REQUIRE(rows.size() == 2);
  CHECK(rows[0]["pass"] == "forward");
  CHECK(rows[1]["pass"] == "forward_backward");
  for (const json& row : rows) {
    check_positive(row, {"milliseconds", "gflops", "share_of_peak", "share_of_fma_peak", "fma_peak_gflops"});
    CHECK(row["share_of_fma_peak"].get<double>() ==
          Approx(row["gflops"].get<double>() / row["fma_peak_gflops"].get<double>()));
  }
}

}  // namespace
}  // namespace cosformer

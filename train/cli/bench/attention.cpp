#include <fmt/format.h>

#include <algorithm>
#include <iostream>
#include <nlohmann/json.hpp>
#include <optional>

#include "autograd/backward.h"
#include "core/memory.h"
#include "core/named_table.h"
#include "core/parallel.h"
#include "core/printable.h"
#include "layers/attention/registry.h"
#include "train/cli/bench/bench.h"
#include "train/cli/bench/ceilings.h"
#include "train/cli/bench/comparison.h"
#include "train/cli/bench/measure_in_child.h"
#include "train/cli/bench/random_tensor.h"
#include "train/cli/bench/timing.h"

namespace cosformer {

namespace {

/// One operator from query, key and value [batch, length, heads · head_dim] to an output of that shape.
struct AttentionCase {
  AttentionConfig config;
  nlohmann::ordered_json options = nlohmann::ordered_json::object();  ///< what --set changed in `config`, by key
  bool causal = false;
  PassName pass{};
  std::int64_t batch = 1, length = 1, heads = 1, head_dim = 1;
  int repetitions = 1;
};

// Beyond these a product of sizes might not fit into 64 bits.
constexpr std::int64_t kMaxLength = 1 << 24, kMaxWidth = 1 << 12, kMaxBatch = 1 << 14, kMaxRepetitions = 100'000;

constexpr std::int64_t kMaxElements = std::int64_t{1} << 36;

/// What tells one result from another.
const std::vector<std::string> kShapeKeys = {"kind",   "options", "causal",   "pass",   "batch",
                                             "length", "heads",   "head_dim", "threads"};

std::unique_ptr<Attention> attention_of(const AttentionCase& shape, ParameterStore& store) {
  AttentionConfig config = shape.config;
  config.causal_length = shape.length;
  const AttentionSupport support = find_attention_kind(config.kind).supports(config);
  check<InputError>(shape.causal ? support.causal : support.not_causal, "--kind: ", config.kind, " with these options is ",
                    shape.causal ? "not causal" : "causal only");
  return make_attention(config, {.scope = Scope(store),
                                 .num_heads = shape.heads,
                                 .head_dim = shape.head_dim,
                                 .embed_dim = shape.heads * shape.head_dim,
                                 .max_length = shape.length});
}

/// Times and this process's peak memory.
nlohmann::ordered_json measure(const AttentionCase& shape) {
  ParameterStore store(1, DType::float32);
  const std::unique_ptr<Attention> attention = attention_of(shape, store);
  const Shape joined{shape.batch, shape.length, shape.heads * shape.head_dim};
  const Shape split{shape.batch, shape.length, shape.heads, shape.head_dim};
  const AttentionMask mask{.causal = shape.causal};
  const auto input = [&](const char* name) {
    const Tensor values = normal_tensor(joined, name);
    return shape.pass.backward ? Variable::leaf(values) : Variable(values);
  };
  const Variable query = input("query"), key = input("key"), value = input("value"), given = input("input");
  const Pass pass{.record_gradients = shape.pass.backward};
  const Tensor doutput = shape.pass.backward ? normal_tensor(joined, "doutput") : Tensor();
  constexpr double kLeastSeconds = 0.02;
  const Timing timing = time_calls(shape.repetitions, kLeastSeconds, [&] {
    const Variable out = reshape(
        attention->forward({reshape(query, split), reshape(key, split), reshape(value, split), given}, mask, pass), joined);
    if (shape.pass.backward) backward(out, doutput);
  });
  const double flops = attention->forward_flops(shape.length, shape.length, shape.causal) *
                       static_cast<double>(shape.batch * shape.heads) * (shape.pass.backward ? 3.0 : 1.0);
  return {{"milliseconds", 1e3 * timing.median},
          {"best_milliseconds", 1e3 * timing.best},
          {"gflops", 1e-9 * flops / timing.median},
          {"peak_memory_bytes", peak_resident_bytes()}};
}

nlohmann::ordered_json describe(const AttentionCase& shape) {
  return {
      {"kind", shape.config.kind}, {"options", shape.options},        {"causal", shape.causal}, {"pass", shape.pass.name},
      {"batch", shape.batch},      {"length", shape.length},          {"heads", shape.heads},   {"head_dim", shape.head_dim},
      {"threads", num_threads()},  {"repetitions", shape.repetitions}};
}

void print_table(const std::vector<nlohmann::ordered_json>& results, bool compared) {
  std::cout << fmt::format("{:>8} {:>10} {:>10} {:>9} {:>8} {:>8} {:>11}", "length", "ms", "best ms", "GFLOP/s", "share",
                           "of FMA", "memory MB")
            << (compared ? fmt::format(" {:>10} {:>8}\n", "earlier ms", "speedup") : "\n");
  for (const nlohmann::ordered_json& result : results) {
    const auto number = [&](const char* key) { return result[key].get<double>(); };
    std::cout << fmt::format("{:>8} {:>10.2f} {:>10.2f} {:>9.1f} {:>8.3f} {:>8.3f} {:>11.1f}",
                             result["length"].get<std::int64_t>(), number("milliseconds"), number("best_milliseconds"),
                             number("gflops"), number("share_of_peak"), number("share_of_fma_peak"),
                             1e-6 * number("peak_memory_bytes"));
    if (result.contains("speedup"))
      std::cout << fmt::format(" {:>10.2f} {:>8.2f}", number("earlier_milliseconds"), number("speedup"));
    std::cout << '\n';
  }
}

/// The defaults of a kind with what --set changes. Throws InputError for a key of another table.
AttentionConfig given_attention(const std::string& kind, const std::vector<std::string>& changes) {
  for (const std::string& change : changes) {
    check<InputError>(change.starts_with("attention."), "--set: expected a key of the table attention, found \"",
                      visible_start(change), '"');
  }
  // A config is checked with its model: one that can have this kind, so that messages speak of the options alone.
  const char* model = find_attention_kind(kind).supports({.kind = kind}).causal ? "decoder" : "encoder";
  std::vector<std::string> overrides = {concat("model.kind=", model), "attention.kind=" + kind};
  overrides.insert(overrides.end(), changes.begin(), changes.end());
  return config_from_overrides(overrides).model.attention;
}

/// The case that the flags describe, with the first length.
AttentionCase given_case(const cxxopts::ParseResult& given) {
  AttentionCase shape;
  const std::string kind = given["kind"].as<std::string>();
  find_named(attention_kinds(), kind, "--kind");
  const std::vector<std::string> changes = given_overrides(given);
  shape.causal = given.count("causal") > 0;
  shape.config = given_attention(kind, changes);
  for (const std::string& change : changes) {
    const std::size_t equals = change.find('=');
    shape.options[change.substr(0, equals)] = change.substr(equals + 1);
  }
  shape.pass = given_pass(given);
  shape.batch = given_integer(given, "batch", 1, kMaxBatch);
  shape.heads = given_integer(given, "heads", 1, kMaxWidth);
  shape.head_dim = given_integer(given, "head-dim", 1, kMaxWidth);
  shape.repetitions = static_cast<int>(given_integer(given, "repetitions", 1, kMaxRepetitions));
  return shape;
}

}  // namespace

int run_bench_attention(int argc, char** argv) {
  CommandLine line(
      "cosformer bench attention",
      "Times one attention operator from projected query, key and value (batch, length, heads x head_dim) to its\n"
      "output: median milliseconds, the GFLOP/s that its formula asks for, their share of the best matrix\n"
      "product and of the multiply-adds that the processor can do, and the peak memory of a process that does\n"
      "nothing else.");
  const AttentionConfig defaults;
  const auto text = [](const std::string& value) { return cxxopts::value<std::string>()->default_value(value); };
  auto add = line.options();
  add("kind", "a kind of attention, as in configs", text(defaults.kind), "K");
  add("causal", "query i sees keys j <= i");
  add("length", "tokens; several lengths are measured one by one", text("2048"), "N[,N...]");
  add("batch", "sequences", text("1"), "B");
  add("heads", "heads", text("8"), "H");
  add("head-dim", "width of a head", text("64"), "D");
  add_pass_option(line);
  add("repetitions", "timed calls", text("7"), "R");
  add("compare", "what an earlier call with --json printed: shows how much faster this one is",
      cxxopts::value<std::string>(), "OLD.json");
  line.options()("set", "change an option of the kind, as in --set attention.window=64 (repeatable)",
                 cxxopts::value<std::vector<std::string>>(), "KEY=VALUE");
  add_threads_option(line);
  add_peak_option(line);
  add_json_option(line);
  const auto given = line.parse(argc, argv);
  if (!given) return 0;
  use_given_threads(*given);
  const std::optional<double> known_peak = given_peak(*given);
  AttentionCase shape = given_case(*given);
  const std::vector<std::int64_t> lengths = given_integers(*given, "length", 1, kMaxLength);
  const auto earlier =
      given->count("compare") > 0 ? std::optional<EarlierResults>((*given)["compare"].as<std::string>()) : std::nullopt;
  const std::int64_t width = shape.heads * shape.head_dim, longest = std::ranges::max(lengths);
  check<InputError>(shape.batch * longest <= kMaxElements / width, "--length: ", shape.batch, " sequences of ", longest,
                    " tokens and width ", width, " have more than the ", kMaxElements, " elements that are measured");
  // Options that do not fit show before anything is measured.
  measure_in_child([&] {
    ParameterStore store(1, DType::float32);
    return attention_of(shape, store), nlohmann::ordered_json();
  });

  const CeilingAround ceiling(known_peak);
  std::vector<nlohmann::ordered_json> results;
  for (const std::int64_t length : lengths) {
    shape.length = length;
    nlohmann::ordered_json result = describe(shape);
    result.update(measure_in_child([&] { return measure(shape); }));
    results.push_back(std::move(result));
  }
  const Ceilings ceilings = ceiling.finish();
  for (nlohmann::ordered_json& result : results) {
    add_shares(result, ceilings);
    const auto before = earlier ? earlier->milliseconds(result, kShapeKeys) : std::nullopt;
    if (!before) continue;
    result["earlier_milliseconds"] = *before;
    result["speedup"] = *before / result["milliseconds"].get<double>();
  }
  if (given->count("json") > 0) {
    for (const nlohmann::ordered_json& result : results) print_json(result);
  } else {
    std::cout << fmt::format(
        "{}{}, batch {}, {} heads of {}, {}, {} threads; ceilings {:.1f} (products) and {:.1f} GFLOP/s (FMA)\n",
        shape.config.kind, shape.causal ? ", causal" : "", shape.batch, shape.heads, shape.head_dim, shape.pass.name,
        num_threads(), 1e-9 * ceilings.matmul, 1e-9 * ceilings.fma);
    print_table(results, earlier.has_value());
  }
  return 0;
}

}  // namespace cosformer

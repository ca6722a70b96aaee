#include <nlohmann/json.hpp>

#include "data/generators/recall.h"
#include "train/cli/data_make.h"

namespace cosformer {

namespace {

using nlohmann::ordered_json;

CommandLine recall_line(const char* name, const char* what, const RecallOptions& defaults) {
  CommandLine line(concat("cosformer data make ", name),
                   concat("Writes ", what, ": train.tsv, valid.tsv and test.tsv, for task.name = \"recall\"."));
  add_generator_options(line);
  line.options()("train", "training sequences", count_option(defaults.train), "N");
  line.options()("valid", "validation sequences", count_option(defaults.valid), "N");
  line.options()("test", "test sequences", count_option(defaults.test), "N");
  line.options()("length", "tokens of a sequence", count_option(defaults.length), "N");
  line.options()("vocab-size", "different tokens", count_option(defaults.vocab_size), "N");
  return line;
}

std::int64_t number(const cxxopts::ParseResult& given, const char* option) { return given[option].as<std::int64_t>(); }

void take_common(const cxxopts::ParseResult& given, RecallOptions& options) {
  options.train = number(given, "train");
  options.valid = number(given, "valid");
  options.test = number(given, "test");
  options.length = number(given, "length");
  options.vocab_size = number(given, "vocab-size");
  options.seed = given["seed"].as<std::uint64_t>();
}

ordered_json to_json(const RecallStatistics& made) { return {{"sequences", made.sequences}, {"targets", made.targets}}; }

}  // namespace

int make_mqar_set(int argc, char** argv) {
  MqarOptions options;
  CommandLine line = recall_line(
      "mqar", "multi-query associative recall: pairs of a key and a value, and keys whose value is asked for", options);
  line.options()("pairs", "keys with their values", count_option(options.pairs), "N");
  line.options()("power", "a of the weights (n + 1)^(a - 1) of the n-th place of a query",
                 cxxopts::value<double>()->default_value("0.01"), "A");
  line.options()("zeros", "what is neither a pair nor a query is 0, not a random token");
  const auto given = line.parse(argc, argv);
  if (!given) return 0;
  take_common(*given, options);
  options.pairs = number(*given, "pairs");
  options.power = (*given)["power"].as<double>();
  options.random_filling = given->count("zeros") == 0;
  return make_data_set(*given, [&](GeneratedFiles& files, const GeneratorProgress& progress) {
    return to_json(make_mqar(options, files, progress));
  });
}

int make_selective_copy_set(int argc, char** argv) {
  SelectiveCopyOptions options;
  CommandLine line = recall_line(
      "selective_copy", "symbols at random places among zeros, and markers for which they are to be copied", options);
  line.options()("symbols", "symbols to copy", count_option(options.symbols), "N");
  const auto given = line.parse(argc, argv);
  if (!given) return 0;
  take_common(*given, options);
  options.symbols = number(*given, "symbols");
  return make_data_set(*given, [&](GeneratedFiles& files, const GeneratorProgress& progress) {
    return to_json(make_selective_copy(options, files, progress));
  });
}

int make_induction_set(int argc, char** argv) {
  InductionOptions options;
  CommandLine line = recall_line(
      "induction", "random tokens with one special token, and that token again, whose successor is asked for", options);
  const auto given = line.parse(argc, argv);
  if (!given) return 0;
  take_common(*given, options);
  return make_data_set(*given, [&](GeneratedFiles& files, const GeneratorProgress& progress) {
    return to_json(make_induction(options, files, progress));
  });
}

int make_needle_set(int argc, char** argv) {
  NeedleOptions options;
  CommandLine line = recall_line(
      "needle", "a needle in a haystack: keys with their values far apart among other tokens, one of which is asked for",
      options);
  line.options()("needles", "keys with their values", count_option(options.needles), "N");
  const auto given = line.parse(argc, argv);
  if (!given) return 0;
  take_common(*given, options);
  options.needles = number(*given, "needles");
  return make_data_set(*given, [&](GeneratedFiles& files, const GeneratorProgress& progress) {
    return to_json(make_needle(options, files, progress));
  });
}

}  // namespace cosformer

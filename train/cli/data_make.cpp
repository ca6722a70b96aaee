#include "train/cli/data_make.h"

#include <fmt/format.h>
#include <unistd.h>

#include <functional>
#include <iostream>
#include <nlohmann/json.hpp>

#include "core/cgroup_limits.h"
#include "core/clock.h"
#include "core/error.h"
#include "core/parallel.h"
#include "data/generators/listops.h"
#include "data/generators/pathfinder.h"
#include "data/generators/sequence_pairs.h"
#include "train/cli/data_set_folder.h"
#include "train/cli/data_verb.h"
#include "train/cli/options.h"
#include "train/cli/verbs.h"
#include "train/loop/progress.h"
#include "train/store/console.h"
#include "train/store/signals.h"

namespace cosformer {

namespace {

using nlohmann::ordered_json;

/// Ends a generator when a signal came that asks for it.
struct Stopped {
  int signal;
};

/// "[=========>          ]  48 %  46080/96000  12 s left".
std::string format_bar(std::int64_t done, std::int64_t total, double seconds) {
  constexpr int kWidth = 30;
  const double share = static_cast<double>(done) / static_cast<double>(total);
  const std::string bar = std::string(static_cast<std::size_t>(share * kWidth), '=') + (done < total ? ">" : "");
  const std::string left = done > 0 ? format_duration(seconds * (1 - share) / share) + " left" : "";
  return fmt::format("[{:<{}}] {:3.0f} %  {}/{}  {}", bar, kWidth, 100 * share, done, total, left);
}

ordered_json to_json(const ListopsStatistics& statistics) {
  return {{"expressions", statistics.accepted},
          {"candidates", statistics.candidates},
          {"duplicates", statistics.duplicates},
          {"acceptance", static_cast<double>(statistics.accepted) / static_cast<double>(statistics.candidates)},
          {"mean_length", statistics.mean_length},
          {"min_length", statistics.min_length},
          {"median_length", statistics.median_length},
          {"p90_length", statistics.p90_length},
          {"max_length", statistics.max_length},
          {"labels", statistics.labels}};
}

int make_listops_set(int argc, char** argv) {
  const ListopsOptions defaults;
  CommandLine line("cosformer data make listops",
                   "Writes ListOps as Long-Range Arena has it: basic_train.tsv, basic_val.tsv and basic_test.tsv.");
  add_generator_options(line);
  line.options()("train", "training expressions", count_option(defaults.train), "N");
  line.options()("valid", "validation expressions", count_option(defaults.valid), "N");
  line.options()("test", "test expressions", count_option(defaults.test), "N");
  line.options()("min-length", "expressions are longer than this, in tokens", count_option(defaults.min_length), "N");
  line.options()("max-length", "and shorter than this", count_option(defaults.max_length), "N");
  line.options()("max-depth", "at this depth there are digits only; the root has depth 1", count_option(defaults.max_depth),
                 "N");
  line.options()("max-args", "an operator has 2 to this many arguments", count_option(defaults.max_args), "N");
  const auto given = line.parse(argc, argv);
  if (!given) return 0;
  const auto number = [&](const char* name) { return (*given)[name].as<std::int64_t>(); };
  const ListopsOptions options{.train = number("train"),
                               .valid = number("valid"),
                               .test = number("test"),
                               .min_length = number("min-length"),
                               .max_length = number("max-length"),
                               .max_depth = number("max-depth"),
                               .max_args = number("max-args"),
                               .seed = (*given)["seed"].as<std::uint64_t>()};
  return make_data_set(*given, [&](GeneratedFiles& files, const GeneratorProgress& progress) {
    return to_json(make_listops(options, files, progress));
  });
}

int make_pathfinder_set(int argc, char** argv) {
  const PathfinderOptions defaults;
  CommandLine line(
      "cosformer data make pathfinder",
      "Writes Pathfinder (32 or 64 pixels) or Path-X (128) as Long-Range Arena has it: folders imgs and metadata.");
  add_generator_options(line);
  line.options()("size", "32, 64 or 128 pixels a side", count_option(defaults.image_size), "N");
  line.options()("difficulty", "easy, intermediate or hard",
                 cxxopts::value<std::string>()->default_value(defaults.difficulty), "D");
  line.options()("count", "pictures", count_option(defaults.count), "N");
  line.options()("contour-length", "dashes of a long path, 2 to 14, in place of the difficulty's 6, 9 or 14",
                 cxxopts::value<std::int64_t>(), "N");
  line.options()("distractors", "short paths, 0 to 20, in place of the difficulty's", cxxopts::value<std::int64_t>(), "N");
  const auto given = line.parse(argc, argv);
  if (!given) return 0;
  const auto number = [&](const char* option) -> std::optional<std::int64_t> {
    if (given->count(option) == 0) return std::nullopt;
    return (*given)[option].as<std::int64_t>();
  };
  const PathfinderOptions options{.image_size = (*given)["size"].as<std::int64_t>(),
                                  .difficulty = (*given)["difficulty"].as<std::string>(),
                                  .count = (*given)["count"].as<std::int64_t>(),
                                  .seed = (*given)["seed"].as<std::uint64_t>(),
                                  .contour_length = number("contour-length"),
                                  .num_distractors = number("distractors")};
  return make_data_set(*given, [&](GeneratedFiles& files, const GeneratorProgress& progress) {
    const PathfinderStatistics made = make_pathfinder(options, files, progress);
    return ordered_json{{"pictures", made.pictures}, {"connected", made.connected}, {"png_bytes", made.png_bytes}};
  });
}

int make_pairs_set(int argc, char** argv, const char* name, bool reversed) {
  const SequencePairsOptions defaults;
  CommandLine line(concat("cosformer data make ", name),
                   concat("Writes sequences of random symbols and their ", reversed ? "reverses" : "copies",
                          ": train, valid and test, each as .src and .tgt."));
  add_generator_options(line);
  line.options()("train", "training pairs", count_option(defaults.train), "N");
  line.options()("valid", "validation pairs", count_option(defaults.valid), "N");
  line.options()("test", "test pairs", count_option(defaults.test), "N");
  line.options()("min-length", "symbols of the shortest sequence", count_option(defaults.min_length), "N");
  line.options()("max-length", "and of the longest", count_option(defaults.max_length), "N");
  line.options()("symbols", "different symbols", count_option(defaults.symbols), "N");
  const auto given = line.parse(argc, argv);
  if (!given) return 0;
  const auto number = [&](const char* option) { return (*given)[option].as<std::int64_t>(); };
  const SequencePairsOptions options{.train = number("train"),
                                     .valid = number("valid"),
                                     .test = number("test"),
                                     .min_length = number("min-length"),
                                     .max_length = number("max-length"),
                                     .symbols = number("symbols"),
                                     .reversed = reversed,
                                     .seed = (*given)["seed"].as<std::uint64_t>()};
  return make_data_set(*given, [&](GeneratedFiles& files, const GeneratorProgress& progress) {
    const SequencePairsStatistics made = make_sequence_pairs(options, files, progress);
    return ordered_json{{"pairs", made.pairs}, {"symbols", made.symbols}};
  });
}

int make_copy_set(int argc, char** argv) { return make_pairs_set(argc, argv, "copy", false); }
int make_reverse_set(int argc, char** argv) { return make_pairs_set(argc, argv, "reverse", true); }

constexpr Verb kGenerators[] = {
    {"listops", "nested lists and their value", make_listops_set},
    {"pathfinder", "are two dots on one dashed path?", make_pathfinder_set},
    {"copy", "sequences and their copies, for encoder-decoders", make_copy_set},
    {"reverse", "sequences and their reverses, for encoder-decoders", make_reverse_set},
    {"mqar", "multi-query associative recall, for decoders", make_mqar_set},
    {"selective_copy", "symbols among zeros, to be copied, for decoders", make_selective_copy_set},
    {"induction", "what followed a token when it was read before? for decoders", make_induction_set},
    {"needle", "one of several keys far apart is asked for: what was its value? for decoders", make_needle_set},
};

}  // namespace

void add_generator_options(CommandLine& line) {
  line.positional("out", "OUT", "the folder to make; it must not exist, or be empty");
  line.options()("seed", "the same seed gives the same files", cxxopts::value<std::uint64_t>()->default_value("1"), "S");
  line.options()("threads", "threads (default: all processors); the files do not depend on it", cxxopts::value<int>(), "N");
  add_json_option(line);
}

int make_data_set(const cxxopts::ParseResult& given,
                  const std::function<ordered_json(GeneratedFiles& files, const GeneratorProgress& progress)>& generate) {
  if (given.count("threads")) {
    const int threads = given["threads"].as<int>();
    check<InputError>(threads >= 1 && threads <= kMaxThreads, "--threads: expected 1 to ", kMaxThreads, ", found ", threads);
    set_num_threads(threads);
  }
  const std::string out = given["out"].as<std::string>();
  const double start = now_seconds();
  // Before there is anything that a signal could leave behind.
  const SignalScope signals;
  FileSystem files;
  DataSetFolder folder(files, out);
  Console console(std::cerr, terminal_features(STDERR_FILENO));
  ordered_json summary;
  try {
    summary = generate(folder, [&](std::int64_t done, std::int64_t total) {
      if (const int signal = signals.received()) throw Stopped{signal};
      console.set_status(format_bar(done, total, now_seconds() - start));
    });
    folder.commit();
  } catch (const Stopped& stopped) {
    return 128 + stopped.signal;
  }
  console.clear_status();
  ordered_json all{{"out", out}, {"seed", given["seed"].as<std::uint64_t>()}};
  all.update(summary);
  all["seconds"] = now_seconds() - start;
  if (given.count("json")) {
    print_json(all);
  } else {
    for (const auto& [key, value] : all.items()) {
      std::cout << fmt::format("{:<18} {}\n", key, value.is_string() ? value.get<std::string>() : value.dump());
    }
  }
  return 0;
}

int run_data_make(int argc, char** argv) {
  return run_verb("cosformer data make", "Writes a synthetic data set in the released format.", kGenerators, argc, argv);
}

}  // namespace cosformer

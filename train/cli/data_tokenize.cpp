#include <fmt/format.h>
#include <unistd.h>

#include <iostream>
#include <nlohmann/json.hpp>

#include "core/clock.h"
#include "core/error.h"
#include "core/printable.h"
#include "train/cli/data_verb.h"
#include "train/cli/options.h"
#include "train/store/console.h"
#include "train/tasks/corpora.h"
#include "train/tasks/task_tokenizer.h"
#include "train/tasks/token_cache.h"

namespace cosformer {

int run_data_tokenize(int argc, char** argv) {
  CommandLine line(
      "cosformer data tokenize",
      "Makes the token cache of a config's texts ahead of a run, on all cores. A cache that is there is checked.");
  add_config_options(line);
  add_json_option(line);
  const auto given = line.parse(argc, argv);
  if (!given) return 0;
  const Config config = given_config(*given);
  check<InputError>(!config.task.token_cache.empty(), "task.token_cache: name the folder of the cache");
  const std::unique_ptr<Tokenizer> tokenizer = make_tokenizer(config.task);
  Console console(std::cerr, terminal_features(STDERR_FILENO));
  nlohmann::ordered_json splits = nlohmann::ordered_json::object();
  for (const Split split : kAllSplits) {
    if (data_path(config.task, split).empty()) continue;
    const CorpusFiles files = corpus_files(config.task, split);
    const double start = now_seconds();
    const TextCorpus corpus = load_cached_corpus(files, *tokenizer, config.task.token_cache, [&](std::int64_t bytes) {
      const double megabytes = static_cast<double>(bytes) / 1e6;
      console.set_status(fmt::format("{}: {:.0f} MB, {:.1f} MB/s", split_name(split), megabytes,
                                     megabytes / std::max(now_seconds() - start, 1e-3)));
    });
    console.clear_status();
    if (!corpus.remark.empty()) console.print("warning: " + corpus.remark);
    splits[split_name(split)] = {{"files", files.files.size()},
                                 {"documents", corpus.documents},
                                 {"bytes", corpus.statistics.bytes},
                                 {"tokens", corpus.tokens.size()},
                                 {"cache", cache_path(files, *tokenizer, config.task.token_cache).string()}};
  }
  if (given->count("json")) {
    print_json(splits);
    return 0;
  }
  for (const auto& [name, split] : splits.items()) {
    std::cout << fmt::format("{:<6} {} files, {} documents, {} bytes, {} tokens\n       {}\n", name, split["files"].dump(),
                             split["documents"].dump(), split["bytes"].dump(), split["tokens"].dump(),
                             visible(split["cache"].get<std::string>()));
  }
  return 0;
}

}  // namespace cosformer

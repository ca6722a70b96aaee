#include <fmt/format.h>
#include <unistd.h>

#include <iostream>
#include <nlohmann/json.hpp>
#include <string>

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

namespace {

constexpr std::int64_t kMostShardMib = 1 << 20;

}  // namespace

int run_data_tokenize(int argc, char** argv) {
  CommandLine line(
      "cosformer data tokenize",
      "Makes the token cache of a config's texts ahead of a run, on all cores. A cache that is there is checked.");
  add_config_options(line);
  line.options()("shard-mib", "size of the cache's files: MiB of tokens; what is stopped goes on from those that are done",
                 cxxopts::value<std::int64_t>()->default_value(std::to_string(TokenCache::kShardBytes >> 20)), "N");
  add_json_option(line);
  const auto given = line.parse(argc, argv);
  if (!given) return 0;
  const Config config = given_config(*given);
  check<InputError>(!config.task.token_cache.empty(), "task.token_cache: name the folder of the cache");
  const auto shard_mib = (*given)["shard-mib"].as<std::int64_t>();
  check<InputError>(shard_mib >= 1 && shard_mib <= kMostShardMib, "--shard-mib: expected 1 to ", kMostShardMib, ", found ",
                    shard_mib);
  const std::uint64_t shard_bytes = static_cast<std::uint64_t>(shard_mib) << 20;
  const std::unique_ptr<Tokenizer> tokenizer = make_tokenizer(config.task);
  Console console(std::cerr, terminal_features(STDERR_FILENO));
  nlohmann::ordered_json splits = nlohmann::ordered_json::object();
  for (const Split split : kAllSplits) {
    if (data_path(config.task, split).empty()) continue;
    const CorpusFiles files = corpus_files(config.task, split);
    const double start = now_seconds();
    const TokenCache cache(files, *tokenizer, config.task.token_cache);
    const TextCorpus corpus = cache.load(
        [&](std::int64_t bytes) {
          const double megabytes = static_cast<double>(bytes) / 1e6;
          console.set_status(fmt::format("{}: {:.0f} MB, {:.1f} MB/s", split_name(split), megabytes,
                                         megabytes / std::max(now_seconds() - start, 1e-3)));
        },
        shard_bytes);
    console.clear_status();
    if (!corpus.remark.empty()) console.print("warning: " + corpus.remark);
    splits[split_name(split)] = {{"files", files.files.size()},
                                 {"documents", corpus.documents},
                                 {"bytes", corpus.statistics.bytes},
                                 {"tokens", corpus.tokens.size()},
                                 {"cache", cache.path().string()}};
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

#include "train/tasks/token_cache.h"

#include <sys/stat.h>

#include <chrono>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <thread>
#include <utility>

#include "core/error.h"
#include "train/store/atomic_file.h"
#include "train/store/file_lock.h"
#include "train/store/run_identity.h"
#include "train/store/sealed_json.h"

namespace cosformer {

namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr int kVersion = 2;
constexpr const char* kFactsFile = "corpus.json";

/// What the cache holds beside its shards; with it, it is whole.
nlohmann::ordered_json to_json(const WrittenCorpus& written, int width) {
  const CorpusFacts& facts = written.facts;
  return {{"format", "cosformer token cache"},
          {"version", kVersion},
          {"bytes", facts.statistics.bytes},
          {"lines", facts.statistics.lines},
          {"words", facts.statistics.words},
          {"documents", facts.documents},
          {"content", to_json(facts.content)},
          {"json_file", facts.json_file},
          {"token_bytes", width},
          {"shards", written.shards}};
}

/// A cache that is whole and fits its checksums; nothing if there is none or it is damaged.
std::optional<TextCorpus> read_cache(const fs::path& cache, const CorpusFiles& files) {
  std::error_code ignored;
  if (!fs::exists(cache / kFactsFile, ignored)) return std::nullopt;
  try {
    const json facts = read_sealed_json(cache / kFactsFile);
    TextCorpus corpus;
    const auto number = [&](const char* key) { return facts.at(key).get<std::int64_t>(); };
    corpus.statistics = {number("bytes"), number("lines"), number("words")};
    corpus.documents = number("documents");
    corpus.content = digest_from_json(facts.at("content"), cache.string());
    corpus.json_file = number("json_file");
    corpus.remark = corpus_remark(corpus, files);
    const auto shards = facts.at("shards").get<std::size_t>();
    if (whole_shards(cache).size() != shards) return std::nullopt;
    corpus.tokens = shard_tokens(cache, shards, facts.at("token_bytes").get<int>());
    corpus.starts = shard_starts(cache, shards);
    return corpus;
  } catch (const InputError&) {
    return std::nullopt;
  } catch (const json::exception&) {
    return std::nullopt;
  }
}

/// Ranks and runs that find no cache at the same time take turns, so that the first of them makes it for all.
class WritersTurn {
 public:
  /// Waits for the others.
  WritersTurn(FileSystem& system, fs::path path) : path_(std::move(path)) {
    while (!lock_) {
      try {
        lock_.emplace(system, path_, "this token cache, wait for it or choose another task.token_cache");
      } catch (const InputError&) {
        // Without locks of the system nobody can tell whether the other still runs.
        if (is_owned_by_file(path_)) throw;
        std::this_thread::sleep_for(std::chrono::milliseconds(100));
      }
    }
  }
  /// Nothing is left to do for whoever waits: the lock's name may go. Before that it must not, or two of those who wait
  /// could each have a lock of that name.
  void end() {
    std::error_code ignored;
    fs::remove(path_, ignored);
  }

 private:
  fs::path path_;
  std::optional<FileLock> lock_;
};

/// Where a cache is while it is made.
fs::path unfinished(const fs::path& cache) {
  return cache.parent_path() / concat('.', cache.filename().string(), ".unfinished");
}

}  // namespace

TokenCache::Stamp TokenCache::stamp_of(const fs::path& file) {
  struct stat status {};
  if (::stat(file.c_str(), &status) != 0) return {};
  return {status.st_size, static_cast<std::int64_t>(status.st_dev), static_cast<std::int64_t>(status.st_ino),
          status.st_mtim.tv_sec, status.st_mtim.tv_nsec};
}

TokenCache::TokenCache(CorpusFiles files, const Tokenizer& tokenizer, const fs::path& folder)
    : files_(std::move(files)), tokenizer_(tokenizer) {
  DigestBuilder name;
  const auto add = [&](std::string_view text) {
    name.add(static_cast<std::int64_t>(text.size()));
    name.add(text);
  };
  name.add(std::int64_t{kVersion});
  add(files_.text_key);
  add(tokenizer.kind());
  for (const auto& [file, content] : tokenizer.files()) {
    add(file);
    add(content);
  }
  for (const fs::path& file : files_.files) {
    stamps_.push_back(stamp_of(file));
    add(digest_file(file).xxh3_128);
  }
  path_ = folder / ("tokens-" + name.digest().xxh3_128);
}

void TokenCache::make(const CacheProgress& progress, std::uint64_t shard_bytes) const {
  FileSystem system;
  const fs::path staging = unfinished(path_);
  std::error_code ignored;
  // A damaged cache is mended from its first damaged shard on.
  if (fs::exists(path_, ignored) && !fs::exists(staging, ignored)) fs::rename(path_, staging);
  remove_tree(system, path_);
  fs::create_directories(staging);
  const WrittenCorpus written = write_shards(system, staging, files_, tokenizer_, shard_bytes, progress);
  for (std::size_t i = 0; i < files_.files.size(); ++i) {
    check<InputError>(stamp_of(files_.files[i]) == stamps_[i], files_.files[i].string(), ": has changed while it was read");
  }
  replace_file(system, staging / kFactsFile, seal(to_json(written, token_width(tokenizer_)), 2));
  if (system.rename(staging.c_str(), path_.c_str()) < 0) throw_system_error("rename " + staging.string() + " to", path_);
  sync_folder(system, path_.parent_path());
}

TextCorpus TokenCache::load(const CacheProgress& progress, std::uint64_t shard_bytes) const {
  if (auto corpus = read_cache(path_, files_)) return *std::move(corpus);
  const fs::path folder = path_.parent_path();
  std::error_code error;
  fs::create_directories(folder, error);
  check<InputError>(!error, "task.token_cache: ", folder.string(), ": cannot be made: ", error.message());
  FileSystem system;
  WritersTurn turn(system, folder / concat('.', path_.filename().string(), ".lock"));
  auto corpus = read_cache(path_, files_);
  if (!corpus) {
    try {
      make(progress, shard_bytes);
    } catch (const InputError&) {
      // Others would fail in the same way.
      remove_tree(system, unfinished(path_));
      turn.end();
      throw;
    }
    corpus = read_cache(path_, files_);
  }
  check<Error>(corpus.has_value(), path_.string(), ": was written but does not read back");
  turn.end();
  return *std::move(corpus);
}

}  // namespace cosformer

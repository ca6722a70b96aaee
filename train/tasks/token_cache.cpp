#include "train/tasks/token_cache.h"

#include <chrono>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <thread>
#include <utility>

#include "core/error.h"
#include "data/mapped_file.h"
#include "train/store/atomic_file.h"
#include "train/store/file_lock.h"
#include "train/store/run_identity.h"
#include "train/store/sealed_json.h"

namespace cosformer {

namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr int kVersion = 1;
constexpr const char* kTokenFile = "tokens.i32";
constexpr const char* kFactsFile = "corpus.json";

/// What the cache holds beside its tokens.
nlohmann::ordered_json to_json(const CorpusFacts& facts, const Digest& tokens) {
  return {{"format", "cosformer token cache"}, {"version", kVersion},
          {"bytes", facts.statistics.bytes},   {"lines", facts.statistics.lines},
          {"words", facts.statistics.words},   {"documents", facts.documents},
          {"content", to_json(facts.content)}, {"remark", facts.remark},
          {"tokens", to_json(tokens)}};
}

/// A cache that is whole and fits its checksums; nothing if there is none or it is damaged.
std::optional<TextCorpus> read_cache(const fs::path& cache) {
  std::error_code ignored;
  if (!fs::exists(cache / kFactsFile, ignored)) return std::nullopt;
  try {
    const json facts = read_sealed_json(cache / kFactsFile);
    TextCorpus corpus;
    const auto number = [&](const char* key) { return facts.at(key).get<std::int64_t>(); };
    corpus.statistics = {number("bytes"), number("lines"), number("words")};
    corpus.documents = number("documents");
    corpus.content = digest_from_json(facts.at("content"), cache.string());
    corpus.remark = facts.at("remark").get<std::string>();
    // Read, not mapped: pages that a mapping touches count as this process's memory.
    if (digest_file(cache / kTokenFile) != digest_from_json(facts.at("tokens"), cache.string())) return std::nullopt;
    const auto file = std::make_shared<const MappedFile>(cache / kTokenFile);
    const std::string_view bytes = file->bytes();
    corpus.tokens =
        TokenArray({reinterpret_cast<const std::int32_t*>(bytes.data()), bytes.size() / sizeof(std::int32_t)}, file);
    return corpus;
  } catch (const InputError&) {
    return std::nullopt;
  } catch (const json::exception&) {
    return std::nullopt;
  }
}

void write_cache(const CorpusFiles& files, const Tokenizer& tokenizer, const fs::path& cache,
                 const CacheProgress& progress) {
  FileSystem system;
  remove_abandoned(system, cache);
  StagedFolder staged(system, cache);
  FileWriter tokens(system, staged.path() / kTokenFile);
  std::size_t count = 0;
  const CorpusFacts facts = read_tokens(
      files, tokenizer,
      [&](std::span<const std::int32_t> ids) {
        tokens.write(std::as_bytes(ids));
        count += ids.size();
      },
      progress);
  check_corpus(facts, count, files);
  tokens.finish();
  FileWriter writer(system, staged.path() / kFactsFile);
  writer.write(seal(to_json(facts, {tokens.bytes_written(), tokens.checksum().hex()}), 2));
  writer.finish();
  staged.commit();
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
  /// Nobody needs the lock's name again: whoever waits for it looks for the cache first.
  ~WritersTurn() {
    std::error_code ignored;
    fs::remove(path_, ignored);
  }
  WritersTurn(const WritersTurn&) = delete;
  WritersTurn& operator=(const WritersTurn&) = delete;

 private:
  fs::path path_;
  std::optional<FileLock> lock_;
};

}  // namespace

fs::path cache_path(const CorpusFiles& files, const Tokenizer& tokenizer, const fs::path& folder) {
  DigestBuilder name;
  const auto add = [&](std::string_view text) {
    name.add(static_cast<std::int64_t>(text.size()));
    name.add(text);
  };
  name.add(std::int64_t{kVersion});
  add(files.text_key);
  add(tokenizer.kind());
  for (const auto& [file, content] : tokenizer.files()) {
    add(file);
    add(content);
  }
  for (const fs::path& file : files.files) add(digest_file(file).xxh3_128);
  return folder / ("tokens-" + name.digest().xxh3_128);
}

TextCorpus load_cached_corpus(const CorpusFiles& files, const Tokenizer& tokenizer, const fs::path& folder,
                              const CacheProgress& progress) {
  const fs::path cache = cache_path(files, tokenizer, folder);
  if (auto corpus = read_cache(cache)) return *std::move(corpus);
  std::error_code error;
  fs::create_directories(folder, error);
  check<InputError>(!error, "task.token_cache: ", folder.string(), ": cannot be made: ", error.message());
  FileSystem system;
  const WritersTurn turn(system, folder / concat('.', cache.filename().string(), ".lock"));
  auto corpus = read_cache(cache);
  if (!corpus) {
    write_cache(files, tokenizer, cache, progress);
    corpus = read_cache(cache);
  }
  check<Error>(corpus.has_value(), cache.string(), ": was written but does not read back");
  return *std::move(corpus);
}

}  // namespace cosformer

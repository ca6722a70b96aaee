#include "train/tasks/token_shards.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <utility>

#include "core/error.h"
#include "core/parallel.h"
#include "train/store/atomic_file.h"
#include "train/store/run_identity.h"
#include "train/store/sealed_json.h"

namespace cosformer {

namespace {

namespace fs = std::filesystem;

/// Bytes of a document's start.
constexpr int kStartWidth = 8;

/// The files of a shard.
constexpr const char *kTokens = "tokens", *kStarts = "starts", *kRecord = "json";

fs::path shard_file(const fs::path& folder, std::size_t shard, const char* kind) {
  return folder / fmt::format("shard-{:05}.{}", shard, kind);
}

std::optional<TokenShard> read_record(const fs::path& path) {
  std::error_code ignored;
  if (!fs::exists(path, ignored)) return std::nullopt;
  try {
    const nlohmann::json record = read_sealed_json(path);
    return TokenShard{record.at("parts").get<std::int64_t>(), digest_from_json(record.at("tokens"), path.string()),
                      digest_from_json(record.at("starts"), path.string())};
  } catch (const InputError&) {
    return std::nullopt;
  } catch (const nlohmann::json::exception&) {
    return std::nullopt;
  }
}

bool has_digest(const fs::path& path, const Digest& digest) {
  try {
    return digest_file(path) == digest;
  } catch (const InputError&) {
    return false;
  }
}

/// The paths of all shards' files of a kind.
std::vector<fs::path> paths_of(const fs::path& folder, std::size_t shards, const char* kind) {
  std::vector<fs::path> paths;
  for (std::size_t shard = 0; shard < shards; ++shard) paths.push_back(shard_file(folder, shard, kind));
  return paths;
}

/// Removes what a writer that was stopped, or the disk, has left of other shards than the first `shards`.
void remove_others(FileSystem& system, const fs::path& folder, std::size_t shards) {
  std::set<fs::path> kept;
  for (const char* kind : {kTokens, kStarts, kRecord}) {
    for (fs::path& path : paths_of(folder, shards, kind)) kept.insert(std::move(path));
  }
  std::vector<fs::path> others;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder)) {
    if (!kept.contains(entry.path())) others.push_back(entry.path());
  }
  for (const fs::path& path : others) remove_tree(system, path);
}

/// Writes a corpus to the shards of a folder, one after the other.
class ShardWriter {
 public:
  ShardWriter(FileSystem& system, const fs::path& folder, const CorpusFiles& files, const Tokenizer& tokenizer,
              std::uint64_t shard_bytes, const CacheProgress& progress)
      : system_(system),
        folder_(folder),
        files_(files),
        reader_(files, tokenizer),
        width_(token_width(tokenizer)),
        shard_bytes_(shard_bytes),
        progress_(progress) {}

  /// Reads past what the first shards hold.
  void skip(std::span<const TokenShard> done) {
    for (const TokenShard& shard : done) {
      count_ += static_cast<std::int64_t>(shard.tokens.bytes) / width_;
      for (std::int64_t part = 0; part < shard.parts; ++part) {
        check<Error>(reader_.skip(), folder_.string(), ": holds more than its corpus");
        report();
      }
    }
    shards_ = done.size();
  }

  WrittenCorpus write_rest() {
    for (auto part = reader_.next(); part; part = reader_.next()) write_shard(std::move(part));
    WrittenCorpus written{reader_.facts(), shards_};
    check_corpus(written.facts, count_, files_);
    return written;
  }

 private:
  void report() const {
    if (progress_) progress_(reader_.facts().statistics.bytes);
  }

  /// Writes `part` and those that follow it until the shard is full.
  void write_shard(std::optional<TokenPart> part) {
    FileWriter tokens(system_, shard_file(folder_, shards_, kTokens)),
        starts(system_, shard_file(folder_, shards_, kStarts));
    std::int64_t parts = 0;
    while (part) {
      for (std::int64_t& start : part->starts) start += count_;
      starts.write(stored_bytes(std::span<const std::int64_t>(part->starts), kStartWidth));
      // In pieces: as bytes a part would be there twice.
      constexpr std::size_t kPiece = std::size_t{1} << 20;
      for (std::span<const std::int32_t> rest(part->ids); !rest.empty(); rest = rest.subspan(std::min(kPiece, rest.size())))
        tokens.write(stored_bytes(rest.first(std::min(kPiece, rest.size())), width_));
      count_ += std::ssize(part->ids);
      ++parts;
      report();
      part.reset();
      // A shard that is full is finished before more is read.
      if (tokens.bytes_written() < shard_bytes_) part = reader_.next();
    }
    tokens.finish();
    starts.finish();
    const nlohmann::ordered_json record{{"parts", parts},
                                        {"tokens", to_json(Digest{tokens.bytes_written(), tokens.checksum().hex()})},
                                        {"starts", to_json(Digest{starts.bytes_written(), starts.checksum().hex()})}};
    replace_file(system_, shard_file(folder_, shards_, kRecord), seal(record, 2));
    ++shards_;
  }

  FileSystem& system_;
  const fs::path& folder_;
  const CorpusFiles& files_;
  TokenReader reader_;
  int width_;
  std::uint64_t shard_bytes_;
  const CacheProgress& progress_;
  std::int64_t count_ = 0;  ///< tokens so far
  std::size_t shards_ = 0;  ///< so far
};

}  // namespace

std::vector<TokenShard> whole_shards(const fs::path& folder) {
  std::vector<TokenShard> shards;
  while (const auto record = read_record(shard_file(folder, shards.size(), kRecord))) shards.push_back(*record);
  std::vector<std::uint8_t> whole(shards.size());
  parallel_for(std::ssize(shards), [&](std::int64_t i) {
    const auto shard = static_cast<std::size_t>(i);
    whole[shard] = has_digest(shard_file(folder, shard, kTokens), shards[shard].tokens) &&
                   has_digest(shard_file(folder, shard, kStarts), shards[shard].starts);
  });
  shards.resize(static_cast<std::size_t>(std::ranges::find(whole, 0) - whole.begin()));
  return shards;
}

WrittenCorpus write_shards(FileSystem& system, const fs::path& folder, const CorpusFiles& files, const Tokenizer& tokenizer,
                           std::uint64_t shard_bytes, const CacheProgress& progress) {
  const std::vector<TokenShard> done = whole_shards(folder);
  remove_others(system, folder, done.size());
  ShardWriter writer(system, folder, files, tokenizer, shard_bytes, progress);
  writer.skip(done);
  return writer.write_rest();
}

TokenArray shard_tokens(const fs::path& folder, std::size_t shards, int width) {
  return TokenArray(StoredNumbers(paths_of(folder, shards, kTokens), width));
}

DocumentStarts shard_starts(const fs::path& folder, std::size_t shards) {
  return DocumentStarts(StoredNumbers(paths_of(folder, shards, kStarts), kStartWidth));
}

int token_width(const Tokenizer& tokenizer) {
  return number_width(static_cast<std::uint64_t>(std::max<std::int64_t>(tokenizer.vocab_size(), 1) - 1));
}

}  // namespace cosformer

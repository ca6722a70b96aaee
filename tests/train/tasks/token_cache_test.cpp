#include "train/tasks/token_cache.h"

#include <atomic>
#include <map>
#include <thread>
#include <vector>

#include "data/tokenizers/byte_tokenizer.h"
#include "data/tokenizers/registry.h"
#include "tests/catch.h"
#include "tests/train/run_support.h"

namespace cosformer::test {

namespace {

namespace fs = std::filesystem;

/// What stops a process, to the cache: it is not the text's fault.
struct Stopped {};

/// Bytes as tokens, counting the texts that are encoded; throws Stopped at number `stop_at`, from 1.
class CountingTokenizer : public Tokenizer {
 public:
  std::string_view kind() const override { return bytes_.kind(); }
  std::int64_t vocab_size() const override { return bytes_.vocab_size(); }
  std::vector<std::int32_t> encode(std::string_view text) const override {
    if (++count == stop_at) throw Stopped();
    return bytes_.encode(text);
  }
  bool may_cut(std::string_view text, std::size_t p) const override { return bytes_.may_cut(text, p); }
  std::string decode(std::span<const std::int32_t> ids) const override { return bytes_.decode(ids); }
  TokenizerFiles files() const override { return bytes_.files(); }

  mutable std::atomic<int> count = 0;
  int stop_at = -1;

 private:
  ByteTokenizer bytes_;
};

/// A corpus of several files and a tokenizer, in a folder with room for caches.
struct Corpus {
  explicit Corpus(int number = 2) {
    for (int i = 0; i < number; ++i) {
      files.files.push_back(folder / concat(i, ".txt"));
      write_bytes(files.files.back(), concat("text ", i, i % 3 == 0 ? " is longer than others\n" : "\n"));
    }
  }
  fs::path caches() const { return folder / "caches"; }
  fs::path cache() const { return TokenCache(files, tokenizer, caches()).path(); }
  TextCorpus load(std::uint64_t shard_bytes = TokenCache::kShardBytes) const {
    return TokenCache(files, tokenizer, caches()).load({}, shard_bytes);
  }

  TemporaryFolder folder;
  CorpusFiles files;
  CountingTokenizer tokenizer;
};

template <class T>
std::vector<T> all(const NumberArray<T>& numbers) {
  return numbers.part(0, numbers.size());
}

/// What the files of a folder hold, by their names.
std::map<std::string, std::string> contents_of(const fs::path& folder) {
  std::map<std::string, std::string> contents;
  for (const std::string& name : names_in(folder)) contents[name] = read_bytes(folder / name);
  return contents;
}

void require_same(const TextCorpus& cached, const TextCorpus& expected) {
  CHECK(all(cached.tokens) == all(expected.tokens));
  CHECK(all(cached.starts) == all(expected.starts));
  CHECK(cached.content == expected.content);
  CHECK(cached.documents == expected.documents);
  CHECK(cached.remark == expected.remark);
  CHECK(cached.statistics.words == expected.statistics.words);
  CHECK(cached.statistics.lines == expected.statistics.lines);
  CHECK(cached.statistics.bytes == expected.statistics.bytes);
}

}  // namespace

TEST_CASE("a token cache holds what the texts give, and is made once") {
  const Corpus corpus;
  const TextCorpus expected = load_text_corpus(corpus.files, corpus.tokenizer);
  corpus.tokenizer.count = 0;
  for (int time = 0; time < 3; ++time) require_same(corpus.load(), expected);
  CHECK(corpus.tokenizer.count == 2);  // once for each file
  CHECK(names_in(corpus.caches()) == std::vector<std::string>{corpus.cache().filename().string()});
}

TEST_CASE("runs that miss a token cache at the same time make it once") {
  const Corpus corpus;
  std::vector<std::thread> runs;
  for (int run = 0; run < 4; ++run) runs.emplace_back([&] { corpus.load(); });
  for (std::thread& run : runs) run.join();
  CHECK(corpus.tokenizer.count == 2);
  CHECK(names_in(corpus.caches()) == std::vector<std::string>{corpus.cache().filename().string()});
}

TEST_CASE("the name of a token cache follows from the contents of texts and tokenizer") {
  const Corpus corpus;
  const fs::path first = corpus.cache(), one = corpus.files.files[0], two = corpus.files.files[1],
                 moved = corpus.folder / "c.txt";
  fs::rename(one, moved);
  const auto name = [&](const CorpusFiles& files, const Tokenizer& tokenizer) {
    return TokenCache(files, tokenizer, corpus.caches()).path();
  };
  CHECK(name({{moved, two}, ""}, corpus.tokenizer) == first);
  CHECK(name({{two, moved}, ""}, corpus.tokenizer) != first);
  CHECK(name({{moved, two}, "text"}, corpus.tokenizer) != first);
  const auto words = train_tokenizer("word", "one two"), others = train_tokenizer("word", "one two three");
  CHECK(name({{two}, ""}, *words) != name({{two}, ""}, *others));
}

TEST_CASE("a token cache in many shards is the same corpus, and a tokenizer's vocabulary decides how wide tokens are") {
  const Corpus corpus(7);
  for (const std::uint64_t shard_bytes : {1, 20, 1000}) {
    fs::remove_all(corpus.caches());
    require_same(corpus.load(shard_bytes), load_text_corpus(corpus.files, corpus.tokenizer));
  }
  std::string words;
  for (int i = 0; i < 300; ++i) words += concat("w", i, i % 40 == 39 ? "\n" : " ");
  write_bytes(corpus.files.files[0], words);
  const auto tokenizer = train_tokenizer("word", words);
  const TokenCache cache(corpus.files, *tokenizer, corpus.caches());
  const TextCorpus expected = load_text_corpus(corpus.files, *tokenizer);
  require_same(cache.load({}, 100), expected);
  CHECK(fs::file_size(cache.path() / "shard-00000.tokens") % 2 == 0);
  CHECK(expected.tokens.size() > 300);
}

TEST_CASE("who is stopped while making a token cache leaves finished shards, and the cache has the same bytes in the end") {
  constexpr int kFiles = 9;
  const Corpus undisturbed(kFiles);
  undisturbed.load(20);
  const auto expected = contents_of(undisturbed.cache());
  CHECK(expected.size() > 9);
  for (int stop_at = 1; stop_at <= kFiles; ++stop_at) {
    CAPTURE(stop_at);
    Corpus corpus(kFiles);
    corpus.tokenizer.stop_at = stop_at;
    CHECK_THROWS_AS(corpus.load(20), Stopped);
    CHECK(!fs::exists(corpus.cache()));
    corpus.tokenizer.stop_at = -1;
    corpus.tokenizer.count = 0;
    corpus.load(20);
    // At most what the shard that was not finished holds is encoded again.
    CHECK(corpus.tokenizer.count <= kFiles - stop_at + 3);
    CHECK(contents_of(corpus.cache()) == expected);
    CHECK(names_in(corpus.caches()) == std::vector<std::string>{corpus.cache().filename().string()});
  }
}

TEST_CASE("a token cache that is damaged is mended from its first damaged shard on") {
  const Corpus corpus(7);
  const TextCorpus expected = load_text_corpus(corpus.files, corpus.tokenizer);
  corpus.load(20);
  const auto whole = contents_of(corpus.cache());
  const auto spoil = [&](const std::string& name, std::size_t place) {
    std::string bytes = read_bytes(corpus.cache() / name);
    bytes.at(place) = static_cast<char>(bytes[place] ^ 1);
    write_bytes(corpus.cache() / name, bytes);
  };
  const auto require_mended = [&](int least, int most) {
    corpus.tokenizer.count = 0;
    require_same(corpus.load(20), expected);
    CHECK(corpus.tokenizer.count >= least);
    CHECK(corpus.tokenizer.count <= most);
    CHECK(contents_of(corpus.cache()) == whole);
  };
  spoil("shard-00000.tokens", 7);
  require_mended(7, 7);
  spoil("shard-00001.starts", 0);
  require_mended(1, 6);
  spoil("shard-00002.json", 60);
  require_mended(1, 5);
  spoil("corpus.json", 60);
  require_mended(0, 0);
  fs::resize_file(corpus.cache() / "shard-00000.tokens", 5);
  require_mended(7, 7);
  fs::remove(corpus.cache() / "corpus.json");
  require_mended(0, 0);
  fs::remove(corpus.cache() / "shard-00001.tokens");
  require_mended(1, 6);
  CHECK(names_in(corpus.caches()) == std::vector<std::string>{corpus.cache().filename().string()});
}

TEST_CASE("texts that cannot be learnt leave no token cache behind") {
  const Corpus corpus(1);
  write_bytes(corpus.files.files[0], "x");
  CHECK_THROWS_AS(corpus.load(), InputError);
  CHECK(names_in(corpus.caches()).empty());
}

TEST_CASE("a file that changes while its token cache is made is refused") {
  const Corpus corpus;
  const TokenCache cache(corpus.files, corpus.tokenizer, corpus.caches());
  write_bytes(corpus.files.files[1], "another text\n");
  CHECK(message_of<InputError>([&] { cache.load(); }) == corpus.files.files[1].string() + ": has changed while it was read");
  CHECK(names_in(corpus.caches()).empty());
}

TEST_CASE("a token cache says what there is to say of the files that a run names, not of those it was made from") {
  const Corpus corpus;
  write_bytes(corpus.files.files[1], "{\"text\": \"one\"}\n");
  const TextCorpus made = corpus.load();
  const fs::path moved = corpus.folder / "moved.txt";
  fs::rename(corpus.files.files[1], moved);
  const TextCorpus read = TokenCache({{corpus.files.files[0], moved}, ""}, corpus.tokenizer, corpus.caches()).load();
  CHECK(made.remark.starts_with(corpus.files.files[1].string() + ": holds JSON"));
  CHECK(read.remark.starts_with(moved.string() + ": holds JSON"));
}

TEST_CASE("a token cache that is removed under a run can be read on") {
  const Corpus corpus(5);
  const TextCorpus read = corpus.load(20);
  fs::remove_all(corpus.caches());
  CHECK(all(read.tokens) == all(load_text_corpus(corpus.files, corpus.tokenizer).tokens));
}

}  // namespace cosformer::test

#include "train/tasks/token_cache.h"

#include <algorithm>
#include <atomic>
#include <thread>
#include <vector>

#include "data/tokenizers/registry.h"
#include "tests/catch.h"
#include "tests/train/run_support.h"

namespace cosformer::test {

namespace {

namespace fs = std::filesystem;

/// A corpus of two files and a tokenizer, in a folder with room for caches.
struct Corpus {
  Corpus() {
    write_bytes(folder / "a.txt", "one two three\n");
    write_bytes(folder / "b.txt", "four five\n");
  }
  CorpusFiles files() const { return {{folder / "a.txt", folder / "b.txt"}, ""}; }
  fs::path caches() const { return folder / "caches"; }
  fs::path cache() const { return cache_path(files(), *tokenizer, caches()); }
  TextCorpus load(int* encoded = nullptr) const {
    return load_cached_corpus(files(), *tokenizer, caches(), [&](std::int64_t) {
      if (encoded != nullptr) ++*encoded;
    });
  }

  TemporaryFolder folder;
  std::unique_ptr<Tokenizer> tokenizer = load_tokenizer("byte", {});
};

}  // namespace

TEST_CASE("a token cache holds what the texts give, and is made once") {
  const Corpus corpus;
  const TextCorpus expected = load_text_corpus(corpus.files(), *corpus.tokenizer);
  int encoded = 0;
  for (int time = 0; time < 3; ++time) {
    const TextCorpus cached = corpus.load(&encoded);
    CHECK(std::ranges::equal(cached.tokens, expected.tokens));
    CHECK(cached.content == expected.content);
    CHECK(cached.documents == expected.documents);
    CHECK(cached.statistics.words == expected.statistics.words);
    CHECK(cached.statistics.lines == expected.statistics.lines);
    CHECK(cached.statistics.bytes == expected.statistics.bytes);
  }
  CHECK(encoded == 2);  // once for each file's only block
  CHECK(names_in(corpus.caches()) == std::vector<std::string>{corpus.cache().filename().string()});
}

TEST_CASE("runs that miss a token cache at the same time make it once") {
  const Corpus corpus;
  std::atomic<int> encoded = 0;
  std::vector<std::thread> runs;
  for (int run = 0; run < 4; ++run) {
    runs.emplace_back(
        [&] { load_cached_corpus(corpus.files(), *corpus.tokenizer, corpus.caches(), [&](std::int64_t) { ++encoded; }); });
  }
  for (std::thread& run : runs) run.join();
  CHECK(encoded == 2);
  CHECK(names_in(corpus.caches()) == std::vector<std::string>{corpus.cache().filename().string()});
}

TEST_CASE("the name of a token cache follows from the contents of texts and tokenizer") {
  const Corpus corpus;
  const fs::path first = corpus.cache();
  fs::rename(corpus.folder / "a.txt", corpus.folder / "c.txt");
  CHECK(cache_path({{corpus.folder / "c.txt", corpus.folder / "b.txt"}, ""}, *corpus.tokenizer, corpus.caches()) == first);
  CHECK(cache_path({{corpus.folder / "b.txt", corpus.folder / "c.txt"}, ""}, *corpus.tokenizer, corpus.caches()) != first);
  CHECK(cache_path({{corpus.folder / "c.txt", corpus.folder / "b.txt"}, "text"}, *corpus.tokenizer, corpus.caches()) !=
        first);
  const auto words = train_tokenizer("word", "one two"), others = train_tokenizer("word", "one two three");
  const CorpusFiles files = {{corpus.folder / "b.txt"}, ""};
  CHECK(cache_path(files, *words, corpus.caches()) != cache_path(files, *others, corpus.caches()));
}

TEST_CASE("a token cache that is damaged or half done is made again") {
  const Corpus corpus;
  const TextCorpus expected = load_text_corpus(corpus.files(), *corpus.tokenizer);
  corpus.load();
  const auto spoil = [&](const std::string& name, std::size_t place) {
    std::string bytes = read_bytes(corpus.cache() / name);
    bytes.at(place) = static_cast<char>(bytes[place] ^ 1);
    write_bytes(corpus.cache() / name, bytes);
  };
  const auto require_same = [&] {
    int encoded = 0;
    const TextCorpus again = corpus.load(&encoded);
    CHECK(encoded > 0);
    CHECK(std::ranges::equal(again.tokens, expected.tokens));
  };
  spoil("tokens.i32", 7);
  require_same();
  spoil("corpus.json", 60);
  require_same();
  fs::resize_file(corpus.cache() / "tokens.i32", 5);
  require_same();
  fs::remove(corpus.cache() / "corpus.json");
  require_same();
  // What a process has left that was killed while it wrote: its number is free again.
  fs::remove_all(corpus.caches());
  const std::string left = corpus.cache().string() + ".tmp-999999999";
  fs::create_directories(left);
  write_bytes(fs::path(left) / "tokens.i32", "half");
  require_same();
  CHECK(!fs::exists(left));
}

TEST_CASE("texts that cannot be learnt leave no token cache behind") {
  const Corpus corpus;
  write_bytes(corpus.folder / "a.txt", "x");
  const CorpusFiles one = {{corpus.folder / "a.txt"}, ""};
  CHECK_THROWS_AS(load_cached_corpus(one, *corpus.tokenizer, corpus.caches()), InputError);
  CHECK(names_in(corpus.caches()).empty());
}

}  // namespace cosformer::test

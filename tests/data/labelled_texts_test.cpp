#include "data/texts/labelled_texts.h"

#include <map>
#include <set>

#include "data/texts/tokenized_texts.h"
#include "data/tokenizers/byte_tokenizer.h"
#include "tests/catch.h"
#include "tests/data/data_support.h"
#include "tests/data/gzip_files.h"

namespace cosformer::test {

namespace {

LabelledTexts load(const char* format, const std::filesystem::path& path, Split part = Split::train,
                   const LabelledTextOptions& options = {}) {
  const LabelledTextFormat* found = find_labelled_text_format(format);
  REQUIRE(found != nullptr);
  return found->load(path, part, options);
}

std::string guess(const std::filesystem::path& path) {
  const LabelledTextFormat* format = guess_labelled_text_format(path);
  return format ? format->name : "";
}

std::vector<std::int32_t> sequence(const std::string& first, const std::string& second, bool pairs, std::int64_t length) {
  const LabelledTexts texts{{{0, first, second}}, 0};
  std::vector<std::int32_t> tokens;
  tokenize_texts(texts, ByteTokenizer(), {2, pairs}, "texts")->read(0, 0, length, tokens);
  return tokens;
}

}  // namespace

TEST_CASE("GLUE's columns are found by name, quotes stand for themselves, and rows of another width are counted") {
  const ScratchFolder folder;
  const auto sst2 = folder.write("sst2.tsv", "label\tsentence\n1\t\"good \n0\tbad\textra\n0\tit 's \"bad\" \n");
  const LabelledTexts sentences = load("sst2", sst2);
  REQUIRE(sentences.examples.size() == 2);
  CHECK(sentences.skipped == 1);
  CHECK(sentences.examples[0].label == 1);
  CHECK(sentences.examples[0].first == "\"good ");
  CHECK(sentences.examples[1].first == "it 's \"bad\" ");
  CHECK(sentences.examples[1].second.empty());
  CHECK(guess(sst2) == "sst2");

  folder.write("mnli/train.tsv", "sentence1\tgold_label\tsentence2\na\tneutral\tb\nc\t-\td\ne\tcontradiction\tf\n");
  folder.write("mnli/dev_matched.tsv", "sentence2\tsentence1\tgold_label\ny\tx\tentailment\n");
  folder.write("mnli/dev_mismatched.tsv", "sentence2\tsentence1\tgold_label\r\nq\tp\tneutral\r\n");
  const LabelledTexts pairs = load("mnli", folder.path() / "mnli");
  REQUIRE(pairs.examples.size() == 2);
  CHECK(pairs.skipped == 1);
  CHECK(pairs.examples[1].label == 2);
  CHECK(pairs.examples[1].second == "f");
  const auto matched = load("mnli", folder.path() / "mnli", Split::valid).examples.at(0);
  CHECK((matched.first == "x" && matched.second == "y" && matched.label == 0));
  CHECK(load("mnli", folder.path() / "mnli", Split::test).examples.at(0).label == 1);
  CHECK(guess(folder.path() / "mnli") == "mnli");
}

TEST_CASE("a TSV file that is none of GLUE's is refused with row and column") {
  const ScratchFolder folder;
  const auto message = [&](const std::string& content) {
    const auto path = folder.write("file.tsv", content);
    return input_error([&] { load("qqp", path); }).substr(path.string().size());
  };
  CHECK(message("id\tquestion1\tquestion2\n1\ta\tb\n") ==
        ":1: expected a column \"is_duplicate\", found \"id\", \"question1\", \"question2\" (GLUE's test files have no "
        "labels)");
  CHECK(message("question1\tquestion2\tis_duplicate\na\tb\t1\na\tb\t2\n") ==
        ":3: is_duplicate: expected one of 0, 1, found \"2\"");
  CHECK(message("question1\tquestion2\tis_duplicate\na\tb\n").find("no row has the 3 columns") != std::string::npos);
  CHECK(message("") == ": the file is empty");
  CHECK(input_error([&] { load("qqp", folder.path() / "none"); }).find("none") != std::string::npos);
}

TEST_CASE("sequences are <s> a </s>, of pairs <s> a </s> </s> b </s>, and the longer text is cut first") {
  using Ids = std::vector<std::int32_t>;
  CHECK(sequence("ab", "", false, 10) == Ids{256, 'a', 'b', 257});
  CHECK(sequence("abcdef", "", false, 5) == Ids{256, 'a', 'b', 'c', 257});
  CHECK(sequence("", "", false, 5) == Ids{256, 257});
  CHECK(sequence("ab", "c", true, 10) == Ids{256, 'a', 'b', 257, 257, 'c', 257});
  CHECK(sequence("abcdefgh", "xy", true, 10) == Ids{256, 'a', 'b', 'c', 'd', 257, 257, 'x', 'y', 257});
  CHECK(sequence("ab", "stuvwxyz", true, 10) == Ids{256, 'a', 'b', 257, 257, 's', 't', 'u', 'v', 257});
  CHECK(sequence("abcdefgh", "stuvwxyz", true, 11) == Ids{256, 'a', 'b', 'c', 'd', 257, 257, 's', 't', 'u', 257});
}

TEST_CASE("a tenth of IMDB's training reviews is held out, and a folder with neg and pos is read whole") {
  const ScratchFolder folder;
  for (int i = 0; i < 200; ++i) {
    const std::string name = std::to_string(i) + "_" + std::to_string(i % 2 ? 9 : 2) + ".txt";
    folder.write(std::string("imdb/train/") + (i % 2 ? "pos/" : "neg/") + name, "review " + std::to_string(i));
    if (i < 6) folder.write(std::string("imdb/test/") + (i % 2 ? "pos/" : "neg/") + name, "test " + std::to_string(i));
  }
  const auto root = folder.path() / "imdb";
  const LabelledTexts train = load("imdb", root), valid = load("imdb", root, Split::valid);
  std::set<std::string> all;
  for (const LabelledTexts* part : {&train, &valid}) {
    for (const auto& example : part->examples) {
      all.insert(example.first);
      CHECK(example.label == std::stoi(example.first.substr(7)) % 2);
    }
  }
  CHECK(train.examples.size() + valid.examples.size() == 200);
  CHECK(all.size() == 200);
  CHECK(valid.examples.size() > 8);
  CHECK(valid.examples.size() < 36);
  CHECK(load("imdb", root, Split::test).examples.size() == 6);
  CHECK(load("imdb", root / "train", Split::valid).examples.size() == 200);
}

TEST_CASE("Amazon reviews are split by their text, and a text counts once") {
  const ScratchFolder folder;
  std::string rows;
  for (int i = 0; i < 300; ++i) {
    rows += "{\"overall\": " + std::to_string(1 + i % 5) + ".0, \"style\": {\"Color:\": \" red\"}, \"reviewText\": \"text " +
            std::to_string(i % 200) + "\"}\n";
  }
  rows += "{\"overall\": 5.0, \"summary\": \"no text\"}\n";
  const auto path = folder.path() / "reviews.json.gz";
  write_gzip(path, rows);
  CHECK(guess(path) == "amazon");
  for (const RatingClasses ratings : {RatingClasses::stars, RatingClasses::polarity}) {
    std::map<std::string, int> found;
    std::int64_t skipped = 0, examples = 0;
    for (const Split part : {Split::train, Split::valid, Split::test}) {
      const LabelledTexts texts = load("amazon", path, part, {ratings});
      CHECK(texts.examples.size() > (part == Split::train ? 100u : 5u));
      skipped += texts.skipped;
      for (const auto& example : texts.examples) {
        ++found[example.first];
        ++examples;
        const int star = 1 + std::stoi(example.first.substr(5)) % 5;
        CHECK(example.label == (ratings == RatingClasses::stars ? star - 1 : star > 3 ? 1 : 0));
      }
    }
    for (const auto& [text, count] : found) CHECK(count == 1);
    CHECK(examples == (ratings == RatingClasses::stars ? 200 : 160));
    CHECK(skipped + examples == 301);
  }
}

TEST_CASE("Amazon files that are torn or hold something else are refused with their line") {
  const ScratchFolder folder;
  const auto path = folder.path() / "reviews.json.gz";
  const auto message = [&](const std::string& content) {
    write_gzip(path, content);
    return input_error([&] { load("amazon", path); });
  };
  const std::string good = "{\"overall\": 5, \"reviewText\": \"x\"}\n";
  CHECK(message(good + "{\"overall\": 6, \"reviewText\": \"x\"}\n") ==
        path.string() + ":2: overall: expected 1 to 5, found \"6\"");
  CHECK(message(good + "{\"reviewText\": \"x\"}\n") == path.string() + ":2: expected a key \"overall\"");
  CHECK(message(good + "{\"overall\": 5, \"reviewText\": [1]}\n") == path.string() + ":2: reviewText: expected a string");
  CHECK(message(good + "[1]\n") == path.string() + ":2: expected a JSON object");
  CHECK(message(good + "{\"overall\"").starts_with(path.string() + ":2"));
  CHECK(message(std::string(40'000'000, ' ')).starts_with(path.string()));
  std::mt19937_64 random(3);
  std::string noise;
  for (int i = 0; i < 4000; ++i) noise += "{\"overall\": 5, \"reviewText\": \"" + std::to_string(random()) + "\"}\n";
  write_gzip(path, noise);
  const std::string whole = read_text(path);
  folder.write("reviews.json.gz", whole.substr(0, whole.size() / 2));
  CHECK(input_error([&] { load("amazon", path); }).find("cannot unpack") != std::string::npos);
}

TEST_CASE("the files of GLUE and IMDB themselves are read") {
  const auto sst2 = kit_file("glue/SST-2");
  const auto qqp = kit_file("glue/QQP"), mnli = kit_file("glue/MNLI-rows"), imdb = kit_file("imdb/aclImdb-small/aclImdb");
  if (!sst2 || !qqp || !mnli || !imdb) {
    SUCCEED("skipped");
    return;
  }
  CHECK(load("sst2", *sst2).examples.size() == 67349);
  CHECK(load("sst2", *sst2, Split::valid).examples.size() == 872);
  CHECK(input_error([&] { load("sst2", *sst2 / "test.tsv"); }).find("GLUE's test files") != std::string::npos);
  CHECK(load("qqp", *qqp).examples.size() == 10000);
  CHECK(load("mnli", *mnli).examples.size() == 6);
  CHECK(load("mnli", *mnli, Split::valid).examples.size() == 5);
  CHECK(load("imdb", *imdb).examples.size() + load("imdb", *imdb, Split::valid).examples.size() == 200);
  CHECK(load("imdb", *imdb, Split::test).examples.size() == 100);
}

}  // namespace cosformer::test

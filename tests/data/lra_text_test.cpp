// Byte-level reviews and pairs of papers.
#include "data/labelled_sequences.h"
#include "data/lra/byte_text.h"
#include "data/lra/retrieval.h"
#include "tests/data/lra_support.h"

using namespace cosformer;
using namespace cosformer::test;
using Catch::Matchers::EndsWith;
using test::Contains;

namespace {

std::string pair_refusal(const std::string& content) {
  const ScratchFolder folder;
  const auto path = folder.write("pairs.tsv", content);
  return input_error([&] { load_retrieval(path, Split::train); }).substr(path.string().size());
}

}  // namespace

TEST_CASE("reviews are their bytes plus 1, neg before pos, in the order of their names") {
  const ScratchFolder folder;
  folder.write("train/pos/0_9.txt", "A\xFF");
  folder.write("train/neg/10_2.txt", std::string("\0z", 2));
  folder.write("train/neg/1_1.txt", "one");
  folder.write("train/neg/notes.feat", "not read");
  folder.write("train/neg/._1_1.txt", "nor is this");
  folder.write("test/pos/0_7.txt", "p");
  folder.write("test/neg/0_4.txt", "n");
  const auto train = load_byte_text(folder.path(), Split::train);
  REQUIRE(train->size() == 3);
  CHECK(tokens_of(*train, 0) == Tokens{1, 123});
  CHECK(tokens_of(*train, 1) == Tokens{112, 111, 102});
  CHECK(tokens_of(*train, 1, 0, 2) == Tokens{112, 111});
  CHECK(tokens_of(*train, 2) == Tokens{66, 256});
  CHECK(train->label(0) == 0);
  CHECK(train->label(1) == 0);
  CHECK(train->label(2) == 1);
  CHECK(train->vocab_size() == 257);
  // As in Long-Range Arena.
  for (const Split part : {Split::valid, Split::test}) {
    const auto test = load_byte_text(folder.path(), part);
    REQUIRE(test->size() == 2);
    CHECK(tokens_of(*test, 0) == Tokens{111});
  }
  // A folder of one split is that split, whatever part is asked for.
  CHECK(load_byte_text(folder.path() / "train", Split::test)->size() == 3);
  CHECK(guess_labelled_format(folder.path()) == "text");
  CHECK(guess_labelled_format(folder.path() / "test") == "text");
}

TEST_CASE("folders of reviews that cannot be used are refused with the file") {
  const ScratchFolder folder;
  const auto refusal = [&] { return input_error([&] { load_byte_text(folder.path(), Split::train); }); };
  CHECK_THAT(refusal(), Contains("neg: cannot list the folder"));
  folder.write("neg/0_1.dat", "x");
  CHECK_THAT(refusal(), EndsWith("neg: the folder holds no .txt file"));
  folder.write("neg/0_1.txt", "");
  CHECK_THAT(refusal(), EndsWith("neg/0_1.txt: the file is empty"));
  CHECK_THAT(input_error([&] { load_byte_text(folder.path() / "neg/0_1.txt", Split::train); }),
             Contains("expected a folder"));
}

TEST_CASE("the reviews of the data kit are read whole") {
  if (const auto path = kit_file("imdb/aclImdb-small/aclImdb")) {
    const auto train = load_byte_text(*path, Split::train);
    CHECK(check_promises(*train) == std::vector<std::int64_t>{100, 100});
    CHECK(check_promises(*load_byte_text(*path, Split::test)) == std::vector<std::int64_t>{50, 50});
    std::vector<std::filesystem::path> names;
    for (const auto& file : std::filesystem::directory_iterator(*path / "train" / "neg")) names.push_back(file.path());
    const std::string first = read_text(*std::min_element(names.begin(), names.end()));
    std::string bytes;
    for (const std::int32_t id : tokens_of(*train, 0)) bytes += static_cast<char>(id - 1);
    CHECK(bytes == first);
  }
  SUCCEED();
}

TEST_CASE("a pair has two texts, and quotes are ordinary characters") {
  const ScratchFolder folder;
  folder.write("new_aan_pairs.train.tsv", "1.0\ta\tb\t\"x\tyz\"\n0.0\tc\td\tone\ttwo\n");
  folder.write("new_aan_pairs.eval.tsv", "1\ta\tb\te\tf\r\n");
  folder.write("new_aan_pairs.test.tsv", "0\ta\tb\tg\th");
  const auto train = load_retrieval(folder.path(), Split::train);
  REQUIRE(train->size() == 2);
  CHECK(train->texts() == 2);
  CHECK(train->label(0) == 1);
  CHECK(train->label(1) == 0);
  CHECK(tokens_of(*train, 0, 0) == Tokens{35, 121});
  CHECK(tokens_of(*train, 0, 1) == Tokens{122, 123, 35});
  CHECK(tokens_of(*train, 0, 1, 1) == Tokens{122});
  CHECK(tokens_of(*train, 1, 1) == Tokens{117, 120, 112});
  CHECK(train->vocab_size() == 257);
  CHECK(train->num_classes() == 2);
  CHECK(tokens_of(*load_retrieval(folder.path(), Split::valid), 0, 1) == Tokens{103});
  CHECK(tokens_of(*load_retrieval(folder.path(), Split::test), 0, 1) == Tokens{105});
  CHECK(guess_labelled_format(folder.path()) == "retrieval");
  CHECK(guess_labelled_format(folder.path() / "new_aan_pairs.test.tsv") == "retrieval");
}

TEST_CASE("files of pairs that cannot be used are refused with row and reason") {
  const std::string good = "1.0\ta\tb\tx\ty\n";
  CHECK(pair_refusal("") == ": the file is empty");
  CHECK(pair_refusal(good + "1.0\ta\tb\tx\n") == ":2: expected 5 columns parted by tabs, found 4");
  CHECK(pair_refusal(good + "1.0\ta\tb\tx\ty\tz\n") == ":2: expected 5 columns parted by tabs, found 6");
  CHECK(pair_refusal(good + "\n") == ":2: expected 5 columns parted by tabs, found 1");
  CHECK(pair_refusal(good + "0.5\ta\tb\tx\ty\n") == ":2: expected the label 0.0 or 1.0, found \"0.5\"");
  CHECK(pair_refusal(good + "1.0\ta\tb\t\ty\n") == ":2: a text is empty");
  CHECK(pair_refusal(good + "1.0\ta\tb\tx\t\r\n") == ":2: a text is empty");
  CHECK_THAT(pair_refusal(good + std::string((16 << 20) + 1, 'a')), Contains(":2: a row of 16777217 bytes"));
}

TEST_CASE("the look-alike of AAN in the data kit is read whole") {
  const ScratchFolder folder;
  if (unpack_kit("lra-aan-lookalike/aan-lookalike.tar.xz", folder.path())) {
    const auto path = folder.path() / "lra_release" / "tsv_data";
    CHECK(check_promises(*load_retrieval(path, Split::train), 4000) == std::vector<std::int64_t>{1800, 1800});
    CHECK(check_promises(*load_retrieval(path, Split::valid), 4000) == std::vector<std::int64_t>{300, 300});
    CHECK(check_promises(*load_retrieval(path, Split::test), 4000) == std::vector<std::int64_t>{300, 300});
  }
  SUCCEED();
}

#include "data/labelled_sequences.h"
#include "data/lra/listops.h"
#include "tests/data/lra_support.h"
#include "tests/support/thread_counts.h"

using namespace cosformer;
using namespace cosformer::test;
using Catch::Matchers::EndsWith;
using test::Contains;

namespace {

const std::string kHeader = "Source\tTarget\r\n";

std::string refusal(const std::string& content) {
  const ScratchFolder folder;
  const auto path = folder.write("rows.tsv", content);
  return input_error([&] { load_listops(path, Split::train); }).substr(path.string().size());
}

}  // namespace

TEST_CASE("ListOps rows lose their parentheses and keep operators, digits and closing brackets") {
  const ScratchFolder folder;
  const std::string row = "( ( ( ( [MED 8 ) ( ( ( [SM 1 ) 0 ) ] ) ) 9 ) ] )\t7";
  for (const std::string end : {"\r\n", "\n"}) {
    const auto path =
        folder.write("rows.tsv", "Source\tTarget" + end + row + end + "( ( ( [MIN 3 ) ( ( ( [MAX 4 ) 5 ) ] ) ) ] )\t3");
    const auto sequences = load_listops(path, Split::train);
    REQUIRE(sequences->size() == 2);
    CHECK(tokens_of(*sequences, 0) == Tokens{3, 14, 4, 7, 6, 5, 15, 5});
    CHECK(tokens_of(*sequences, 1) == Tokens{1, 9, 2, 10, 11, 5, 5});
    CHECK(tokens_of(*sequences, 0, 0, 3) == Tokens{3, 14, 4});
    CHECK(sequences->label(0) == 7);
    CHECK(sequences->label(1) == 3);
    CHECK(sequences->vocab_size() == 16);
    CHECK(sequences->num_classes() == 10);
    CHECK(sequences->texts() == 1);
    CHECK(sequences->padding_id() == 0);
  }
}

TEST_CASE("a ListOps folder holds a file a part") {
  const ScratchFolder folder;
  folder.write("basic_train.tsv", kHeader + "1\t1\r\n");
  folder.write("basic_val.tsv", kHeader + "2\t2\r\n");
  folder.write("basic_test.tsv", kHeader + "3\t3\r\n");
  int expected = 0;
  for (const Split part : {Split::train, Split::valid, Split::test}) {
    CHECK(load_labelled_sequences("listops", folder.path(), part)->label(0) == ++expected);
  }
  CHECK(guess_labelled_format(folder.path()) == "listops");
  CHECK(guess_labelled_format(folder.path() / "basic_val.tsv") == "listops");
}

TEST_CASE("ListOps files that cannot be used are refused with row and reason") {
  CHECK(refusal("") == ":1: expected the header Source<TAB>Target, found \"\"");
  CHECK(refusal("7\t( 1 )\n") == ":1: expected the header Source<TAB>Target, found \"7\\t( 1 )\"");
  CHECK(refusal(kHeader) == ": no rows after the header");
  CHECK(refusal(kHeader + "1\t1\r\n1 1\r\n") == ":3: expected an expression, one tab and a digit, found 0 tabs");
  CHECK(refusal(kHeader + "1\t1\t1\r\n") == ":2: expected an expression, one tab and a digit, found 2 tabs");
  CHECK(refusal(kHeader + "1\t1\r\n\r\n") == ":3: expected an expression, one tab and a digit, found 0 tabs");
  CHECK(refusal(kHeader + "1\t10\r\n") == ":2: expected a digit after the tab, found \"10\"");
  CHECK(refusal(kHeader + "1\t\r\n") == ":2: expected a digit after the tab, found \"\"");
  CHECK(refusal(kHeader + "( )\t1\r\n") == ":2: an expression without tokens");
  CHECK_THAT(refusal(kHeader + "( [FIRST 1 )\t1\r\n"), Contains(":2: unknown token \"[FIRST\", expected [MIN"));
  CHECK_THAT(refusal(kHeader + "1\t1\r\n" + std::string((16 << 20) + 1, ' ') + "\t1\r\n"),
             Contains(":3: a row of 16777219 bytes"));
}

TEST_CASE("of many broken ListOps rows the first is named on any number of threads") {
  std::string content = kHeader;
  for (int row = 2; row < 9000; ++row) content += row == 2100 || row == 6000 ? "1 x\t1\n" : "( [MIN 1 ) ]\t1\n";
  const ThreadCountScope scope;
  for (const int threads : {1, 2, 3}) {
    set_num_threads(threads);
    CHECK_THAT(refusal(content), Contains(":2100: unknown token \"x\""));
  }
}

TEST_CASE("the generated ListOps files of the data kit are read whole") {
  const ScratchFolder folder;
  if (unpack_kit("lra-listops/listops-1000-generated.tar.xz", folder.path())) {
    const auto path = folder.path() / "lra_release" / "listops-1000";
    const auto train = load_listops(path, Split::train);
    CHECK(check_promises(*train) == std::vector<std::int64_t>{505, 288, 231, 247, 257, 237, 250, 211, 277, 497});
    const auto valid = load_listops(path, Split::valid);
    CHECK(valid->size() == 500);
    std::size_t shortest = SIZE_MAX, longest = 0;
    for (std::int64_t i = 0; i < train->size(); ++i) {
      shortest = std::min(shortest, tokens_of(*train, i).size());
      longest = std::max(longest, tokens_of(*train, i).size());
    }
    CHECK(shortest == 501);
    CHECK(longest == 1998);
    CHECK_THAT(input_error([&] { load_listops(path, Split::test); }), Contains("basic_test.tsv: cannot read"));
  }
  // The first ListOps has its columns the other way round.
  if (const auto text = kit_xz("lra-listops/nangia-bowman-test_d20s.tsv.xz"))
    CHECK_THAT(refusal(*text), Contains(":1: expected the header"));
  SUCCEED();
}

#include <cmath>

#include "data/grey.h"
#include "data/labelled_sequences.h"
#include "data/lra/image.h"
#include "tests/data/lra_support.h"

using namespace cosformer;
using namespace cosformer::test;
using Catch::Matchers::EndsWith;
using test::Contains;

namespace {

constexpr std::size_t kRecord = 3073;

/// Records of one grey shade each, whose labels and shades count on.
std::string records(int count, int first) {
  std::string bytes;
  for (int i = first; i < first + count; ++i) {
    bytes += static_cast<char>(i % 10);
    bytes += std::string(kRecord - 1, static_cast<char>(i));
  }
  return bytes;
}

std::vector<std::int32_t> labels_of(const LabelledSequences& sequences) {
  std::vector<std::int32_t> labels;
  for (std::int64_t i = 0; i < sequences.size(); ++i) labels.push_back(sequences.label(i));
  return labels;
}

}  // namespace

TEST_CASE("grey is the weighted sum of the colours, cut off to a byte") {
  CHECK(grey_of(0, 0, 0) == 0);
  CHECK(grey_of(255, 255, 255) == 255);
  std::mt19937_64 random(7);
  for (int i = 0; i < 20'000; ++i) {
    const auto red = static_cast<std::uint8_t>(random() & 255), green = static_cast<std::uint8_t>(random() & 255),
               blue = static_cast<std::uint8_t>(random() & 255);
    const double exact = (0.2989 * red + 0.5870 * green + 0.1140 * blue) / 255.0 * 255.5;
    // Single precision may fall on the other side of a whole number that the exact value all but meets.
    if (std::fabs(exact - std::round(exact)) > 1e-4) REQUIRE(grey_of(red, green, blue) == static_cast<int>(exact));
  }
}

TEST_CASE("a CIFAR-10 record is a label, then red, green and blue, row by row") {
  const ScratchFolder folder;
  std::string record(kRecord, '\0');
  record[0] = 9;
  record[1] = static_cast<char>(200);              // red of the first pixel
  record[1 + 1024 + 1] = static_cast<char>(200);   // green of the second
  record[1 + 2048 + 32] = static_cast<char>(200);  // blue of the first in the second row
  const auto sequences = load_image(folder.write("one.bin", record), Split::test);
  REQUIRE(sequences->size() == 1);
  CHECK(sequences->label(0) == 9);
  Tokens expected(1024, 0);
  expected[0] = 59;   // 0.2989 · 200 / 255 · 255.5 = 59.9
  expected[1] = 117;  // 117.6
  expected[32] = 22;  // 22.8
  CHECK(tokens_of(*sequences, 0) == expected);
  CHECK(tokens_of(*sequences, 0, 0, 2) == Tokens{59, 117});
  CHECK(sequences->vocab_size() == 256);
  CHECK(sequences->num_classes() == 10);
}

TEST_CASE("the last tenth of the training pictures is the validation part, over all files there are") {
  const ScratchFolder folder;
  folder.write("data_batch_1.bin", records(7, 0));
  folder.write("data_batch_4.bin", records(18, 7));
  folder.write("test_batch.bin", records(3, 40));
  const auto train = load_image(folder.path(), Split::train);
  CHECK(labels_of(*train) == std::vector<std::int32_t>{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 1, 2});
  CHECK(tokens_of(*train, 20, 0, 1)[0] == 20);
  CHECK(labels_of(*load_image(folder.path(), Split::valid)) == std::vector<std::int32_t>{3, 4});
  CHECK(labels_of(*load_image(folder.path(), Split::test)) == std::vector<std::int32_t>{0, 1, 2});
  CHECK(load_image(folder.path() / "data_batch_4.bin", Split::train)->size() == 17);
  CHECK(load_image(folder.path() / "data_batch_4.bin", Split::valid)->size() == 1);
  CHECK(load_image(folder.path() / "data_batch_4.bin", Split::test)->size() == 18);
  CHECK(guess_labelled_format(folder.path()) == "image");
  CHECK(guess_labelled_format(folder.path() / "test_batch.bin") == "image");
}

TEST_CASE("CIFAR-10 files that cannot be used are refused with file and record") {
  const ScratchFolder folder;
  const auto refusal = [&](Split part) { return input_error([&] { load_image(folder.path(), part); }); };
  CHECK_THAT(refusal(Split::train), Contains("expected data_batch_1.bin to data_batch_5.bin"));
  CHECK_THAT(refusal(Split::test), Contains("test_batch.bin: cannot read"));
  folder.write("data_batch_1.bin", records(2, 0));
  const std::string cut = records(3, 0);
  folder.write("data_batch_2.bin", std::string_view(cut).substr(0, cut.size() - 1));
  CHECK_THAT(refusal(Split::train), Contains("data_batch_2.bin: 9218 bytes, expected a multiple of 3073"));
  folder.write("data_batch_2.bin", "");
  CHECK_THAT(refusal(Split::train), Contains("data_batch_2.bin: 0 bytes"));
  std::string wrong = records(3, 0);
  wrong[kRecord] = 10;
  folder.write("data_batch_2.bin", wrong);
  CHECK_THAT(refusal(Split::train), EndsWith("data_batch_2.bin: record 2: expected a label from 0 to 9, found 10"));
  folder.write("data_batch_2.bin", records(3, 0));
  CHECK_THAT(refusal(Split::valid), EndsWith("5 pictures leave none for this part"));
}

TEST_CASE("the CIFAR-10 pictures of the data kit are read whole") {
  const ScratchFolder folder;
  if (unpack_kit("cifar10/cifar-10-binary-first4000.tar.xz", folder.path())) {
    const auto path = folder.path() / "cifar-10-batches-bin";
    const auto train = load_image(path, Split::train);
    CHECK(train->size() == 2880);
    CHECK(train->label(0) == 6);
    // Of red 59 43 50, green 62 46 48, blue 63 45 43.
    CHECK(tokens_of(*train, 0, 0, 3) == Tokens{61, 45, 48});
    check_promises(*train);
    CHECK(load_image(path, Split::valid)->size() == 320);
    const auto by_class = check_promises(*load_image(path, Split::test));
    CHECK(*std::ranges::min_element(by_class) == 64);
    CHECK(*std::ranges::max_element(by_class) == 94);
  }
  SUCCEED();
}

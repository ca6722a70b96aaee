#include "data/labelled_sequences.h"
#include "data/lra/pathfinder.h"
#include "tests/data/lra_support.h"
#include "tests/data/plain_png.h"
#include "tests/support/thread_counts.h"

using namespace cosformer;
using namespace cosformer::test;
using Catch::Matchers::EndsWith;
using test::Contains;

namespace {

std::string picture(int shade) { return plain_png({.width = 3, .height = 2}, std::string(6, static_cast<char>(shade))); }

std::string row(const std::string& folder, const std::string& name, int label) {
  return folder + ' ' + name + " 0 " + std::to_string(label) + " 1.0 14 4 2 0.5 1 1\n";
}

/// Twenty pictures in files 2.npy and 10.npy, shades 1 to 20 in this order; numbers 3 and 20 of no bytes.
void write_pictures(const ScratchFolder& folder) {
  std::string metadata[2];
  for (int i = 1; i <= 20; ++i) {
    const std::string batch = i <= 12 ? "imgs/2" : "imgs/10", name = "sample_" + std::to_string(i) + ".png";
    folder.write(batch + '/' + name, i == 3 || i == 20 ? "" : picture(i));
    metadata[i > 12] += row(batch, name, i % 2);
  }
  folder.write("metadata/2.npy", metadata[0]);
  folder.write("metadata/10.npy", metadata[1]);
  folder.write("metadata/combined.npy", "not read");
}

std::vector<int> shades(const LabelledSequences& sequences) {
  std::vector<int> found;
  for (std::int64_t i = 0; i < sequences.size(); ++i) {
    const Tokens tokens = tokens_of(sequences, i);
    REQUIRE(tokens == Tokens(6, tokens[0]));
    REQUIRE(sequences.label(i) == tokens[0] % 2);
    found.push_back(tokens[0]);
  }
  return found;
}

}  // namespace

TEST_CASE("Pathfinder's parts follow the order of the batches' numbers and leave out pictures of no bytes") {
  const ScratchFolder folder;
  write_pictures(folder);
  for (const std::int64_t cached : {std::int64_t{0}, kMaxCachedPixels}) {
    const auto train = load_pathfinder(folder.path(), Split::train, cached);
    const auto valid = load_pathfinder(folder.path(), Split::valid, cached);
    const auto test = load_pathfinder(folder.path(), Split::test, cached);
    CHECK(shades(*train) == std::vector<int>{1, 2, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15});
    CHECK(shades(*valid) == std::vector<int>{16, 17});
    CHECK(shades(*test) == std::vector<int>{18, 19});
    CHECK(train->skipped() == 1);
    CHECK(valid->skipped() == 0);
    CHECK(test->skipped() == 1);
    CHECK(train->vocab_size() == 256);
    CHECK(train->num_classes() == 2);
    CHECK(tokens_of(*train, 1, 0, 4) == Tokens(4, 2));
  }
  CHECK(guess_labelled_format(folder.path()) == "pathfinder");
}

TEST_CASE("Pathfinder folders that cannot be used are refused with file and row") {
  const ScratchFolder folder;
  const auto refusal = [&] { return input_error([&] { load_pathfinder(folder.path(), Split::train); }); };
  CHECK_THAT(refusal(), Contains("metadata: cannot list the folder"));
  folder.write("metadata/all.npy", "");
  CHECK_THAT(refusal(), Contains("metadata: expected files 0.npy"));
  folder.write("imgs/0/a.png", picture(1));
  folder.write("imgs/0/b.png", picture(2));
  const std::string good = row("imgs/0", "a.png", 1) + row("imgs/0", "b.png", 0);
  const auto metadata_refusal = [&](const std::string& rows) {
    folder.write("metadata/0.npy", rows);
    return refusal();
  };
  CHECK_THAT(metadata_refusal(""), EndsWith("0 pictures leave none for this part"));
  CHECK_THAT(metadata_refusal("\x93NUMPY\x01"), EndsWith("0.npy: a NumPy array, expected plain text as in the release"));
  CHECK_THAT(metadata_refusal(good + "imgs/0 a.png 0 1\n"),
             EndsWith("0.npy:3: expected 11 fields parted by blanks, found 4"));
  CHECK_THAT(metadata_refusal(good + row("imgs/0", "a.png", 2)),
             EndsWith("0.npy:3: expected the label 0 or 1 in the fourth field, found \"2\""));
  CHECK_THAT(metadata_refusal(good + row("imgs/0", "c.png", 1)), Contains("0.npy:3: no such picture: "));
  CHECK_THAT(metadata_refusal(row("imgs/..", "../a.png", 1)), Contains("0.npy:1: a picture outside the folder"));
  CHECK_THAT(metadata_refusal(row("/imgs", "a.png", 1)), Contains("0.npy:1: a picture outside the folder"));

  const auto picture_refusal = [&](const std::string& bytes) {
    folder.write("imgs/0/c.png", bytes);
    folder.write("metadata/0.npy", row("imgs/0", "a.png", 1) + row("imgs/0", "c.png", 0) + good + good + good);
    return refusal();
  };
  CHECK_THAT(picture_refusal("GIF89a, no PNG"),
             EndsWith("0.npy:2: " + (folder.path() / "imgs/0/c.png").string() + ": is no PNG"));
  CHECK_THAT(picture_refusal(picture(3).substr(0, 60)), Contains("c.png: damaged PNG: the file ends early"));
  CHECK_THAT(picture_refusal(plain_png({.width = 6, .height = 1}, "123456")),
             EndsWith("a picture of 6 x 1, expected 3 x 2 as the first"));
}

TEST_CASE("a picture that is decoded late is refused late") {
  const ScratchFolder folder;
  write_pictures(folder);
  folder.write("imgs/2/sample_5.png", picture(5).substr(0, 50));
  const auto train = load_pathfinder(folder.path(), Split::train, 0);
  CHECK(tokens_of(*train, 2) == Tokens(6, 4));
  CHECK_THAT(input_error([&] { tokens_of(*train, 3); }), Contains("2.npy:5: "));
}

TEST_CASE("another picture of the same name and size is other data, kept decoded or not") {
  const ScratchFolder folder;
  write_pictures(folder);
  const auto content = [&](std::int64_t max_cached_pixels) {
    return load_pathfinder(folder.path(), Split::train, max_cached_pixels)->content();
  };
  const Digest late = content(0), decoded = content(1000);
  CHECK(content(0) == late);
  folder.write("imgs/2/sample_5.png", picture(7));
  CHECK(content(0) != late);
  CHECK(content(0).bytes == late.bytes);
  CHECK(content(1000) != decoded);
}

TEST_CASE("of many broken pictures the first is named on any number of threads") {
  const ScratchFolder folder;
  std::string metadata;
  for (int i = 0; i < 400; ++i) {
    const std::string name = std::to_string(i) + ".png";
    folder.write("imgs/0/" + name, i == 100 || i == 250 ? "broken" : picture(1));
    metadata += row("imgs/0", name, 0);
  }
  folder.write("metadata/0.npy", metadata);
  const ThreadCountScope scope;
  for (const int threads : {1, 2, 3}) {
    set_num_threads(threads);
    CHECK_THAT(input_error([&] { load_pathfinder(folder.path(), Split::train); }), Contains("0.npy:101: "));
  }
}

TEST_CASE("the pictures of the data kit are read whole") {
  const ScratchFolder folder;
  if (unpack_kit("lra-pathfinder/pathfinder32-generated.tar.xz", folder.path())) {
    const auto path = folder.path() / "lra_release" / "pathfinder32";
    std::int64_t hard = 0;
    for (const Split part : {Split::train, Split::valid, Split::test}) {
      const auto sequences = load_pathfinder(path / "curv_contour_length_14", part);
      hard += sequences->size();
      CHECK(tokens_of(*sequences, 0).size() == 1024);
      const auto by_class = check_promises(*sequences);
      CHECK(*std::ranges::min_element(by_class) > 30);
    }
    CHECK(hard == 1000);
    CHECK(load_pathfinder(path / "curv_baseline", Split::train)->size() == 160);
    CHECK(load_pathfinder(path / "curv_contour_length_9", Split::test)->size() == 20);
  }
  SUCCEED();
}

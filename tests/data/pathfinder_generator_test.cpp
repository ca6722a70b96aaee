#include <cmath>

#include "data/generators/pathfinder.h"
#include "data/generators/pathfinder_picture.h"
#include "data/lra/pathfinder.h"
#include "tests/data/lra_support.h"
#include "tests/data/memory_files.h"
#include "tests/support/thread_counts.h"

using namespace cosformer;
using namespace cosformer::test;
using test::Contains;

namespace {

MemoryFiles make(const PathfinderOptions& options) {
  MemoryFiles files;
  make_pathfinder(options, files, [](std::int64_t, std::int64_t) {});
  return files;
}

std::vector<Dashes> dashes_of(const PathfinderSettings& settings) {
  std::vector<Dashes> dashes;
  for (const int margin : settings.margins) dashes.emplace_back(settings, margin);
  return dashes;
}

/// Largest distance between two pixels that are as bright as a marker.
double marker_distance(const GreyImage& image) {
  std::vector<std::pair<double, double>> bright;
  for (std::int64_t i = 0; i < image.width * image.height; ++i) {
    if (image.pixels[static_cast<std::size_t>(i)] >= 250) bright.emplace_back(i / image.width, i % image.width);
  }
  double largest = 0.0;
  for (const auto& [y, x] : bright) {
    for (const auto& [other_y, other_x] : bright) largest = std::max(largest, std::hypot(y - other_y, x - other_x));
  }
  return largest;
}

/// Share of pixels in each of eight ranges of brightness.
std::array<double, 8> brightness(const LabelledSequences& pictures) {
  std::array<double, 8> shares{};
  for (std::int64_t i = 0; i < pictures.size(); ++i) {
    for (const std::int32_t pixel : tokens_of(pictures, i)) shares[static_cast<std::size_t>(pixel / 32)] += 1.0;
  }
  double all = 0.0;
  for (const double share : shares) all += share;
  for (double& share : shares) share /= all;
  return shares;
}

}  // namespace

TEST_CASE("the settings of Pathfinder are the published ones") {
  const PathfinderSettings hard = pathfinder_settings(32, "hard");
  CHECK(hard.contour_length == 14);
  CHECK(hard.distractor_length == 4);
  CHECK(hard.num_distractors == 5);
  CHECK(pathfinder_settings(32, "easy").num_distractors == 10);
  CHECK(pathfinder_settings(64, "intermediate").num_distractors == 7);
  const PathfinderSettings path_x = pathfinder_settings(128, "hard");
  CHECK(path_x.num_distractors == 8);
  CHECK(path_x.margins.size() == 2);
  CHECK(input_error([] { pathfinder_settings(33, "hard"); }) == "size: expected one of 32, 64, 128, found 33");
  CHECK_THAT(input_error([] { pathfinder_settings(32, "hart"); }), Contains("did you mean \"hard\"?"));
}

TEST_CASE("generated Pathfinder files have the released layout and are read by the loader") {
  MemoryFiles files;
  const PathfinderStatistics statistics =
      make_pathfinder({.count = 1010, .seed = 3}, files, [](std::int64_t, std::int64_t) {});
  CHECK(files.content.size() == 1012);
  CHECK(files.content.count("imgs/0/sample_999.png") == 1);
  CHECK(files.content.count("imgs/1/sample_9.png") == 1);
  const std::string& rows = files.content.at("metadata/1.npy");
  CHECK(std::ranges::count(rows, '\n') == 10);
  CHECK((rows.starts_with("imgs/1 sample_0.png 0 0 1.0 14 4 2 0.5 1 1\n") ||
         rows.starts_with("imgs/1 sample_0.png 0 1 1.0 14 4 2 0.5 1 1\n")));

  const ScratchFolder folder;
  files.write_to(folder);
  std::int64_t connected = 0, pictures = 0;
  for (const Split part : {Split::train, Split::valid, Split::test}) {
    const auto sequences = load_pathfinder(folder.path(), part);
    const auto by_class = check_promises(*sequences);
    pictures += sequences->size();
    connected += by_class[1];
  }
  CHECK(pictures == 1010);
  CHECK(statistics.pictures == 1010);
  CHECK(connected == statistics.connected);
  // Six standard deviations of a fair coin.
  CHECK(std::abs(connected - 505) < 96);
}

TEST_CASE("Pathfinder files depend on the seed and not on the number of threads") {
  require_same_bits_on_any_threads("pathfinder", [] { return make({.count = 30}).all(); });
  CHECK(make({.count = 30, .seed = 2}).all() != make({.count = 30}).all());
}

TEST_CASE("paths and distractors of a set can be fewer than its difficulty's") {
  const MemoryFiles easy = make({.difficulty = "easy", .count = 40});
  const MemoryFiles fewer = make({.difficulty = "easy", .count = 40, .contour_length = 3, .num_distractors = 0});
  CHECK_THAT(fewer.content.at("metadata/0.npy"),
             Catch::Matchers::StartsWith("imgs/0 sample_0.png 0 ") && Contains(" 1.0 3 2 2 0.5 1 1\n"));
  const ScratchFolder folder, fewer_folder;
  easy.write_to(folder);
  fewer.write_to(fewer_folder);
  // Two paths of three dashes in place of two of six and ten of two.
  const double full = 1 - brightness(*load_pathfinder(folder.path(), Split::train))[0];
  const double part = 1 - brightness(*load_pathfinder(fewer_folder.path(), Split::train))[0];
  CAPTURE(full, part);
  CHECK(part < 0.4 * full);
  CHECK(input_error([] { make({.count = 1, .contour_length = 15}); }) == "contour-length: expected 2 to 14, found 15");
  CHECK(input_error([] { make({.count = 1, .contour_length = 1}); }) == "contour-length: expected 2 to 14, found 1");
  CHECK(input_error([] { make({.count = 1, .num_distractors = 21}); }) == "distractors: expected 0 to 20, found 21");
}

TEST_CASE("pictures of every size and difficulty are drawn") {
  for (const int size : {32, 64, 128}) {
    for (const char* difficulty : {"easy", "intermediate", "hard"}) {
      CAPTURE(size, difficulty);
      const PathfinderSettings settings = pathfinder_settings(size, difficulty);
      const auto dashes = dashes_of(settings);
      for (std::uint64_t i = 0; i < 3; ++i) {
        const PathfinderPicture picture = draw_pathfinder_picture(settings, dashes, 9, i);
        CHECK(picture.image.width == size);
        CHECK(picture.image.pixels.size() == static_cast<std::size_t>(size * size));
        CHECK(*std::ranges::min_element(picture.image.pixels) == 0);
        CHECK(*std::ranges::max_element(picture.image.pixels) == 255);
      }
    }
  }
}

TEST_CASE("the markers of label 1 are on one path, those of label 0 on two") {
  // Two paths of two dashes, so far apart that the distance of the markers tells whether they are on one: at most 23 pixels
  // between the ends of a path, at least 60 - 23 between two paths, and up to 7 more for the width of the markers.
  PathfinderSettings settings = pathfinder_settings(128, "hard");
  settings.image_size = 256;
  settings.seed_distance = 60;
  settings.contour_length = 2;
  settings.num_distractors = 0;
  const auto dashes = dashes_of(settings);
  int connected = 0;
  for (std::uint64_t i = 0; i < 100; ++i) {
    const PathfinderPicture picture = draw_pathfinder_picture(settings, dashes, 4, i);
    const double distance = marker_distance(picture.image);
    CAPTURE(i, distance);
    REQUIRE((distance < 30) == (picture.label == 1));
    connected += picture.label;
  }
  CHECK(connected > 20);
  CHECK(connected < 80);
}

TEST_CASE("generated pictures are as bright as those of the published generator") {
  const ScratchFolder folder;
  if (unpack_kit("lra-pathfinder/pathfinder32-generated.tar.xz", folder.path())) {
    for (const auto& [difficulty, name] : {std::pair{"easy", "curv_baseline"},
                                           {"intermediate", "curv_contour_length_9"},
                                           {"hard", "curv_contour_length_14"}}) {
      const ScratchFolder made;
      make({.difficulty = difficulty, .count = 400}).write_to(made);
      const auto ours = brightness(*load_pathfinder(made.path(), Split::train));
      const auto theirs = brightness(*load_pathfinder(folder.path() / "lra_release" / "pathfinder32" / name, Split::train));
      for (std::size_t i = 0; i < ours.size(); ++i) {
        CAPTURE(difficulty, i, ours[i], theirs[i]);
        CHECK(std::fabs(ours[i] - theirs[i]) < 0.002 + 0.02 * theirs[i]);
      }
    }
  }
  SUCCEED();
}

#include <algorithm>
#include <filesystem>
#include <random>
#include <string>
#include <vector>

#include "tests/catch.h"
#include "tests/train/run_support.h"
#include "tests/train/store/checkpoint_support.h"
#include "train/store/checkpoint_store.h"

namespace cosformer::test {

namespace fs = std::filesystem;

TEST_CASE("A checkpoint file cut at a header byte or a 4 KiB boundary is found out and the one before is used") {
  TwoCheckpoints run;
  int cuts = 0, fallbacks = 0;
  for (const std::string& name : kFiles) {
    const std::string sound = read_bytes(run.second / name);
    const std::size_t header_end = std::min<std::size_t>(sound.size(), 700);
    for (std::size_t length = 0; length < sound.size();) {
      ++cuts;
      fallbacks += run.falls_back(name, sound.substr(0, length));
      length = length < header_end ? length + 1 : (length / 4096 + 1) * 4096;
    }
    ++cuts;
    fallbacks += run.falls_back(name, sound + '\n');
  }
  CHECK(cuts > 1500);
  CHECK(fallbacks == cuts);
  CHECK(find_latest_checkpoint(run.store.folder(), ignore) == run.second);
}

TEST_CASE("Each of 500 random bit flips in a checkpoint is found out and the one before is used") {
  TwoCheckpoints run;
  std::mt19937 random(7);
  int fallbacks = 0;
  for (int flip = 0; flip < 500; ++flip) {
    const std::string& name = kFiles[static_cast<std::size_t>(flip) % kFiles.size()];
    std::string bytes = read_bytes(run.second / name);
    const std::size_t bit = random() % (8 * bytes.size());
    bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ 1 << bit % 8);
    fallbacks += run.falls_back(name, bytes);
  }
  CHECK(fallbacks == 500);
}

TEST_CASE("A checkpoint with a file missing is passed over with a warning") {
  for (const std::string& name : kFiles) {
    TwoCheckpoints run;
    fs::remove(run.second / name);
    std::vector<std::string> warnings;
    const auto found =
        find_latest_checkpoint(run.store.folder(), [&](const std::string& message) { warnings.push_back(message); });
    CHECK(found == run.first);
    REQUIRE(warnings.size() == 1);
    CHECK(warnings[0].find((run.second / name).string() + ": cannot be opened") != std::string::npos);
  }
}

}  // namespace cosformer::test

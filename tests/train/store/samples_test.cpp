#include "train/store/samples.h"

#include "tests/catch.h"
#include "tests/train/run_support.h"

namespace cosformer {
namespace {

TEST_CASE("Samples come back as they were written, in the order of their steps") {
  const test::TemporaryFolder folder;
  const std::filesystem::path file = folder / "samples.jsonl";
  CHECK(read_samples(file).empty());
  FileSystem files;
  const TextSample first{10, "And", " the\nsea \"…\" 漢"}, second{20, "And", ""};
  add_sample(files, file, first);
  add_sample(files, file, second);
  CHECK(read_samples(file) == std::vector<TextSample>{first, second});
}

TEST_CASE("A run that continues from an earlier step writes its samples anew") {
  const test::TemporaryFolder folder;
  const std::filesystem::path file = folder / "samples.jsonl";
  FileSystem files;
  for (const std::int64_t step : {10, 20, 30}) add_sample(files, file, {step, "a", "old"});
  add_sample(files, file, {20, "a", "new"});
  CHECK(read_samples(file) == std::vector<TextSample>{{10, "a", "old"}, {20, "a", "new"}});
}

TEST_CASE("Lines that are no samples are passed over") {
  const test::TemporaryFolder folder;
  const std::filesystem::path file = folder / "samples.jsonl";
  test::write_bytes(
      file,
      "\n[1]\n{\"step\":1}\n{\"step\":\"1\",\"prompt\":\"a\",\"text\":\"b\"}\n"
      "{\"step\":2,\"prompt\":\"a\",\"text\":[[[]]]}\n{\"step\":3,\"prompt\":\"a\",\"text\":\"b\"}\n{\"step\":4");
  CHECK(read_samples(file) == std::vector<TextSample>{{3, "a", "b"}});
}

}  // namespace
}  // namespace cosformer

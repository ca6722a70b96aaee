#include "train/store/metrics.h"

#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>
#include <sstream>

#include "core/error.h"
#include "tests/catch.h"
#include "tests/train/run_support.h"

namespace cosformer::test {

namespace {

const std::string kStepOne = R"({"step":1,"split":"train","loss":2.5})"
                             "\n";
const std::string kStepTwo = R"({"step":2,"split":"valid","loss":2.25})"
                             "\n";

std::vector<std::int64_t> steps_of(const std::filesystem::path& path) {
  std::vector<std::int64_t> steps;
  for (const MetricRecord& record : read_metrics(path)) steps.push_back(record.step);
  return steps;
}

}  // namespace

TEST_CASE("The last record of a split is found at the end of a long file, whatever is torn") {
  const test::TemporaryFolder folder;
  const std::filesystem::path file = folder / "metrics.jsonl";
  CHECK_FALSE(read_last_metric(file, "train").has_value());
  std::string text;
  for (int step = 1; step <= 5000; ++step) text += concat("{\"step\":", step, ",\"split\":\"train\",\"loss\":1.5}\n");
  test::write_bytes(file, text + "{\"step\":5001,\"split\":\"valid\",\"loss\":2}\n{\"step\":5002,\"split\":\"train\"");
  CHECK(read_last_metric(file, "train")->step == 5000);
  CHECK(read_last_metric(file, "valid")->value("loss") == 2);
  CHECK_FALSE(read_last_metric(file, "test").has_value());
}

TEST_CASE("Metrics are one JSON object a line, in the order they were given") {
  TemporaryFolder folder;
  FileSystem files;
  MetricsWriter writer(files, folder / "metrics.jsonl");
  writer.append({100, "train", {{"loss", 0.1 + 0.2}, {"tokens", 4096}, {"learning_rate", 5e-324}}});
  writer.append({100, "valid \"x\"\n", {{"loss", -0.0}}});
  CHECK(read_bytes(folder / "metrics.jsonl") ==
        "{\"step\":100,\"split\":\"train\",\"loss\":0.30000000000000004,\"tokens\":4096,\"learning_rate\":5e-324}\n"
        "{\"step\":100,\"split\":\"valid \\\"x\\\"\\n\",\"loss\":-0.0}\n");
  const auto records = read_metrics(folder / "metrics.jsonl");
  REQUIRE(records.size() == 2);
  CHECK(records[0].value("loss") == 0.1 + 0.2);
  CHECK(records[0].value("tokens") == 4096);
  CHECK(records[0].value("learning_rate") == 5e-324);
  CHECK(std::isnan(records[0].value("accuracy")));
  CHECK(records[1].split == "valid \"x\"\n");
  CHECK(std::signbit(records[1].value("loss")));
}

TEST_CASE("Values that are not finite are null in the file and NaN to the reader") {
  TemporaryFolder folder;
  FileSystem files;
  const double infinity = std::numeric_limits<double>::infinity();
  MetricsWriter(files, folder / "m").append({1, "train", {{"a", infinity}, {"b", -infinity}, {"c", std::nan("")}}});
  CHECK(read_bytes(folder / "m") == R"({"step":1,"split":"train","a":null,"b":null,"c":null})"
                                    "\n");
  const auto records = read_metrics(folder / "m");
  REQUIRE(records.size() == 1);
  CHECK(records[0].values.size() == 3);
  CHECK(std::isnan(records[0].value("b")));
}

TEST_CASE("A torn last line is passed over by the reader and cut off by the writer, at every byte") {
  TemporaryFolder folder;
  FileSystem files;
  for (std::size_t length = 0; length < kStepTwo.size(); ++length) {
    write_bytes(folder / "m", kStepOne + kStepTwo.substr(0, length));
    CAPTURE(length);
    CHECK(steps_of(folder / "m") == std::vector<std::int64_t>{1});
    MetricsWriter(files, folder / "m").append({3, "train", {}});
    CHECK(steps_of(folder / "m") == std::vector<std::int64_t>{1, 3});
  }
  // After a loss of power the tail may be zeros.
  write_bytes(folder / "m", kStepOne + std::string(100, '\0') + "\n");
  CHECK(steps_of(folder / "m") == std::vector<std::int64_t>{1});
}

TEST_CASE("A line in the middle that is no record is an error with file and line") {
  TemporaryFolder folder;
  for (const std::string line : {"x", "[1]", "{}", R"({"step":"1","split":"train"})",
                                 R"({"step":1,"split":"a","b":{"c":1}})", R"({"step":1.5,"split":"train"})"}) {
    write_bytes(folder / "m", kStepOne + line + "\n" + kStepTwo);
    CAPTURE(line);
    CHECK(message_of<InputError>([&] { read_metrics(folder / "m"); }) ==
          (folder / "m").string() + ":2: expected a JSON object with step and split");
  }
}

TEST_CASE("The speed of a run is the median over the training records that have one") {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const auto record = [](const char* split, double speed) { return MetricRecord{1, split, {{"tokens_per_second", speed}}}; };
  CHECK_FALSE(median_training_speed({record("valid", 5), record("train", nan), {1, "train", {}}}).has_value());
  CHECK(median_training_speed(
            {record("train", 9), record("train", nan), record("valid", 500), record("train", 1), record("train", 2)}) == 2);
  CHECK(median_training_speed({record("train", 9), record("train", 1)}) == 5);
}

TEST_CASE("Deep nesting in a metrics file is refused without a deep recursion") {
  TemporaryFolder folder;
  std::string line = R"({"step":1,"split":"a","b":)";
  line.append(500'000, '[');
  write_bytes(folder / "m", line + "\n" + kStepOne);
  CHECK_THROWS_AS(read_metrics(folder / "m"), InputError);
}

TEST_CASE("A file that is missing or empty has no records") {
  TemporaryFolder folder;
  CHECK(read_metrics(folder / "missing").empty());
  write_bytes(folder / "m", "");
  CHECK(read_metrics(folder / "m").empty());
}

TEST_CASE("Truncating drops the records after a step and keeps the bytes of the others") {
  TemporaryFolder folder;
  FileSystem files;
  const std::string odd = R"({ "split" : "train", "step" : 2, "note" : "kept" })"
                          "\n";
  const std::string step_three = R"({"step":3,"split":"train"})"
                                 "\n";
  write_bytes(folder / "m", kStepOne + odd + step_three + kStepTwo + R"({"step":2,"spl)");
  truncate_metrics_after(files, folder / "m", 2);
  CHECK(read_bytes(folder / "m") == kStepOne + odd + kStepTwo);
  truncate_metrics_after(files, folder / "m", 0);
  CHECK(read_bytes(folder / "m").empty());
  CHECK_NOTHROW(truncate_metrics_after(files, folder / "missing", 1));
}

TEST_CASE("Lines that are no records stay in a file beside, and the run goes on with the others") {
  TemporaryFolder folder;
  FileSystem files;
  const std::string damaged =
      kStepOne + std::string(40, '\0') + "\n[]\n" + kStepTwo + R"({"step":3,"split":"train"})" + "\n";
  write_bytes(folder / "m", damaged);
  write_bytes(folder / "m.damaged", "of an earlier time");
  CHECK(truncate_metrics_after(files, folder / "m", 2) ==
        concat((folder / "m").string(), ":2: expected a JSON object with step and split (and 1 lines more); the file as it ",
               "was is now ", (folder / "m.damaged-2").string(), ", the run goes on with the records that can be read"));
  CHECK(read_bytes(folder / "m") == kStepOne + kStepTwo);
  CHECK(read_bytes(folder / "m.damaged-2") == damaged);
  CHECK(read_bytes(folder / "m.damaged") == "of an earlier time");
  CHECK_FALSE(truncate_metrics_after(files, folder / "m", 2).has_value());
}

TEST_CASE("A metrics file that cannot be read is neither taken for empty nor cut") {
  TemporaryFolder folder;
  FileSystem files;
  std::filesystem::create_directory(folder / "m");
  CHECK_THROWS_AS(read_metrics(folder / "m"), InputError);
  CHECK_THROWS_AS(truncate_metrics_after(files, folder / "m", 0), InputError);
  std::filesystem::create_symlink("gone", folder / "link");
  CHECK_THROWS_AS(truncate_metrics_after(files, folder / "link", 0), InputError);
  // Reading fails after the file was opened, as it does if the disk is damaged.
  if (std::filesystem::exists("/proc/self/mem")) CHECK_THROWS_AS(read_metrics("/proc/self/mem"), InputError);
}

TEST_CASE("A gap before the step that a run goes on from is found") {
  const auto train = [](std::int64_t step) { return MetricRecord{step, "train", {}}; };
  const std::vector<MetricRecord> records = {train(2), train(4), {4, "valid", {}}, train(6)};
  CHECK_FALSE(find_gap(records, 7, 2, false));
  CHECK_FALSE(find_gap({train(2), train(4), {4, "valid", {}}}, 4, 2, true));
  CHECK_FALSE(find_gap({}, 9, 10, false));
  CHECK(find_gap(records, 8, 2, false) ==
        "metrics.jsonl has no training record after step 6, but the checkpoint is of step 8: what was recorded between is "
        "lost");
  CHECK(find_gap(records, 6, 2, true) == "metrics.jsonl has no record of the evaluation at step 6: it is lost");
  CHECK(find_gap({}, 10, 10, false).has_value());
}

TEST_CASE("Each record is one write") {
  TemporaryFolder folder;
  FaultyFileSystem files(3, FaultyFileSystem::Fault::error_once);  // open, first record, second record
  MetricsWriter writer(files, folder / "m");
  writer.append({1, "train", {{"loss", 1.5}}});
  CHECK_THROWS_AS(writer.append({2, "train", {{"loss", 1.25}}}), Error);
  writer.append({3, "train", {{"loss", 1}}});
  CHECK(steps_of(folder / "m") == std::vector<std::int64_t>{1, 3});
}

TEST_CASE("Records that are not as they were when a checkpoint was written are noticed, later ones are not looked at") {
  TemporaryFolder folder;
  FileSystem files;
  const auto path = folder / "metrics.jsonl";
  write_bytes(path, kStepOne);
  Digest content;
  {
    MetricsWriter writer(files, path);
    CHECK(writer.content() == digest_of(kStepOne));
    writer.append({2, "valid", {{"loss", 2.25}}});
    content = writer.content();
    writer.append({3, "train", {{"loss", 2}}});
  }
  CHECK(content == digest_of(kStepOne + kStepTwo));
  const std::string text = read_bytes(path);
  CHECK_FALSE(find_change(path, content, 2).has_value());
  CHECK_FALSE(find_change(path, {}, 2).has_value());
  for (std::size_t place = 0; place < text.size(); ++place) {
    std::string damaged = text;
    damaged[place] = static_cast<char>(damaged[place] ^ 1);
    write_bytes(path, damaged);
    CHECK(find_change(path, content, 2).has_value() == (place < content.bytes));
  }
  write_bytes(path, kStepOne);
  CHECK(*find_change(path, content, 2) ==
        concat(path.string(), ": the records up to the checkpoint of step 2 are not as the run wrote them"));
  std::filesystem::remove(path);
  CHECK(find_change(path, content, 2).has_value());
}

}  // namespace cosformer::test

#include "train/store/tensorboard.h"

#include <cstring>

#include "tests/catch.h"
#include "tests/train/run_support.h"
#include "train/store/crc32c.h"

namespace cosformer::test {

namespace {

std::string hex(std::string_view bytes) {
  std::string text;
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    text += "0123456789abcdef"[byte >> 4];
    text += "0123456789abcdef"[byte & 15];
  }
  return text;
}

/// The records of an event file, by their lengths; checksums are for the tests with known bytes.
std::vector<std::string> records_of(const std::string& file) {
  std::vector<std::string> records;
  for (std::size_t at = 0; at + 12 <= file.size();) {
    std::uint64_t length = 0;
    std::memcpy(&length, file.data() + at, 8);
    records.push_back(file.substr(at + 12, length));
    at += 16 + length;
  }
  return records;
}

/// An event without its first nine bytes, the time.
std::string without_time(const std::string& event) { return event.substr(9); }

}  // namespace

TEST_CASE("CRC-32C gives the values of RFC 3720") {
  CHECK(crc32c("") == 0);
  CHECK(crc32c("123456789") == 0xe3069283u);
  CHECK(crc32c(std::string(32, '\0')) == 0x8a9136aau);
  CHECK(crc32c(std::string(32, '\xff')) == 0x62a8ab43u);
  std::string ascending, descending;
  for (int i = 0; i < 32; ++i) {
    ascending += static_cast<char>(i);
    descending += static_cast<char>(31 - i);
  }
  CHECK(crc32c(ascending) == 0x46dd794eu);
  CHECK(crc32c(descending) == 0x113fdb5cu);
}

// The expected bytes were made with the protocol buffers and the checksum of the Python package `tensorboard` 2.
TEST_CASE("Events and records are the bytes that TensorBoard's own library writes") {
  CHECK(hex(frame_record(encode_version_event(1700000000.25))) ==
        "1800000000000000a37f4b220900001040fc54d9411a0d627261696e2e4576656e743a32338d2fe9");
  CHECK(hex(frame_record(encode_scalar_event(1700000000.5, 300, {{"train/loss", 2.5}, {"lr", 0.001}}))) ==
        "2c00000000000000f4aecc450900002040fc54d94110ac022a1e0a110a0a747261696e2f6c6f737315000020400a090a026c72156f12833a"
        "3700c8f5");
  CHECK(hex(frame_record(encode_restart_event(1700000000.5, 301))) ==
        "100000000000000095fbfe180900002040fc54d94110ad023a020801596f3f79");
}

TEST_CASE("A file begins with the version, and after a restart with the step from which older events are void") {
  TemporaryFolder folder;
  FileSystem files;
  TensorBoardWriter first(files, folder.path());
  first.add_scalars(7, {{"loss", 1.5}});
  TensorBoardWriter second(files, folder.path(), 6);
  CHECK(first.path() != second.path());
  CHECK(first.path().filename().string().starts_with("events.out.tfevents."));
  CHECK(first.path() < second.path());

  const auto fresh = records_of(read_bytes(first.path()));
  REQUIRE(fresh.size() == 2);
  CHECK(without_time(fresh[0]) == without_time(encode_version_event(0)));
  CHECK(without_time(fresh[1]) == without_time(encode_scalar_event(0, 7, {{"loss", 1.5}})));
  const auto resumed = records_of(read_bytes(second.path()));
  REQUIRE(resumed.size() == 2);
  CHECK(without_time(resumed[1]) == without_time(encode_restart_event(0, 7)));
}

}  // namespace cosformer::test

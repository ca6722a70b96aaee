// JSON files with a checksum of themselves.
#include "train/store/sealed_json.h"

#include <nlohmann/json.hpp>

#include "tests/catch.h"
#include "tests/support/input_error.h"
#include "tests/train/run_support.h"

namespace cosformer::test {

TEST_CASE("A sealed file is read as it was written, and refused with any byte changed to any other") {
  const TemporaryFolder folder;
  const auto file = folder / "result.json";
  const nlohmann::ordered_json content = {{"steps", 30}, {"valid", {{"loss", 2.4375}, {"tokens", 299}}}};
  const std::string text = seal(content, 1);
  write_bytes(file, text);
  nlohmann::json read = read_sealed_json(file);
  read.erase("checksum");
  CHECK(read == nlohmann::json(content));
  CHECK_FALSE(seal_fault(file).has_value());

  std::size_t refused = 0, outside = 0;
  for (std::size_t place = 0; place < text.size(); ++place) {
    for (int other = 1; other < 256; ++other) {
      std::string damaged = text;
      damaged[place] = static_cast<char>(damaged[place] ^ other);
      nlohmann::json parsed = nlohmann::json::parse(damaged, nullptr, false);
      if (parsed.is_discarded()) {
        ++outside;  // read_sealed_json refuses what is no JSON
        continue;
      }
      refused += !input_error_of([&] { check_seal(parsed, damaged, "x"); }).empty();
    }
  }
  CHECK(refused + outside == 255 * text.size());
  CHECK(refused > 1000);
}

TEST_CASE("A file without a checksum is refused by its name") {
  const TemporaryFolder folder;
  for (const char* text : {"{\"steps\": 30}", "[1]", "{\"checksum\": 5}", "{\"checksum\": \"\"}", ""}) {
    write_bytes(folder / "result.json", text);
    CAPTURE(text);
    CHECK(input_error_of([&] { read_sealed_json(folder / "result.json"); }).starts_with((folder / "result.json").string()));
    CHECK(seal_fault(folder / "result.json").has_value());
  }
  CHECK(seal_fault(folder / "absent.json").has_value());
}

}  // namespace cosformer::test

#include "data/strict_json.h"

#include <nlohmann/json.hpp>

#include "tests/data/data_support.h"

using namespace cosformer;
using namespace cosformer::test;
using Catch::Matchers::StartsWith;
using test::Contains;

TEST_CASE("strict JSON reads documents") {
  const auto document = parse_strict_json(R"({"a": [1, {"a": 2}], "b": {"a": null}, "é": -1.5})", "x.json");
  CHECK(document["a"][1]["a"] == 2);
  CHECK(document["b"]["a"].is_null());
  CHECK(document["é"] == -1.5);
}

TEST_CASE("a key that an object holds twice is refused") {
  CHECK_THAT(input_error([] { parse_strict_json(R"({"a": 1, "b": 2, "a": 3})", "x.json"); }),
             StartsWith("x.json: the key \"a\" appears twice"));
  CHECK_THAT(input_error([] { parse_strict_json(R"([{"o": {"k": 1, "\u006b": 1}}])", "x.json"); }), Contains("\"k\""));
}

TEST_CASE("nesting is allowed to sixteen levels") {
  const auto nested = [](int depth) {
    return std::string(static_cast<std::size_t>(depth), '[') + std::string(static_cast<std::size_t>(depth), ']');
  };
  CHECK(parse_strict_json(nested(kMaxJsonDepth), "x.json").is_array());
  CHECK_THAT(input_error([&] { parse_strict_json(nested(kMaxJsonDepth + 1), "x.json"); }), Contains("deeper than 16"));
  CHECK_THAT(input_error([&] { parse_strict_json(std::string(1'000'000, '['), "x.json"); }), Contains("deeper than 16"));
  std::string objects;
  for (int i = 0; i < 100'000; ++i) objects += "{\"a\":";
  CHECK_THAT(input_error([&] { parse_strict_json(objects, "x.json"); }), Contains("deeper than 16"));
}

TEST_CASE("syntax errors name line and column in one line") {
  const std::string message = input_error([] { parse_strict_json("{\"a\": 1,\n \"b\": }", "x.json"); });
  CHECK_THAT(message, StartsWith("x.json:2:7: "));
  for (const char* text :
       {"", "{", "[1,]", "{\"a\" 1}", "nul", "\"\xFF\"", "\"\\ud800\"", "1 2", "1e999", "{1: 2}", "\"\n\""}) {
    const std::string error = input_error([&] { parse_strict_json(text, "x.json"); });
    CHECK_THAT(error, StartsWith("x.json:"));
    CHECK(error.find('\n') == std::string::npos);
    CHECK(error.size() < 300);
  }
  CHECK(input_error([] { parse_strict_json("[" + std::string(1'000'000, 'x'), "x.json"); }).size() < 300);
}

TEST_CASE("a JSON file is read, and one over the limit is not") {
  const ScratchFolder folder;
  CHECK(read_strict_json(folder.write("x.json", "[1]")) == nlohmann::json{1});
  CHECK_THAT(input_error([] { parse_strict_json(std::string(kMaxJsonBytes + 1, ' '), "x.json"); }), Contains("at most"));
}

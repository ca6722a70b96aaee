#include "train/store/run_state.h"

#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>
#include <random>
#include <string>

#include "core/checksum.h"
#include "core/error.h"
#include "tests/catch.h"
#include "tests/train/run_support.h"
#include "tests/train/store/checkpoint_support.h"
#include "train/store/checkpoint.h"

namespace cosformer::test {

TEST_CASE("The state keeps doubles that JSON has no number for") {
  for (const double value :
       {std::numeric_limits<double>::infinity(), -std::numeric_limits<double>::infinity(), -0.0, 1e-310}) {
    RunState state;
    state.metric = value;
    const RunState read = run_state_from_json(nlohmann::json::parse(to_json(state).dump()), "x");
    CHECK(*read.metric == value);
    CHECK(std::signbit(*read.metric) == std::signbit(value));
  }
  RunState state;
  state.metric = std::numeric_limits<double>::quiet_NaN();
  CHECK(std::isnan(*run_state_from_json(to_json(state), "x").metric));
}

TEST_CASE("A state with a key missing, unknown or of another kind is refused") {
  const nlohmann::json sound = to_json(RunState{});
  CHECK_NOTHROW(run_state_from_json(sound, "x"));
  const auto refusal = [&](const std::string& key, const nlohmann::json& value) {
    nlohmann::json changed = sound;
    changed[key] = value;
    return message_of<InputError>([&] { run_state_from_json(changed, "state.json"); });
  };
  CHECK(refusal("step", -1) == "state.json: state: step: not a value of this key: \"-1\"");
  CHECK(refusal("step", 1.5).find("step: not a value") != std::string::npos);
  CHECK(refusal("step", 1ULL << 63).find("step: not a value") != std::string::npos);
  CHECK(refusal("metric", "infinite").find("metric: not a value") != std::string::npos);
  CHECK(refusal("nonfinite_steps", {1, "x"}).find("nonfinite_steps: not a value") != std::string::npos);
  CHECK(refusal("higher_is_better", 1).find("higher_is_better: not a value") != std::string::npos);
  CHECK(refusal("other", 1).find("unknown key \"other\"") != std::string::npos);
  nlohmann::json short_state = sound;
  short_state.erase("seed");
  CHECK(message_of<InputError>([&] { run_state_from_json(short_state, "x"); }) == "x: state: the key seed is missing");
}

TEST_CASE("Every bit of the state document is covered by its checksum") {
  StateDocument document{make_checkpoint(5).state, {}};
  document.files["model.safetensors"] = {1, std::string(32, 'a')};
  document.files["optimizer.safetensors"] = {2, std::string(32, 'b')};
  const std::string text = encode_state_document(document);
  CHECK(parse_state_document(text, "x").state == document.state);
  CHECK(parse_state_document(text, "x").files == document.files);
  std::size_t refused = 0;
  for (std::size_t bit = 0; bit < 8 * text.size(); ++bit) {
    std::string damaged = text;
    damaged[bit / 8] = static_cast<char>(damaged[bit / 8] ^ 1 << bit % 8);
    const std::string message = message_of<InputError>([&] { parse_state_document(damaged, "x"); });
    refused += !message.empty() && message.find('\n') == std::string::npos;
  }
  CHECK(refused == 8 * text.size());
}

namespace {

/// The document with another number of its format and a checksum that fits.
std::string with_version(const StateDocument& document, const std::string& number) {
  std::string text = encode_state_document(document);
  const std::string version = concat("\"format_version\": ", kStateFormatVersion);
  text.replace(text.find(version), version.size(), "\"format_version\": " + number);
  const std::size_t checksum = text.find("\"checksum\": \"") + 13;
  text.replace(checksum, 32, 32, '0');
  return text.replace(checksum, 32, checksum_hex(text));
}

}  // namespace

TEST_CASE("A state document of a newer format is refused as such where it is whole, and as damaged where it is not") {
  StateDocument document;
  document.files = {{"model.safetensors", {}}, {"optimizer.safetensors", {}}};
  const std::uint64_t newer = kStateFormatVersion + 1;
  std::string text = with_version(document, std::to_string(newer));
  CHECK(message_of<NewerFormatError>([&] { parse_state_document(text, "x"); }) ==
        concat("x: format_version ", newer, " is of a newer cosformer; this one reads up to ", kStateFormatVersion));
  text.replace(text.find("\"step\": 0"), 9, "\"step\": 1");
  CHECK(message_of<InputError>([&] { parse_state_document(text, "x"); }) == "x: the contents do not fit the checksum in it");
  for (const std::string number : {"0", "-1", "1.5", "\"1\"", "null"}) {
    CAPTURE(number);
    CHECK(message_of<InputError>([&] {
            parse_state_document(with_version(document, number), "x");
          }).starts_with(concat("x: format_version: expected 1 to ", kStateFormatVersion, ", found ")));
  }
}

TEST_CASE("A checkpoint of each format that there ever was is read") {
  for (std::uint64_t version = 1; version <= kStateFormatVersion; ++version) {
    const std::filesystem::path folder =
        concat(COSFORMER_SOURCE_DIR, "/tests/train/formats/", version, "/run/checkpoints/step-00000004");
    CAPTURE(folder);
    const Checkpoint checkpoint = read_checkpoint(folder);
    CHECK(checkpoint.state.step == 4);
    CHECK(checkpoint.state.position == 8);
    CHECK(checkpoint.state.seed == 1);
    CHECK(checkpoint.state.metric.has_value());
    CHECK(checkpoint.state.metric == checkpoint.state.best_metric);
    CHECK(checkpoint.parameters.at("decoder.embed_tokens.weight").shape() == Shape({256, 8}));
    CHECK(checkpoint.optimizer.size() == 2 * checkpoint.parameters.size());
  }
}

TEST_CASE("Random damage to a state document is always an InputError") {
  StateDocument document;
  document.files = {{"model.safetensors", {}}, {"optimizer.safetensors", {}}};
  const std::string text = encode_state_document(document);
  std::mt19937 random(11);
  int refused = 0;
  for (int round = 0; round < 5'000; ++round) {
    std::string damaged = text;
    const std::size_t at = random() % damaged.size();
    if (round % 2) {
      damaged.erase(at, random() % 16 + 1);
    } else {
      damaged.insert(at, 1, "{}[]\",:0-e"[random() % 10]);
    }
    refused += !message_of<InputError>([&] { parse_state_document(damaged, "x"); }).empty();
  }
  CHECK(refused == 5'000);
}

}  // namespace cosformer::test

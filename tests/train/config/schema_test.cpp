#include "train/config/schema.h"

#include <algorithm>
#include <set>
#include <string>

#include "tests/catch.h"
#include "tests/train/run_support.h"

namespace cosformer {
namespace {

TEST_CASE("Every default of the schema is a value that the schema takes") {
  for (const Field& field : config_fields()) {
    INFO(field.key);
    Config config;
    const TomlTable table = parse_toml("x = " + format_value(field.get(config)), "default");
    CHECK(assign(config, field, table.at(0).value) == std::nullopt);
    CHECK(format_value(field.get(config)) == format_value(field.get(Config())));
    CHECK_FALSE(field.help.empty());
    CHECK_FALSE(allowed_values(field).empty());
  }
}

TEST_CASE("Every key of the schema is one name in one of its tables, and tables stay together") {
  std::set<std::string_view> keys;
  for (const Field& field : config_fields()) {
    INFO(field.key);
    CHECK(keys.insert(field.key).second);
    CHECK(std::count(field.key.begin(), field.key.end(), '.') == 1);
  }
  const auto tables = config_tables();
  CHECK(std::set<std::string_view>(tables.begin(), tables.end()).size() == tables.size());
}

TEST_CASE("Every name that a key lists can be set and read back") {
  for (const Field& field : config_fields()) {
    if (!field.names) continue;
    for (const std::string_view name : field.names()) {
      INFO(field.key << " = " << name);
      Config config;
      if (field.type == FieldType::texts) {
        REQUIRE(assign(config, field, {TomlArray{{std::string(name), {}}}, {}}) == std::nullopt);
        CHECK(std::get<std::vector<std::string>>(field.get(config)) == std::vector<std::string>{std::string(name)});
        continue;
      }
      REQUIRE(assign(config, field, {std::string(name), {}}) == std::nullopt);
      CHECK(std::get<std::string>(field.get(config)) == name);
    }
  }
}

TEST_CASE("A value of a wrong type or out of range is refused, says why and changes nothing") {
  const auto problem_of = [](std::string_view key, TomlValue value) {
    Config config;
    const Field* field = find_field(key);
    REQUIRE(field);
    const auto problem = assign(config, *field, value);
    CHECK(differences(config, Config()).empty());
    return problem.value_or("");
  };
  CHECK(problem_of("model.num_layers", {"four", {}}) ==
        "model.num_layers must be an integer, 1 to 4096, not the string \"four\"");
  CHECK(problem_of("model.num_layers", {std::int64_t{0}, {}}) == "model.num_layers must be an integer, 1 to 4096, not 0");
  CHECK(problem_of("model.num_layers", {4.0, {}}) == "model.num_layers must be an integer, 1 to 4096, not the number 4");
  CHECK(problem_of("model.dropout", {1.0, {}}) == "model.dropout must be a number, 0 to 1 (excluded), not the number 1");
  CHECK(problem_of("optimizer.learning_rate", {std::numeric_limits<double>::quiet_NaN(), {}}) ==
        "optimizer.learning_rate must be a number, at least 0, not the number nan");
  CHECK(problem_of("optimizer.learning_rate", {std::numeric_limits<double>::infinity(), {}}) ==
        "optimizer.learning_rate must be a number, at least 0, not the number inf");
  CHECK(problem_of("optimizer.eps", {0.0, {}}) == "optimizer.eps must be a number, above 0, not the number 0");
  CHECK(problem_of("optimizer.betas", {TomlArray{{0.9, {}}}, {}}) ==
        "optimizer.betas must be an array of 2 numbers, 0 to 1 (excluded), not an array");
  CHECK(problem_of("checkpoint.keep_last", {std::int64_t{1'000'001}, {}}) ==
        "checkpoint.keep_last must be an integer, 1 to 1000000, not 1000001");
  CHECK(problem_of("attention.num_features", {std::int64_t{65'537}, {}}) ==
        "attention.num_features must be \"d_log_d\" or an integer, 0 to 65536, not 65537");
  CHECK(problem_of("checkpoint.keep_best", {std::int64_t{1}, {}}) == "checkpoint.keep_best must be true or false, not 1");
  CHECK(problem_of("model.activation", {"gleu", {}}) ==
        "model.activation must be \"identity\", \"leaky_relu\", \"relu\", \"squared_relu\", \"elu\", \"gelu\", "
        "\"gelu_tanh\", \"silu\" or \"sigmoid\", not the "
        "string \"gleu\"; did you mean \"gelu\"?");
  CHECK(problem_of("train.shards", {"atuo", {}}) ==
        "train.shards must be \"auto\" or an integer, 1 to 4096, not the string \"atuo\"; did you mean \"auto\"?");
  CHECK(problem_of("attention.layers", {TomlArray{{"softmax", {}}, {"softmx", {}}}, {}})
            .find("not the string \"softmx\"; did you mean \"softmax\"?") != std::string::npos);
  CHECK(problem_of("attention.layers", {"softmax", {}}).find("attention.layers must be an array of \"cosformer\", ") == 0);
  CHECK(problem_of("task.train", {std::string("a\0b", 3), {}}) == "task.train must not have control characters");
}

TEST_CASE("An integer serves where a number is expected") {
  Config config;
  REQUIRE(assign(config, *find_field("optimizer.clip_norm"), {std::int64_t{2}, {}}) == std::nullopt);
  CHECK(config.optimizer.clip_norm == 2.0);
}

TEST_CASE("An unknown key is answered with the one that was meant") {
  CHECK(unknown_key_hint("model.num_layer") == "; did you mean \"model.num_layers\"?");
  CHECK(unknown_key_hint("model.chunk_size") == "; did you mean \"attention.chunk_size\"?");
  CHECK(unknown_key_hint("modle.num_layers") == "; did you mean \"model.num_layers\"?");
  CHECK(unknown_key_hint("modle.num_layer") == "; did you mean \"model.num_layers\"?");
  CHECK(unknown_key_hint("modle") == "; did you mean \"model\"?");
  CHECK(unknown_key_hint("num_layers") == "; did you mean \"model.num_layers\"?");
  CHECK(unknown_key_hint("num_layer") == "; did you mean \"model.num_layers\"?");
  // What other programs call it.
  CHECK(unknown_key_hint("lr") == "; did you mean \"optimizer.learning_rate\"?");
  CHECK(unknown_key_hint("optimizer.lr") == "; did you mean \"optimizer.learning_rate\"?");
  CHECK(unknown_key_hint("model.d_model") == "; did you mean \"model.embed_dim\"?");
  CHECK(unknown_key_hint("model.layers") == "; did you mean \"model.num_layers\"?");
  CHECK(unknown_key_hint("n_layer") == "; did you mean \"model.num_layers\"?");
  CHECK(unknown_key_hint("block_size") == "; did you mean \"task.seq_len\"?");
  CHECK(unknown_key_hint("epochs") == "; did you mean \"train.max_steps\"?");
  CHECK(unknown_key_hint("model.qqqqqqqqqqqq") == "; \"cosformer config list\" shows all keys");
}

TEST_CASE("Names of enumerations mean what they say") {
  const std::vector<std::string> overrides = {"model.activation=relu", "model.norm=post", "model.pooling=first",
                                              "model.positions=sinusoidal", "model.kind=encoder_decoder"};
  const ModelConfig model = config_from_overrides(overrides).model;
  CHECK(model.activation == ScalarFunction::relu);
  CHECK(model.norm == NormPlacement::post);
  CHECK(model.pooling == Pooling::first);
  CHECK(model.positions == Positions::sinusoidal);
  CHECK(model.kind == ModelKind::encoder_decoder);
}

TEST_CASE("docs/config.md is what the schema says") {
  const std::string page = test::read_bytes(std::filesystem::path(COSFORMER_SOURCE_DIR) / "docs" / "config.md");
  INFO("cosformer config list --markdown > docs/config.md");
  CHECK((page == config_reference()));
}

}  // namespace
}  // namespace cosformer

#include <string>
#include <utility>
#include <vector>

#include "core/error.h"
#include "tests/catch.h"
#include "tests/train/run_support.h"
#include "train/config/config_builder.h"
#include "train/config/schema.h"

namespace cosformer {
namespace {

using test::message_of;
using test::TemporaryFolder;
using test::write_bytes;

/// Keys that only models of one kind may set.
bool is_of_kind(std::string_view key, std::string_view kind) {
  constexpr std::pair<std::string_view, std::string_view> kKeys[] = {
      {"model.num_classes", "encoder"},
      {"model.lm_head", "encoder"},
      {"model.share_embeddings", "encoder_decoder"},
      {"attention.encoder", "encoder_decoder"},
      {"attention.self", "encoder_decoder"},
      {"attention.cross", "encoder_decoder"},
      {"attention.short_convolution", "encoder_decoder"},
      {"attention.self_reweighting_length", "encoder_decoder"},
      {"attention.cross_reweighting", "encoder_decoder"},
      {"attention.cross_reweighting_length", "encoder_decoder"},
      // Only a language model continues a prompt: one of the two keeps the default task.
      {"task.name", "encoder_decoder"},
      {"logging.sample_prompt", "encoder"}};
  return std::ranges::all_of(kKeys, [&](const auto& of_kind) { return of_kind.first != key || of_kind.second == kind; });
}

/// A config of a model of this kind in which every key that it may set has another value than by default.
Config unusual_config(const std::string& kind = "encoder") {
  const std::vector<std::string> overrides = {"task.train=a \"b\".txt",
                                              "task.valid=ü",
                                              "optimizer.learning_rate=0.1",
                                              "optimizer.betas=[0.30000000000000004, 0.5]",
                                              "attention.reweighting_length=77",
                                              "train.shards=4",
                                              "model.kind=" + kind};
  Config config = config_from_overrides(overrides);
  for (const Field& field : config_fields()) {
    ConfigValue value = field.get(config);
    if (format_value(value) != format_value(field.get(Config())) || !is_of_kind(field.key, kind)) continue;
    // "auto" of a key that takes a number has no other name.
    if (field.key == "attention.self_reweighting_length" || field.key == "attention.cross_reweighting_length" ||
        field.key == "attention.reformer_buckets" || field.key == "attention.seed")
      value = std::int64_t{5};
    if (field.key == "model.num_kv_heads") value = std::int64_t{-2};  // 1 in the end
    if (auto* boolean = std::get_if<bool>(&value)) *boolean = !*boolean;
    if (auto* integer = std::get_if<std::int64_t>(&value)) *integer += 3;
    if (auto* number = std::get_if<double>(&value)) *number = *number / 3 + 1e-7;
    if (auto* texts = std::get_if<std::vector<std::string>>(&value)) *texts = {"local", "local"};
    if (auto* text = std::get_if<std::string>(&value)) *text = field.names ? std::string(field.names().back()) : *text + "x";
    if (auto* text = std::get_if<std::string>(&value); text && format_value(*text) == format_value(field.get(Config())))
      *text = std::string(field.names().front());
    field.set(config, value);
  }
  // Not every kind attends in both directions, which an encoder needs.
  AttentionConfig& attention = config.model.attention;
  attention.kind = "local";
  if (kind == "encoder_decoder") attention.encoder = attention.self = attention.cross = "local";
  config.model.attention.form = "quadratic";
  config.model.num_heads = 7;
  config.model.embed_dim = 7 * 32;
  config.train.accumulation = 5;
  config.train.batch_size = 20;
  config.optimizer.name = "sgd";
  config.model.max_length = 1000;
  config.model.adaptive_cutoffs = {3, 5};
  config.schedule.decay_steps = 2000;
  config.schedule.period_factor = 1.5;  // a third of its default would be too little
  return config;
}

TEST_CASE("what an earlier build wrote of attention between texts makes no other config of a model without it") {
  const std::vector<std::string> shared = {"attention.cross_reweighting=shared_length"};
  CHECK(differences(config_from_overrides(shared), Config()).empty());
  const std::vector<std::string> of_two_texts = {"model.kind=encoder_decoder", "task.name=translation", shared[0]};
  CHECK(config_from_overrides(of_two_texts).model.attention.cross_reweighting == CrossReweighting::shared_length);
  const std::vector<std::string> own = {"attention.cross_reweighting=own_lengths"};
  CHECK_FALSE(message_of<InputError>([&] { config_from_overrides(own); }).empty());
}

TEST_CASE("A config with every key changed survives TOML and JSON unchanged") {
  const std::string kind = GENERATE("encoder", "encoder_decoder");
  const Config config = unusual_config(kind);
  for (const Field& field : config_fields()) {
    INFO(field.key);
    CHECK((format_value(field.get(config)) != format_value(field.get(Config()))) == is_of_kind(field.key, kind));
  }
  const TemporaryFolder folder;
  write_bytes(folder / "config.toml", to_toml(config));
  const Config read = load_config(folder / "config.toml");
  CHECK(differences(config, read).empty());
  CHECK(to_toml(read) == to_toml(config));
  CHECK(read.optimizer.betas == config.optimizer.betas);
  CHECK(read.optimizer.eps == config.optimizer.eps);
  CHECK(differences(config, config_from_json(to_json(config))).empty());
  CHECK(to_json(config_from_json(to_json(config))) == to_json(config));
}

TEST_CASE("JSON with some keys gives the others their defaults, and its errors name the source") {
  const Config config = config_from_json(R"({"model": {"num_layers": 2}, "optimizer": {"weight_decay": 0}})");
  const auto found = differences(Config(), config);
  REQUIRE(found.size() == 2);
  CHECK(found[0].key == "model.num_layers");
  CHECK(found[0].first == "4");
  CHECK(found[0].second == "2");
  CHECK(found[1].key == "optimizer.weight_decay");
  const auto error_of = [](const std::string& json) {
    return message_of<InputError>([&] { config_from_json(json, {}, "model.safetensors"); });
  };
  CHECK(error_of(R"({"model": {"num_layer": 2}})") ==
        "model.safetensors: error: unknown key 'model.num_layer'; did you mean \"model.num_layers\"?");
  CHECK(error_of(R"({"model": {"num_layers": null}})") == "model.safetensors: error: null has no use here");
  CHECK(error_of(R"({"train": {"seed": 18446744073709551615}})") == "model.safetensors: error: an integer beyond 64 bits");
  for (const char* json : {"", "[]", "3", "{", R"({"model": {}, "model": {}})", R"({"model": 3})"})
    CHECK(error_of(json).starts_with("model.safetensors"));
}

TEST_CASE("Overrides win over the file, later ones over earlier ones") {
  const TemporaryFolder folder;
  write_bytes(folder / "run.toml", "[model]\nnum_layers = 2\nkind = \"encoder\"\n");
  const std::vector<std::string> overrides = {"model.num_layers=5", "task.train=data/a=b.txt",
                                              "model.num_layers=6", "attention.reweighting_length=auto",
                                              "task.name=\"7\"",    "task.test=8"};
  const Config config = load_config(folder / "run.toml", overrides);
  CHECK(config.model.num_layers == 6);
  CHECK(config.model.kind == ModelKind::encoder);
  CHECK(config.task.train == "data/a=b.txt");
  CHECK(config.task.name == "7");
  CHECK(config.task.test == "8");
}

TEST_CASE("Errors in overrides name the flag, the key and what was expected") {
  const auto error_of = [](const std::string& assignment) {
    return message_of<InputError>([&] { config_from_overrides(std::vector<std::string>{assignment}); });
  };
  CHECK(error_of("model.num_layer=4") ==
        "--set model.num_layer: error: unknown key 'model.num_layer'; did you mean \"model.num_layers\"?");
  CHECK(error_of("model.num_layers") == "--set model.num_layers: error: expected key=value");
  CHECK(error_of("model=4") == "--set model: error: model is a table; set one of its keys");
  CHECK(error_of("model.num_layers=four") ==
        "--set model.num_layers: error: model.num_layers must be an integer, 1 to 4096, not four");
  CHECK(error_of("model.num_layers=1\nseed=2") ==
        "--set model.num_layers: error: model.num_layers must be an integer, 1 to 4096, not 1?seed=2");
  CHECK(error_of("model.num_heads=3") ==
        "--set model.num_heads: error: model.num_heads (3) must divide model.embed_dim (256)");
  CHECK(error_of("task.train=\xFF") == "--set: error: not UTF-8 text");
}

TEST_CASE("Errors in a file name the place") {
  const TemporaryFolder folder;
  const auto error_of = [&](const std::string& text) {
    write_bytes(folder / "run.toml", text);
    const std::string message = message_of<InputError>([&] { load_config(folder / "run.toml"); });
    const std::string prefix = (folder / "run.toml").string() + ":";
    return message.starts_with(prefix) ? message.substr(prefix.size()) : message;
  };
  CHECK(error_of("[model]\n  d_layers = 4\n").starts_with("2:3: error: unknown key 'model.d_layers'"));
  CHECK(error_of("[modle]\n").starts_with("1:2: error: unknown key 'modle'; did you mean \"model\"?"));
  CHECK(error_of("model = 3\n") == "1:9: error: model must be a table, not 3");
  CHECK(error_of("\"model.num_layers\" = 3\n").starts_with("1:1: error: unknown key '\"model.num_layers\"'"));
  CHECK(error_of("[model]\nnum_layers.x = 3\n") ==
        "2:1: error: model.num_layers must be an integer, 1 to 4096, not a table");
  CHECK(error_of("[model]\nembed_dim = 64\nnum_heads = 3\n") ==
        "3:1: error: model.num_heads (3) must divide model.embed_dim (64)");
  CHECK(error_of("[model]\nembed_dim = 30\n") ==
        "model.num_heads: error: model.num_heads (4) must divide model.embed_dim (30)");
  CHECK(error_of("extends = 3\n") == "1:11: error: extends must be the path of a file or an array of paths, not 3");
}

TEST_CASE("A key of any length makes a short message") {
  const test::TemporaryFolder folder;
  const std::string key(5000, 'k');
  const auto check_error = [&](const std::string& message) {
    CHECK(message.size() < 1000);
    CHECK(message.find(std::string(60, 'k')) != std::string::npos);
  };
  const auto error_in_file = [&](const std::string& text) {
    test::write_bytes(folder / "run.toml", text);
    return message_of<InputError>([&] { load_config(folder / "run.toml"); });
  };
  check_error(error_in_file(key + " = 1"));
  check_error(error_in_file("[" + key + "]\na = 1"));
  check_error(error_in_file("[model]\n" + key + " = 1"));
  check_error(error_in_file(key + " = 1\n" + key + " = 2"));
  check_error(message_of<InputError>([&] { config_from_json("{\"model\":{\"" + key + "\":2}}", {}, "x"); }));
  check_error(message_of<InputError>([&] { config_from_json("{\"" + key + "\":{}}", {}, "x"); }));
  check_error(message_of<InputError>([&] { config_from_overrides(std::vector<std::string>{key + "=1"}); }));
  CHECK(message_of<InputError>([&] { config_from_overrides(std::vector<std::string>{key}); }).size() < 1000);
}

TEST_CASE("Values that do not fit together are refused") {
  const auto error_of = [](std::vector<std::string> overrides) {
    return message_of<InputError>([&] { config_from_overrides(overrides); });
  };
  CHECK(error_of({"train.batch_size=6", "train.accumulation=4"}).ends_with("must divide train.batch_size (6)"));
  CHECK(error_of({"train.batch_size=6", "train.shards=7"}).ends_with("must be at most the 6 sequences of a micro-batch"));
  CHECK(error_of({"attention.normalization=l1", "attention.form=chunked"})
            .ends_with(
                "attention.form must be \"auto\" or \"quadratic\" with attention.normalization = \"l1\", not \"chunked\""));
  CHECK(error_of({"model.num_classes=2"}).ends_with("model.num_classes needs model.kind = \"encoder\""));
  CHECK(error_of({"model.max_length=100"}).ends_with("must be at least task.seq_len (256)"));
  CHECK(error_of({"model.max_length=100", "model.positions=rope", "attention.kind=sinkhorn"})
            .ends_with("must be at least task.seq_len (256)"));
  CHECK(error_of({"task.document_boundaries=true", "attention.reweighting_length=padded"})
            .ends_with("no text depends on others; expected \"auto\" or a number"));
  CHECK(error_of({"optimizer.nesterov=true", "optimizer.name=sgd"}).find("optimizer.nesterov") != std::string::npos);
  CHECK(error_of({"schedule.name=cosine_cycles"}).find("schedule.period_steps must be at least 1") != std::string::npos);
  CHECK(error_of({"task.context_window=256"}).find("must be less than task.seq_len (256)") != std::string::npos);
  CHECK(error_of({"model.adaptive_cutoffs=[2, 0]"}).find("an array of integers, 1 to 4194304") != std::string::npos);
  CHECK(error_of({"model.adaptive_cutoffs=[2.5]"}).find("an array of integers, 1 to 4194304") != std::string::npos);
  CHECK(error_of({"model.adaptive_cutoffs=20000"}).find("an array of integers, 1 to 4194304") != std::string::npos);
  CHECK(error_of({"optimizer.momentum=0.9"}).ends_with("optimizer.momentum needs optimizer.name = \"sgd\""));
  CHECK(error_of({"schedule.decay_steps=5"}).ends_with("must be at least schedule.warmup_steps (100)"));
  CHECK(error_of({"train.patience=5", "train.eval_every=0"}).ends_with("train.patience needs train.eval_every"));
  CHECK(error_of({"task.tokenizer_folder=x"}).find("has no use with task.tokenizer") != std::string::npos);
  Config config;
  config.model.num_heads = 3;
  CHECK_THROWS_AS(check_config(config), InputError);
}

TEST_CASE("A file takes over the keys of the files that it extends, relative to itself") {
  const TemporaryFolder folder;
  std::filesystem::create_directory(folder / "sub");
  write_bytes(folder / "base.toml", "[model]\nnum_layers = 2\nembed_dim = 64\n[train]\nseed = 9\n");
  write_bytes(folder / "other.toml", "model.embed_dim = 128\n");
  write_bytes(folder / "sub" / "run.toml", "extends = [\"../base.toml\", \"../other.toml\"]\n[model]\nnum_layers = 3\n");
  const Config config = load_config(folder / "sub" / "run.toml");
  CHECK(config.model.num_layers == 3);
  CHECK(config.model.embed_dim == 128);
  CHECK(config.train.seed == 9);

  ConfigBuilder builder;
  builder.add_file(folder / "sub" / "run.toml");
  builder.add_override("train.max_steps=1");
  CHECK(builder.origin("model.num_layers").ends_with("run.toml:3:1"));
  CHECK(builder.origin("train.seed").ends_with("base.toml:5:1"));
  CHECK(builder.origin("train.max_steps") == "--set");
  CHECK(builder.origin("model.ffn_dim") == "default");
}

TEST_CASE("Files that extend each other in a circle, too deep or too often are refused") {
  const TemporaryFolder folder;
  const auto error_of = [&](const std::string& name) { return message_of<InputError>([&] { load_config(folder / name); }); };
  write_bytes(folder / "a.toml", "extends = \"b.toml\"\n");
  write_bytes(folder / "b.toml", "extends = \"./a.toml\"\n");
  CHECK(error_of("a.toml").ends_with(
      "a.toml: error: the file extends itself, by way of the files that it extends; extended by " +
      (folder / "b.toml").string() + ":1:11; extended by " + (folder / "a.toml").string() + ":1:11"));
  for (int i = 0; i < 10; ++i)
    write_bytes(folder / ("deep" + std::to_string(i) + ".toml"), "extends = \"deep" + std::to_string(i + 1) + ".toml\"\n");
  CHECK(error_of("deep0.toml").find("error: more than 8 files extend each other; extended by ") != std::string::npos);
  write_bytes(folder / "leaf.toml", "");
  std::string many = "extends = [";
  for (int i = 0; i < 100; ++i) many += "\"leaf.toml\", ";
  write_bytes(folder / "many.toml", many + "]\n");
  CHECK(error_of("many.toml").find("error: more than 64 files are extended; extended by ") != std::string::npos);
  write_bytes(folder / "lost.toml", "extends = \"none.toml\"\n");
  CHECK(error_of("lost.toml")
            .ends_with("none.toml: error: no such file; extended by " + (folder / "lost.toml").string() + ":1:11"));
  write_bytes(folder / "broken.toml", "[model]\nnum_layer = 2\n");
  write_bytes(folder / "above.toml", "[model]\nnum_layers = 3\n");
  write_bytes(folder / "run.toml", "\nextends = [\"above.toml\", \"broken.toml\"]\n");
  CHECK(error_of("run.toml")
            .ends_with("broken.toml:2:1: error: unknown key 'model.num_layer'; did you mean \"model.num_layers\"?"
                       "; extended by " +
                       (folder / "run.toml").string() + ":2:26"));
}

}  // namespace
}  // namespace cosformer

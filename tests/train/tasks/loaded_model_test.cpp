#include "train/tasks/loaded_model.h"

#include <limits>

#include "core/error.h"
#include "core/memory.h"
#include "tests/catch.h"
#include "tests/support/input_error.h"
#include "tests/support/layer_cases.h"
#include "tests/train/run_support.h"

namespace cosformer::test {

namespace {

/// Weights as another program would write them.
struct Weights {
  Weights() {
    config.model = small_model(ModelKind::decoder, {}, 16);
    config.task.seq_len = 16;
    config.train.seed = 77;
    const Model model(config.model, 5);
    for (const Parameter& parameter : model.parameters()) tensors[parameter.name] = parameter.variable.value();
  }

  std::filesystem::path write(const Metadata& metadata) const {
    FileSystem files;
    write_safetensors(files, folder / "model.safetensors", tensors, metadata);
    return folder / "model.safetensors";
  }

  ModelFile read(const Metadata& metadata, const std::vector<std::string>& overrides = {}) const {
    return read_model_file(write(metadata), std::nullopt, overrides, [](const std::string&) {});
  }

  TemporaryFolder folder;
  Config config;
  TensorMap tensors;
};

}  // namespace

TEST_CASE("weights with a config become a model") {
  const Weights weights;
  const ModelFile file = weights.read({{"config", to_json(weights.config)}, {"step", "12"}});
  CHECK(file.step == 12);
  CHECK(file.config.train.seed == 77);
  const auto model = make_model(file, file.config.model);
  REQUIRE(model->parameters().size() == weights.tensors.size());
  for (const Parameter& parameter : model->parameters()) {
    CAPTURE(parameter.name);
    CHECK(values_of(parameter.variable.value()) == values_of(weights.tensors.at(parameter.name)));
  }
}

TEST_CASE("a config beside the weights and overrides take precedence") {
  const Weights weights;
  const Metadata metadata = {{"config", to_json(weights.config)}};
  CHECK(weights.read(metadata, {"task.seq_len=9"}).config.task.seq_len == 9);
  write_bytes(weights.folder / "other.toml", "[train]\nseed = 5\n[model]\nembed_dim = 16\n");
  const std::vector<std::string> overrides = {"model.num_heads=2"};
  const ModelFile file =
      read_model_file(weights.write(metadata), weights.folder / "other.toml", overrides, [](const std::string&) {});
  CHECK(file.config.train.seed == 5);
  CHECK(file.config.model.embed_dim == 16);
  CHECK(file.config.model.num_heads == 2);
  CHECK_FALSE(file.step.has_value());
}

TEST_CASE("weights have the tokenizer of their folder or their run, and of a config that is named its own") {
  Weights weights;
  weights.config.task.tokenizer = "bpe";
  const Metadata metadata = {{"config", to_json(weights.config)}};
  const auto folder_of = [](const ModelFile& file) { return file.config.task.tokenizer_folder; };
  const auto read = [&](const std::filesystem::path& path) {
    FileSystem files;
    std::filesystem::create_directories(path);
    write_safetensors(files, path / "model.safetensors", weights.tensors, metadata);
    return folder_of(read_model_file(path / "model.safetensors", std::nullopt, {}, [](const std::string&) {}));
  };
  std::filesystem::create_directory(weights.folder / "tokenizer");
  const std::string beside = (weights.folder / "tokenizer").string();
  CHECK(folder_of(weights.read(metadata)) == beside);
  CHECK(read(weights.folder / "checkpoints/step-00000001") == beside);
  CHECK(read(weights.folder / "other").empty());
  CHECK(read(weights.folder / "other/deeper").empty());
  write_bytes(weights.folder / "other.toml", "[task]\ntokenizer = \"bpe\"\ntokenizer_folder = \"mine\"\n");
  CHECK(folder_of(read_model_file(weights.write(metadata), weights.folder / "other.toml", {}, [](const std::string&) {})) ==
        "mine");
}

TEST_CASE("weights without a config, or that do not fit theirs, are refused") {
  Weights weights;
  const Metadata metadata = {{"config", to_json(weights.config)}};
  const std::string path = (weights.folder / "model.safetensors").string();
  CHECK(input_error_of([&] { weights.read({}); }) ==
        path + ": the file holds no config; name one with --config CONFIG.toml");

  const auto message = [&] {
    const ModelFile file = weights.read(metadata);
    return input_error_of([&] { make_model(file, file.config.model); });
  };
  const std::string name = "decoder.layers.0.fc1.bias";
  const Tensor before = weights.tensors.at(name);
  const auto names_the_tensor = [&](const std::string& text) {
    CAPTURE(text);
    CHECK(text.find(path) == 0);
    CHECK(text.find(name) != std::string::npos);
    CHECK(text.find('\n') == std::string::npos);
  };
  weights.tensors[name] = Tensor::zeros({13});
  names_the_tensor(message());
  weights.tensors.erase(name);
  names_the_tensor(message());
  weights.tensors[name] = before;
  CHECK(message().empty());
  weights.tensors[name + "es"] = before;
  names_the_tensor(message());
  weights.tensors.erase(name + "es");
  for (const float value : {std::numeric_limits<float>::quiet_NaN(), -std::numeric_limits<float>::infinity()}) {
    weights.tensors[name] = before.clone();
    weights.tensors[name].span<float>()[11] = value;
    CHECK(message() == concat(path, ": tensor '", name, "' has values that are infinite or not a number"));
  }
}

TEST_CASE("a config larger than any memory is refused before anything is allocated for it") {
  Weights weights;
  weights.config.model.embed_dim = 1 << 18;
  weights.config.model.ffn_dim = 1 << 20;
  const ModelFile file = weights.read({{"config", to_json(weights.config)}});
  const std::int64_t before = memory_use().peak_live_bytes;
  const std::string message = input_error_of([&] { make_model(file, file.config.model); });
  CHECK(message.find("the config asks for") != std::string::npos);
  CHECK(memory_use().peak_live_bytes - before < (1 << 20));
}

TEST_CASE("the threads of a run are not those of its evaluation") {
  Weights weights;
  weights.config.train.threads = 3;
  const Metadata metadata = {{"config", to_json(weights.config)}};
  CHECK(weights.read(metadata).config.train.threads == 0);
  CHECK(weights.read(metadata, {"train.threads=2", "model.embed_dim=6"}).config.train.threads == 2);
}

TEST_CASE("the training text is needed for its split, and to make a tokenizer") {
  const auto needed = [](const std::string& tokenizer, const std::string& folder, std::optional<Split> split) {
    TaskConfig task;
    task.train = std::string("a");
    task.valid = std::string("b");
    task.test = std::string("c");
    task.tokenizer = tokenizer;
    task.tokenizer_folder = folder;
    keep_needed_texts(task, split);
    return concat(task.train, task.valid, task.test);
  };
  CHECK(needed("byte", "", Split::train) == "a");
  CHECK(needed("byte", "", Split::valid) == "b");
  CHECK(needed("byte", "", Split::test) == "c");
  CHECK(needed("byte", "", std::nullopt).empty());
  CHECK(needed("word", "", Split::test) == "ac");
  CHECK(needed("word", "folder", Split::test) == "c");
  CHECK(needed("word", "folder", Split::train) == "a");
  CHECK(needed("word", "", std::nullopt) == "a");
}

TEST_CASE("a tied weight that is stored under both names, or under the other one, is the parameter") {
  Weights weights;
  const Metadata metadata = {{"config", to_json(weights.config)}};
  const Tensor table = weights.tensors.at("decoder.embed_tokens.weight");
  const auto check_model = [&] {
    const ModelFile file = weights.read(metadata);
    const auto model = make_model(file, file.config.model);
    CHECK(values_of(model->output_weight().value()) == values_of(table));
  };
  weights.tensors["decoder.output_projection.weight"] = table.clone();
  check_model();
  weights.tensors.erase("decoder.embed_tokens.weight");
  check_model();
  weights.tensors["decoder.embed_tokens.weight"] = table;
  weights.tensors["decoder.output_projection.weight"].fill(0.5);
  CHECK(input_error_of(check_model) ==
        (weights.folder / "model.safetensors").string() +
            ": tensors \"decoder.output_projection.weight\" and \"decoder.embed_tokens.weight\" differ, but the config ties "
            "them (model.tie_embeddings and its like)");
}

TEST_CASE("a tensor of a dtype that cannot be used is refused only where a parameter needs it") {
  const Weights weights;
  ModelFile file = weights.read({{"config", to_json(weights.config)}});
  file.unusable["angles"] = "C64";
  CHECK(make_model(file, file.config.model) != nullptr);
  file.parameters.erase("decoder.layer_norm.bias");
  file.unusable["decoder.layer_norm.bias"] = "F8_E8M0";
  CHECK(input_error_of([&] {
          make_model(file, file.config.model);
        }).starts_with(file.weights.string() + ": tensor \"decoder.layer_norm.bias\": dtype F8_E8M0 cannot be used"));
}

}  // namespace cosformer::test

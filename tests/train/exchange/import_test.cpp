#include "train/exchange/import.h"

#include <algorithm>
#include <limits>
#include <nlohmann/json.hpp>

#include "layers/model.h"
#include "tests/catch.h"
#include "tests/support/input_error.h"
#include "tests/support/require_close.h"
#include "tests/train/run_support.h"
#include "train/store/model_parameters.h"

namespace cosformer::test {

namespace {

namespace fs = std::filesystem;

const fs::path kGolden = fs::path(COSFORMER_SOURCE_DIR) / "tests/golden/huggingface";

/// Scores of every token at every position.
Tensor logits_of(const ImportedModel& imported, const Tensor& tokens) {
  ModelConfig config = imported.config.model;
  if (config.max_length == 0) config.max_length = imported.config.task.seq_len;
  const Model model(config, 1);
  load_parameters(model.parameters(), imported.parameters, "imported");
  if (config.kind == ModelKind::decoder) return model.logits(model.decode(tokens, nullptr, {}, {}), {}).value();
  const Variable features = model.lm_head().features(model.encode(tokens, nullptr, {}), {});
  const LinearWeights output = model.lm_head().output({});
  return linear(features, output.weight, output.bias).value();
}

/// A copy of a golden folder to spoil.
class Copy {
 public:
  explicit Copy(const std::string& name) { fs::copy(kGolden / name, folder_ / "model"); }

  fs::path path() const { return folder_ / "model"; }
  void set(const std::string& key, const nlohmann::json& value) const {
    nlohmann::json config = nlohmann::json::parse(read_bytes(path() / "config.json"));
    config[key] = value;
    write_bytes(path() / "config.json", config.dump());
  }
  /// Rewrites the tensors after a change.
  template <class Change>
  void change(Change change) const {
    TensorFile file = read_safetensors(path() / "model.safetensors");
    change(file.tensors);
    FileSystem files;
    write_safetensors(files, path() / "model.safetensors", file.tensors, file.metadata);
  }
  /// What the import says of the folder.
  std::string error() const {
    return input_error_of([&] { import_model(path(), std::nullopt); });
  }

 private:
  TemporaryFolder folder_;
};

bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

}  // namespace

TEST_CASE("models of transformers give the same logits here") {
  std::size_t cases = 0;
  for (const auto& entry : fs::directory_iterator(kGolden)) {
    CAPTURE(entry.path().string());
    const ImportedModel imported = import_model(entry.path(), std::nullopt);
    const TensorFile expected = read_safetensors(entry.path() / "expected.safetensors");
    const Tensor logits = logits_of(imported, expected.tensors.at("tokens"));
    REQUIRE(logits.shape() == expected.tensors.at("logits").shape());
    require_close(entry.path().string(), expected.tensors.at("logits").span<float>(), logits.span<float>(), {.rel = 1e-5});
    CHECK(imported.left_out.empty());
    ++cases;
  }
  CHECK(cases == 11);
}

TEST_CASE("an import says which tensors it left out, and what is not as it was") {
  const Copy copy("bert");
  copy.change([](TensorMap& tensors) {
    for (const char* layer : {"0", "1"}) tensors["bert.encoder.layer." + std::string(layer) + ".extra"] = Tensor::zeros({2});
    tensors["bert.pooler.dense.bias"] = Tensor::zeros({8});
    tensors["bert.embeddings.position_ids"] = Tensor::zeros({1, 11});
  });
  const ImportedModel imported = import_model(copy.path(), std::nullopt);
  CHECK(imported.left_out == std::vector<std::string>{"bert.encoder.layer.*.extra (2)", "bert.pooler.dense.bias"});
  REQUIRE(imported.remarks.size() == 2);
  CHECK(has(imported.remarks[0], "token type 0"));
  CHECK(has(imported.remarks[1], "no tokenizer"));

  const Copy with_tokenizer("gpt2");
  const fs::path tokenizers = kGolden.parent_path() / "tokenizers";
  fs::copy(tokenizers / "bert_cased" / "tokenizer.json", with_tokenizer.path() / "tokenizer.json");
  const ImportedModel larger = import_model(with_tokenizer.path(), std::nullopt);
  CHECK(larger.config.task.tokenizer == "byte");
  CHECK(has(larger.remarks.at(0), "is left out: it has 420 tokens, the model 256"));
}

TEST_CASE("a model whose shapes, names, settings or numbers do not fit is refused in a line that names them") {
  struct Case {
    const char* key;
    nlohmann::json value;
    const char* message;
  };
  const Case cases[] = {
      {"model_type", "gpt3", "model_type: no blocks for \"gpt3\"; did you mean \"gpt2\"?"},
      {"model_type", 3, "model_type: expected a text, found 3"},
      {"n_embd", nullptr, "n_embd: expected a whole number, 1 to 16777216, found nothing"},
      {"n_embd", -8, "n_embd: expected a whole number"},
      {"n_embd", 8.5, "n_embd: expected a whole number"},
      {"n_embd", 1e300, "n_embd: expected a whole number"},
      {"n_embd", 16777216, "has shape [256, 8], the model's config asks for [256, 16777216]"},
      {"n_layer", 3, "tensor \"transformer.h.2.attn.c_attn.weight\" is missing"},
      {"n_head", 3, "model.num_heads (3) must divide model.embed_dim (8)"},
      {"n_inner", 31, "h.0.mlp.c_fc.weight\" has shape [8, 32], the model's config asks for [8, 31]"},
      {"layer_norm_epsilon", 0, "model.norm_eps must be a number, above 0"},
      {"activation_function", "mish", "activation_function: unknown activation \"mish\""},
      {"scale_attn_by_inverse_layer_idx", true, "scale_attn_by_inverse_layer_idx: expected false"},
      {"tie_word_embeddings", false, "tensor \"lm_head.weight\" is missing"},
  };
  for (const Case& spoilt : cases) {
    const Copy copy("gpt2");
    copy.set(spoilt.key, spoilt.value);
    const std::string error = copy.error();
    CAPTURE(spoilt.key, spoilt.value.dump(), error);
    CHECK(has(error, spoilt.message));
    CHECK(error.find('\n') == std::string::npos);
  }
  const Copy llama("llama");
  llama.set("rope_parameters", {{"rope_type", "llama3"}, {"rope_theta", 1e4}});
  CHECK(has(llama.error(), "rope_parameters: rope_type: expected \"default\""));
  llama.set("rope_parameters", "default");
  CHECK(has(llama.error(), "rope_parameters: expected a JSON object"));

  for (const nlohmann::json& id : {nlohmann::json(1e300), nlohmann::json(1.5), nlohmann::json(-1)}) {
    const Copy roberta("roberta");
    roberta.set("pad_token_id", id);
    CHECK(has(roberta.error(), "pad_token_id: expected a whole number, 0 to 16777216"));
  }

  const Copy infinite("gpt2");
  infinite.change([](TensorMap& tensors) {
    tensors.at("transformer.wte.weight").data<float>()[5] = std::numeric_limits<float>::infinity();
  });
  CHECK(has(infinite.error(), "has values that are infinite or not a number"));
  const Copy tied("gpt2");
  tied.change([](TensorMap& tensors) { tensors["lm_head.weight"] = Tensor::zeros({256, 8}); });
  CHECK(has(tied.error(), "differ, but the config ties them"));
  const Copy whole("gpt2");
  whole.change([](TensorMap& tensors) { tensors["transformer.ln_f.bias"] = Tensor::zeros({8}, DType::int32); });
  CHECK(has(whole.error(), "\"transformer.ln_f.bias\" holds whole numbers"));
}

TEST_CASE("an index of shards leads to no other folder and to no tensor that is not there") {
  const auto error_with = [](const char* name, const std::string& file) {
    const Copy copy("gpt2_shards_brain");
    const fs::path index = copy.path() / "model.safetensors.index.json";
    nlohmann::json content = nlohmann::json::parse(read_bytes(index));
    content["weight_map"][name] = file;
    write_bytes(index, content.dump());
    return copy.error();
  };
  constexpr const char* kName = "transformer.wte.weight";
  CHECK(has(error_with(kName, "../model.safetensors"), "expected the name of a .safetensors file beside the index"));
  CHECK(has(error_with(kName, "/etc/passwd"), "expected the name of a .safetensors file beside the index"));
  CHECK(has(error_with(kName, "config.json"), "expected the name of a .safetensors file beside the index"));
  CHECK(has(error_with("another", "nowhere.safetensors"), "nowhere.safetensors"));
  CHECK(has(error_with("another", "model-00001-of-00005.safetensors"), "has no tensor \"another\""));
}

TEST_CASE("fairseq's names and layouts become ours") {
  Config config;
  config.model = {.num_layers = 1, .embed_dim = 8, .num_heads = 2, .ffn_dim = 12, .max_length = 6};
  config.model.attention.kind = "softmax";
  config.model.kind = ModelKind::encoder;
  config.model.lm_head = true;
  config.model.embedding_norm = true;
  config.task.name = "masked_language_modeling";
  config.task.seq_len = 6;
  ModelConfig own = config.model;
  own.vocab_size = 10;
  const Model model(own, 3);
  TensorMap weights, expected;
  for (const Parameter& parameter : model.parameters()) {
    std::string name = parameter.name;
    expected[name] = parameter.variable.value();
    if (name.starts_with("encoder.")) name.insert(8, "sentence_encoder.");
    if (name.starts_with("lm_head.")) name.insert(0, "encoder.");
    if (const auto at = name.find("layernorm_embedding"); at != std::string::npos) name.replace(at, 19, "emb_layer_norm");
    if (name == "encoder.lm_head.out_proj.bias") name = "encoder.lm_head.bias";
    weights[name] = parameter.variable.value();
  }
  const std::string attention = "encoder.sentence_encoder.layers.0.self_attn.";
  for (const char* kind : {"weight", "bias"}) {
    Tensor fused = Tensor::empty(std::string(kind) == "bias" ? Shape{24} : Shape{24, 8});
    for (std::int64_t part = 0; part < 3; ++part) {
      const std::string name = attention + std::array{"q", "k", "v"}[static_cast<std::size_t>(part)] + "_proj." + kind;
      fused.narrow(0, 8 * part, 8).copy_from(weights.at(name));
      weights.erase(name);
    }
    weights[attention + "in_proj_" + kind] = fused;
  }
  Tensor table = Tensor::zeros({8, 8});
  table.narrow(0, 2, 6).copy_from(expected.at("encoder.embed_positions.weight"));
  weights["encoder.sentence_encoder.embed_positions.weight"] = table;
  weights["encoder.lm_head.weight"] = expected.at("encoder.embed_tokens.weight");
  weights["encoder.sentence_encoder.version"] = Tensor::full({1}, 3);
  weights["encoder.classification_heads.nli.dense.bias"] = Tensor::zeros({8});

  const TemporaryFolder folder;
  FileSystem files;
  write_safetensors(files, folder / "weights.safetensors", weights, {});
  write_bytes(folder / "config.toml", to_toml(config));
  const ImportedModel imported = import_model(folder / "weights.safetensors", folder / "config.toml");
  CHECK(imported.config.model.vocab_size == 10);
  CHECK(imported.left_out == std::vector<std::string>{"encoder.classification_heads.nli.dense.bias"});
  REQUIRE(imported.parameters.size() == expected.size());
  for (const auto& [name, tensor] : expected) {
    CAPTURE(name);
    CHECK(std::ranges::equal(imported.parameters.at(name).span<float>(), tensor.span<float>()));
  }
  CHECK_THROWS_AS(import_model(folder / "weights.safetensors", std::nullopt), InputError);

  const auto error_of = [&] {
    write_safetensors(files, folder / "weights.safetensors", weights, {});
    return input_error_of([&] { import_model(folder / "weights.safetensors", folder / "config.toml"); });
  };
  weights["decoder.embed_tokens.weight"] = Tensor::zeros({11, 8});
  CHECK(has(error_of(), "two tables of embeddings, of "));
  weights["decoder.embed_tokens.weight"] = Tensor::scalar(1);
  CHECK(has(error_of(), "has 0 dimensions, expected 2"));
}

}  // namespace cosformer::test

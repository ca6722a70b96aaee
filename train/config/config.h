#pragma once
/// \file
/// Everything that decides a run, as plain values. docs/config.md lists the keys; `schema_*_fields.cpp` tie them to these
/// members.

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "data/corpus/shuffle.h"
#include "data/texts/labelled_texts.h"
#include "layers/model_config.h"
#include "train/optimizers/optimizer.h"
#include "train/optimizers/schedule.h"

namespace cosformer {

/// Where masked language models and classifiers of texts have their `<s>`, `</s>` and `<mask>`: behind the tokenizer's ids,
/// or among them.
enum class SpecialTokenIds : std::uint8_t { added, tokenizer };

/// What "padded length" means to attention and pooling if they ask for it.
enum class PadTo : std::uint8_t { longest, seq_len };

struct TaskConfig {
  std::string name = "language_modeling";
  std::string train;  ///< paths are relative to the current folder; empty = there is no such split
  std::string valid;
  std::string test;
  std::string teacher;      ///< attention_transfer: whose attentions are imitated; empty = train.init_from
  std::string text_key;     ///< of the objects of JSON lines; empty = the texts are plain
  std::string token_cache;  ///< folder in which token ids of texts are kept; empty = they are held in memory
  std::int64_t seq_len = 256;
  std::int64_t context_window = 0;        ///< language_modeling: tokens of an evaluation window that are read and not scored
  Shuffle shuffle = Shuffle::window;      ///< language models: what an epoch puts in another order
  bool document_boundaries = false;       ///< language_modeling: nothing crosses from one document to the next
  bool carry_state = false;               ///< language_modeling: windows go on with the state of the one before
  std::string tokenizer = "byte";         ///< byte, char, word, bpe
  std::string tokenizer_folder;           ///< holds the tokenizer's files; empty = made from the training text
  std::int64_t tokenizer_vocab_size = 0;  ///< of a word or BPE tokenizer that is made; 0 = all words, 8192 for BPE
  std::int64_t tokenizer_min_count = 1;   ///< rarer words become the unknown token
  SpecialTokenIds special_tokens = SpecialTokenIds::added;  ///< masked_language_modeling, classification of texts
  double mask_probability = 0.15;                           ///< masked_language_modeling: share of the tokens to predict
  PadTo pad_to = PadTo::seq_len;                            ///< classification
  bool mask_padding_id = false;  ///< classification: tokens with the format's padding id are not read (black pixels)
  RatingClasses rating_classes = RatingClasses::stars;  ///< amazon: stars or polarity
  bool class_token = false;                             ///< classification: a token of its own stands before each text
  std::string source_language = "src";  ///< translation: train, valid and test are NAME of NAME.src and NAME.tgt
  std::string target_language = "tgt";
  double label_smoothing = 0.0;  ///< translation: share of a target that all classes have in equal parts
};

/// What the backward pass computes again instead of keeping it.
enum class Recompute : std::uint8_t { none, layers };

struct TrainConfig {
  std::string init_from;       ///< run or checkpoint whose parameters a new run begins with; empty = none
  bool new_attention = false;  ///< the attention of a run that begins with init_from may be another one
  std::int64_t max_steps = 5000;
  std::int64_t batch_size = 32;   ///< sequences a step, all micro-batches and shards together
  std::int64_t accumulation = 1;  ///< micro-batches a step
  std::int64_t shards = 0;        ///< pieces of a micro-batch that run side by side; 0 = chosen from the config
  std::int64_t threads = 0;       ///< 0 = all
  Recompute recompute = Recompute::none;
  std::int64_t sequence_ranks = 0;  ///< ranks that share each sequence, which is cut into parts; 0 = sequences are whole
  std::int64_t seed = 1;
  std::int64_t log_every = 10;
  std::int64_t eval_every = 500;          ///< 0 = only at the end
  std::int64_t eval_max_batches = 0;      ///< 0 = the whole split
  double ema = 0.0;                       ///< decay of an averaged copy of the weights; 0 = none
  std::int64_t patience = 0;              ///< evaluations without a better result that end the run; 0 = none do
  double max_minutes = 0.0;               ///< 0 = no limit
  std::int64_t max_nonfinite_steps = 10;  ///< steps in a row with a non-finite loss or gradient that end the run
};

/// How translations are searched for.
struct DecodingConfig {
  std::int64_t beam = 1;               ///< 1 = always the likeliest token
  double length_penalty = 1.0;         ///< p of the score Σ log P / length^p
  double max_length_ratio = 1.5;       ///< of a translation's tokens to the source's, and
  std::int64_t max_length_extra = 10;  ///< so many more
};

struct CheckpointConfig {
  std::int64_t every = 1000;  ///< steps; 0 = only at the end
  std::int64_t keep_last = 2;
  bool keep_best = true;
};

struct LoggingConfig {
  bool tensorboard = true;
  bool progress = true;
  std::string sample_prompt;         ///< a language model continues it at each evaluation; empty = no sample
  std::int64_t sample_tokens = 100;  ///< how far
};

struct Config {
  TaskConfig task;
  ModelConfig model;  ///< holds the [attention] table as `model.attention`
  OptimizerConfig optimizer;
  ScheduleConfig schedule;
  TrainConfig train;
  DecodingConfig decoding;
  CheckpointConfig checkpoint;
  LoggingConfig logging;
};

/// Reads a TOML file with all files that it extends, applies `overrides` ("key=value", the value as in TOML; quotes may be
/// left out around strings) in order, and checks how the values fit together.
///
/// Throws InputError, one line `file:line:column: error: …` or `--set key: error: …`: unreadable or malformed file, unknown
/// key (with the nearest name), value of a wrong type or out of range, files that extend each other in a circle.
Config load_config(const std::filesystem::path& path, std::span<const std::string> overrides = {});

/// Reads what `to_json` wrote, or any JSON object of tables with some of the keys; the others keep their defaults. `source`
/// stands for the text in messages. Throws InputError as `load_config` does.
Config config_from_json(std::string_view json, std::span<const std::string> overrides = {},
                        const std::string& source = "config");

/// The defaults with `overrides`. Throws InputError as `load_config` does.
Config config_from_overrides(std::span<const std::string> overrides);

/// All keys with their values. `load_config` of the text gives the same config.
std::string to_toml(const Config& config);
/// The same as one JSON object of tables, on one line.
std::string to_json(const Config& config);

struct ConfigDifference {
  std::string key;
  std::string first;  ///< the values as TOML
  std::string second;
};
/// The keys whose values differ, in the order of the schema.
std::vector<ConfigDifference> differences(const Config& first, const Config& second);

/// Checks how values fit together (heads divide embed_dim, …). Throws InputError that names the key.
void check_config(const Config& config);

}  // namespace cosformer

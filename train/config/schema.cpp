#include "train/config/schema.h"

#include <algorithm>
#include <utility>

#include "core/error.h"
#include "layers/attention/feature_map.h"
#include "train/config/schema_fields.h"

namespace cosformer {

namespace {

using namespace schema;

constexpr Named<ModelKind> kModelKinds[] = {
    {"decoder", ModelKind::decoder}, {"encoder", ModelKind::encoder}, {"encoder_decoder", ModelKind::encoder_decoder}};
constexpr Named<NormPlacement> kNormPlacements[] = {{"pre", NormPlacement::pre}, {"post", NormPlacement::post}};
constexpr Named<Activation> kActivations[] = {{"gelu", Activation::gelu}, {"relu", Activation::relu}};
constexpr Named<Positions> kPositions[] = {
    {"learned", Positions::learned}, {"sinusoidal", Positions::sinusoidal}, {"none", Positions::none}};
constexpr Named<Pooling> kPoolings[] = {{"mean", Pooling::mean}, {"first", Pooling::first}};
constexpr Named<PairFeatures> kPairFeatures[] = {
    {"none", PairFeatures::none}, {"concat", PairFeatures::concat}, {"interaction", PairFeatures::interaction}};
constexpr Named<RatingClasses> kRatingClasses[] = {{"stars", RatingClasses::stars}, {"polarity", RatingClasses::polarity}};
constexpr Named<CrossReweighting> kCrossReweightings[] = {{"shared_length", CrossReweighting::shared_length},
                                                          {"own_lengths", CrossReweighting::own_lengths}};
constexpr Named<PadTo> kPadTo[] = {{"longest", PadTo::longest}, {"seq_len", PadTo::seq_len}};

// Names that stay strings.
constexpr std::string_view kTokenizers[] = {"byte", "char", "word", "bpe"};
constexpr std::string_view kReweightings[] = {"none", "cos"};
constexpr std::string_view kNormalizations[] = {"sum", "l1"};
constexpr std::string_view kReweightingLengths[] = {"auto", "padded"};
constexpr std::string_view kPoolingDivisors[] = {"real", "padded"};
constexpr std::string_view kForms[] = {"auto", "quadratic", "linear", "chunked", "recurrent"};
constexpr std::string_view kOptimizers[] = {"adamw", "adam", "sgd"};
constexpr std::string_view kSchedules[] = {"constant", "linear", "cosine", "inverse_sqrt", "cosine_cycles"};

/// The attentions that one place of an encoder-decoder may have.
Names place_kinds() {
  Names names = row_names(attention_kinds());
  names.insert(names.begin(), "auto");
  return names;
}

ConfigValue get_betas(const Config& config) {
  return std::vector<double>(config.optimizer.betas.begin(), config.optimizer.betas.end());
}

void set_betas(Config& config, const ConfigValue& value) {
  const auto& betas = std::get<std::vector<double>>(value);
  std::copy_n(betas.begin(), config.optimizer.betas.size(), config.optimizer.betas.begin());
}

ConfigValue get_reweighting_length(const Config& config) {
  const AttentionConfig& attention = config.model.attention;
  switch (attention.reweighting_length) {
    case ReweightingLength::automatic:
      return std::string("auto");
    case ReweightingLength::padded:
      return std::string("padded");
    case ReweightingLength::fixed:
      break;
  }
  return attention.reweighting_length_value;
}

void set_reweighting_length(Config& config, const ConfigValue& value) {
  AttentionConfig& attention = config.model.attention;
  const auto* length = std::get_if<std::int64_t>(&value);
  attention.reweighting_length_value = length ? *length : 0;
  attention.reweighting_length = length                                   ? ReweightingLength::fixed
                                 : std::get<std::string>(value) == "auto" ? ReweightingLength::automatic
                                                                          : ReweightingLength::padded;
}

ConfigValue get_pooling_divisor(const Config& config) {
  switch (config.model.pooling_divisor) {
    case PoolingDivisor::real:
      return std::string("real");
    case PoolingDivisor::padded:
      return std::string("padded");
    case PoolingDivisor::fixed:
      break;
  }
  return config.model.pooling_divisor_value;
}

void set_pooling_divisor(Config& config, const ConfigValue& value) {
  const auto* divisor = std::get_if<std::int64_t>(&value);
  config.model.pooling_divisor_value = divisor ? *divisor : 0;
  config.model.pooling_divisor = divisor                                  ? PoolingDivisor::fixed
                                 : std::get<std::string>(value) == "real" ? PoolingDivisor::real
                                                                          : PoolingDivisor::padded;
}

// The limits keep every product of sizes within 64 bits; memory is the tighter bound.
constexpr double kMaxSteps = 1e12;
constexpr double kMaxLength = 1 << 24;
constexpr double kMaxWidth = 1 << 20;
constexpr double kMaxVocabulary = 1 << 22;
constexpr double kMaxFeatures = 1 << 16;
constexpr double kMaxCheckpoints = 1e6;
constexpr double kMaxSeed = 9007199254740992.0;  // 2^53: JSON readers elsewhere keep it exact

constexpr Range kFraction = {.minimum = 0, .maximum = 1, .below_maximum = true};
constexpr Range kRatio = {.minimum = 0, .maximum = 1};
constexpr Range kPositive = {.minimum = 0, .above_minimum = true};
constexpr Range kNotNegative = {.minimum = 0};

using C = Config;
using Task = TaskConfig;
using M = ModelConfig;
using A = AttentionConfig;
using O = OptimizerConfig;
using S = ScheduleConfig;
using T = TrainConfig;
using D = DecodingConfig;
using K = CheckpointConfig;
using L = LoggingConfig;

constexpr Field kFields[] = {
    text<&C::task, &Task::name>("task.name", nullptr,
                                "what is learnt: language_modeling, masked_language_modeling, translation, or the format of "
                                "the data to classify (listops, text, "
                                "retrieval, image, pathfinder; sst2, qqp, mnli, imdb, amazon)"),
    text<&C::task, &Task::train>("task.train", nullptr, "path of the training data, relative to the current folder"),
    text<&C::task, &Task::valid>("task.valid", nullptr, "path of the validation data; empty: none"),
    text<&C::task, &Task::test>("task.test", nullptr, "path of the test data; empty: none"),
    integer<&C::task, &Task::seq_len>("task.seq_len", 1, kMaxLength, "tokens of a sequence"),
    integer<&C::task, &Task::context_window>(
        "task.context_window", 0, kMaxLength,
        "tokens at the head of each evaluation window but the first that are read and not "
        "scored, language_modeling; windows then overlap by so many, and each token is "
        "still scored once"),
    text<&C::task, &Task::tokenizer>("task.tokenizer", names_of<kTokenizers>, "how text becomes tokens"),
    text<&C::task, &Task::tokenizer_folder>("task.tokenizer_folder", nullptr,
                                            "folder with the tokenizer's files (bpe: vocab.json, merges.txt); empty: made "
                                            "from the training text"),
    integer<&C::task, &Task::tokenizer_vocab_size>("task.tokenizer_vocab_size", 0, kMaxVocabulary,
                                                   "most entries of a word or bpe vocabulary that is made; 0: every word, "
                                                   "8192 for bpe"),
    integer<&C::task, &Task::tokenizer_min_count>("task.tokenizer_min_count", 1, kMaxSteps,
                                                  "words that occur less often become the unknown token"),
    number<&C::task, &Task::mask_probability>("task.mask_probability", {.minimum = 0, .maximum = 1, .above_minimum = true},
                                              "share of the tokens that masked_language_modeling predicts"),
    choice<kPadTo, &C::task, &Task::pad_to>("task.pad_to",
                                            "the padded length that attention.reweighting_length and model.pooling_divisor "
                                            "may ask for, classification: of the longest text beside it, or seq_len (no "
                                            "time is spent on padding)"),
    boolean<&C::task, &Task::mask_padding_id>("task.mask_padding_id",
                                              "tokens with the format's padding id (black pixels) are left out and cost no time, "
                                              "classification"),
    boolean<&C::task, &Task::class_token>("task.class_token",
                                          "a token of its own stands before each text, classification; for pooling = "
                                          "\"first\""),

    choice<kRatingClasses, &C::task, &Task::rating_classes>(
        "task.rating_classes",
        "classes of amazon: 5, one for each number of stars, or 2, negative (1 and 2) and positive (4 and 5)"),
    text<&C::task, &Task::source_language>("task.source_language", nullptr,
                                           "translation reads the files NAME.<source_language> and "
                                           "NAME.<target_language>, plain or .gz, of the NAME in task.train"),
    text<&C::task, &Task::target_language>("task.target_language", nullptr, "the language that translation writes"),
    number<&C::task, &Task::label_smoothing>(
        "task.label_smoothing", kFraction,
        "share of a target that is spread over all classes in equal parts, translation; "
        "0: none"),

    choice<kModelKinds, &C::model, &M::kind>("model.kind", "the architecture"),
    integer<&C::model, &M::num_layers>("model.num_layers", 1, 4096, "layers of the encoder and of the decoder"),
    integer<&C::model, &M::embed_dim>("model.embed_dim", 1, kMaxWidth, "width of the hidden states"),
    integer<&C::model, &M::num_heads>("model.num_heads", 1, 4096, "attention heads; a divisor of embed_dim"),
    integer<&C::model, &M::ffn_dim>("model.ffn_dim", 1, kMaxWidth, "inner width of the feed-forward block"),
    integer<&C::model, &M::vocab_size>("model.vocab_size", 0, kMaxVocabulary, "0: the tokenizer's"),
    integer<&C::model, &M::max_length>("model.max_length", 0, kMaxLength, "positions of a learned table; 0: task.seq_len"),
    number<&C::model, &M::embedding_std>("model.embedding_std", kNotNegative,
                                         "standard deviation of the token embeddings' first values; 0: 1 / sqrt(embed_dim). "
                                         "A position table has 0.02"),
    boolean<&C::model, &M::scale_embeddings>(
        "model.scale_embeddings", "token embeddings are multiplied by sqrt(embed_dim), before positions are added"),
    number<&C::model, &M::dropout>("model.dropout", kFraction, "of embeddings and of the outputs of both blocks"),
    number<&C::model, &M::activation_dropout>("model.activation_dropout", kFraction,
                                              "within the feed-forward block, after its activation"),
    choice<kNormPlacements, &C::model, &M::norm>("model.norm", "layer norm before each block or after each sum"),
    boolean<&C::model, &M::final_norm>("model.final_norm", "a last layer norm behind all layers, with norm = \"pre\""),
    choice<kActivations, &C::model, &M::activation>("model.activation", "of the feed-forward block"),
    choice<kPositions, &C::model, &M::positions>("model.positions", "position embeddings"),
    boolean<&C::model, &M::tie_embeddings>("model.tie_embeddings", "the output projection is the embedding table"),
    boolean<&C::model, &M::share_embeddings>("model.share_embeddings",
                                             "encoder and decoder have one embedding table, encoder_decoder"),
    integers<&C::model, &M::adaptive_cutoffs>(
        "model.adaptive_cutoffs", 1, kMaxVocabulary,
        "first ids of the bands behind the first one, rising; the vocabulary must be sorted by frequency, as a word "
        "tokenizer's is. Rarer bands have narrower vectors (adaptive input) and cost the loss little (adaptive softmax), "
        "decoder; empty: none"),
    number<&C::model, &M::adaptive_factor>("model.adaptive_factor", {.minimum = 1},
                                           "how much narrower than the band before each band's vectors are"),
    boolean<&C::model, &M::tie_adaptive_projections>(
        "model.tie_adaptive_projections",
        "the tails of the adaptive softmax project with the adaptive input's matrices; needs tie_embeddings"),
    number<&C::model, &M::adaptive_dropout>("model.adaptive_dropout", kFraction,
                                            "of what the adaptive softmax reads, and between a tail's two products"),
    boolean<&C::model, &M::lm_head>("model.lm_head",
                                    "a head on an encoder that restores masked tokens; masked_language_modeling sets it"),
    integer<&C::model, &M::num_classes>(
        "model.num_classes", 0, kMaxVocabulary,
        "classes of an encoder's classification head; 0: no such head, or the task's number"),
    choice<kPoolings, &C::model, &M::pooling>("model.pooling", "what the classification head sees of the tokens"),
    {"model.pooling_divisor",
     FieldType::integer_or_name,
     {1, kMaxLength},
     names_of<kPoolingDivisors>,
     "what mean pooling divides the sum over real tokens by: their number, the padded length (task.pad_to), or a number",
     get_pooling_divisor,
     set_pooling_divisor},
    integer<&C::model, &M::classifier_dim>("model.classifier_dim", 0, kMaxWidth,
                                           "inner width of the classification head; 0: embed_dim"),
    choice<kPairFeatures, &C::model, &M::pair_features>(
        "model.pair_features",
        "what the classification head sees of two texts a and b: [a, b], or with interaction [a, b, a*b, a-b]; none: single "
        "texts"),

    text<&C::model, &M::attention, &A::kind>("attention.kind", registered<attention_kinds>, "the attention operator"),
    text<&C::model, &M::attention, &A::feature_map>("attention.feature_map", registered<feature_maps>,
                                                    "φ of linear attention"),
    text<&C::model, &M::attention, &A::reweighting>("attention.reweighting", names_of<kReweightings>,
                                                    "re-weighting by distance, linear attention"),
    {"attention.reweighting_length",
     FieldType::integer_or_name,
     {1, kMaxLength},
     names_of<kReweightingLengths>,
     "length M of the re-weighting: task.seq_len where causal and each item's own length elsewhere (auto), the batch's "
     "padded "
     "length, or a number",
     get_reweighting_length,
     set_reweighting_length},
    text<&C::model, &M::attention, &A::normalization>("attention.normalization", names_of<kNormalizations>,
                                                      "what a row of similarities is divided by, linear attention: their "
                                                      "sum with its sign, or their L1 norm (quadratic form "
                                                      "only), which signed similarities (identity, leaky_relu) may need"),
    text<&C::model, &M::attention, &A::form>("attention.form", names_of<kForms>, "algorithm of linear attention"),
    integer<&C::model, &M::attention, &A::chunk_size>("attention.chunk_size", 1, 65536,
                                                      "rows of a chunk, causal linear attention"),
    integer<&C::model, &M::attention, &A::num_features>("attention.num_features", 0, kMaxFeatures,
                                                        "random features a head (favor); 0: the head's width"),
    integer<&C::model, &M::attention, &A::window>("attention.window", 0, kMaxLength,
                                                  "distance that local attention reaches"),
    text<&C::model, &M::attention, &A::encoder>("attention.encoder", place_kinds,
                                                "attention of the encoder, encoder_decoder; auto: attention.kind"),
    text<&C::model, &M::attention, &A::self>("attention.self", place_kinds,
                                             "attention of the decoder to itself, encoder_decoder; auto: attention.kind"),
    text<&C::model, &M::attention, &A::cross>(
        "attention.cross", place_kinds, "attention of the decoder to the encoder, encoder_decoder; auto: attention.kind"),
    automatic<&C::model, &M::attention, &A::self_reweighting_length>(
        "attention.self_reweighting_length", 1, kMaxLength,
        "length M of the decoder's attention to itself, encoder_decoder; auto: attention.reweighting_length"),
    choice<kCrossReweightings, &C::model, &M::attention, &A::cross_reweighting>(
        "attention.cross_reweighting",
        "what positions are a share of in attention to the encoder: one length M for both texts (shared_length), or each "
        "text's own length, whatever reweighting_length is (own_lengths)"),
    number<&C::model, &M::attention, &A::dropout>(
        "attention.dropout", kFraction,
        "of the weights of softmax and local attention; linear attention has no matrix of weights and takes 0 alone"),

    text<&C::optimizer, &O::name>("optimizer.name", names_of<kOptimizers>, "the update rule"),
    number<&C::optimizer, &O::learning_rate>("optimizer.learning_rate", kNotNegative, "the highest of the schedule"),
    {"optimizer.betas", FieldType::numbers, kFraction, nullptr, "decay of Adam's two moments", get_betas, set_betas, 2},
    number<&C::optimizer, &O::eps>("optimizer.eps", kPositive, "Adam's ε"),
    number<&C::optimizer, &O::weight_decay>("optimizer.weight_decay", kNotNegative,
                                            "decoupled for adamw, added to the gradient for adam and sgd"),
    number<&C::optimizer, &O::momentum>("optimizer.momentum", kFraction, "of sgd"),
    boolean<&C::optimizer, &O::nesterov>("optimizer.nesterov", "Nesterov's form of momentum, sgd"),
    number<&C::optimizer, &O::clip_norm>("optimizer.clip_norm", kNotNegative,
                                         "gradients of a larger norm are scaled to it; 0: no clipping"),

    text<&C::schedule, &S::name>("schedule.name", names_of<kSchedules>, "course of the learning rate after the warm-up"),
    integer<&C::schedule, &S::warmup_steps>("schedule.warmup_steps", 0, kMaxSteps, "steps with a rising learning rate"),
    number<&C::schedule, &S::warmup_start_ratio>("schedule.warmup_start_ratio", kRatio,
                                                 "first learning rate of the warm-up over the highest"),
    integer<&C::schedule, &S::decay_steps>("schedule.decay_steps", 0, kMaxSteps,
                                           "step where linear and cosine end; 0: train.max_steps"),
    number<&C::schedule, &S::min_ratio>("schedule.min_ratio", kRatio, "least learning rate over the highest"),
    integer<&C::schedule, &S::period_steps>("schedule.period_steps", 0, kMaxSteps,
                                            "steps of the first cycle after the warm-up, cosine_cycles"),
    number<&C::schedule, &S::period_factor>("schedule.period_factor", {.minimum = 1},
                                            "how much longer each cycle is than the one before, cosine_cycles"),
    number<&C::schedule, &S::peak_factor>("schedule.peak_factor", kRatio,
                                          "learning rates of each cycle over those of the one before, cosine_cycles"),

    text<&C::train, &T::init_from>("train.init_from", nullptr,
                                   "run, checkpoint or .safetensors file whose parameters, and tokenizer where "
                                   "task.tokenizer_folder is empty, a new run begins with; a resumed run does not read it"),
    integer<&C::train, &T::max_steps>("train.max_steps", 0, kMaxSteps, "optimizer steps of the run"),
    integer<&C::train, &T::batch_size>("train.batch_size", 1, kMaxWidth,
                                       "sequences a step, all micro-batches and shards together"),
    integer<&C::train, &T::accumulation>("train.accumulation", 1, kMaxWidth,
                                         "micro-batches that a step's sequences are cut into; saves memory"),
    automatic<&C::train, &T::shards>("train.shards", 1, 4096,
                                     "pieces of a micro-batch that run side by side, each on one thread"),
    integer<&C::train, &T::threads>("train.threads", 0, 4096, "threads; 0: all. The result does not depend on it"),
    integer<&C::train, &T::seed>("train.seed", 0, kMaxSeed, "of parameters, data order and dropout"),
    integer<&C::train, &T::log_every>("train.log_every", 1, kMaxSteps, "steps between training records"),
    integer<&C::train, &T::eval_every>("train.eval_every", 0, kMaxSteps, "steps between evaluations; 0: only at the end"),
    integer<&C::train, &T::eval_max_batches>("train.eval_max_batches", 0, kMaxSteps,
                                             "batches of an evaluation while training; 0: the whole split"),
    integer<&C::train, &T::patience>("train.patience", 0, kMaxSteps,
                                     "evaluations in a row without a better result that end the run; 0: none do"),
    number<&C::train, &T::max_minutes>("train.max_minutes", kNotNegative, "the run ends after so long; 0: no limit"),
    integer<&C::train, &T::max_nonfinite_steps>("train.max_nonfinite_steps", 1, kMaxSteps,
                                                "skipped steps in a row (loss or gradient not finite) that end the run"),

    integer<&C::decoding, &D::beam>("decoding.beam", 1, 256,
                                    "beginnings that the search for a translation keeps; 1: always the likeliest token"),
    number<&C::decoding, &D::length_penalty>("decoding.length_penalty", kNotNegative,
                                             "p of a translation's score Σ log P / length^p; 0 favours short ones"),
    number<&C::decoding, &D::max_length_ratio>("decoding.max_length_ratio", {.minimum = 0, .maximum = 1000},
                                               "a translation ends at this many times the source's tokens, and"),
    integer<&C::decoding, &D::max_length_extra>("decoding.max_length_extra", 1, kMaxLength,
                                                "so many more; at task.seq_len in any case"),

    integer<&C::checkpoint, &K::every>("checkpoint.every", 0, kMaxSteps, "steps between checkpoints; 0: only at the end"),
    integer<&C::checkpoint, &K::keep_last>("checkpoint.keep_last", 1, kMaxCheckpoints, "newest checkpoints that are kept"),
    boolean<&C::checkpoint, &K::keep_best>("checkpoint.keep_best", "the best by validation is kept as well"),

    boolean<&C::logging, &L::tensorboard>("logging.tensorboard", "writes TensorBoard events"),
    boolean<&C::logging, &L::progress>("logging.progress", "shows progress on standard error"),
};

}  // namespace

std::span<const Field> config_fields() { return kFields; }

}  // namespace cosformer

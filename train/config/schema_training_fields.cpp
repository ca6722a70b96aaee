#include "train/config/schema_fields.h"
#include "train/config/schema_sections.h"

namespace cosformer::schema {

namespace {

ConfigValue get_betas(const Config& config) {
  const auto betas = optimizer_betas(config.optimizer);
  return std::vector<double>(betas.begin(), betas.end());
}

void set_betas(Config& config, const ConfigValue& value) {
  const auto& betas = std::get<std::vector<double>>(value);
  config.optimizer.betas = {betas[0], betas[1]};
}

constexpr struct {
  std::string_view name;
  Recompute value;
} kRecomputes[] = {{"none", Recompute::none}, {"layers", Recompute::layers}};

using C = Config;
using M = ModelConfig;
using A = Adaptation;
using R = LoraConfig;
using O = OptimizerConfig;
using S = ScheduleConfig;
using T = TrainConfig;
using D = DecodingConfig;
using K = CheckpointConfig;
using L = LoggingConfig;

constexpr Field kFields[] = {
    integer<&C::model, &M::adaptation, &A::lora, &R::rank>(
        "lora.rank", 0, kMaxWidth,
        "rank of the adapters beside the linear layers that lora.targets names; all else is frozen but what train.trainable "
        "names; 0: no adapters"),
    number<&C::model, &M::adaptation, &A::lora, &R::alpha>("lora.alpha", kPositive,
                                                           "an adapter's product is multiplied by alpha / rank"),
    texts<&C::model, &M::adaptation, &A::lora, &R::targets>(
        "lora.targets", nullptr,
        "names of the linear layers that get an adapter, with * for any characters: [\"*.q_proj\", \"*.fc1\"]"),

    text<&C::optimizer, &O::name>("optimizer.name", registered<optimizer_kinds>, "the update rule"),
    number<&C::optimizer, &O::learning_rate>("optimizer.learning_rate", kNotNegative, "the highest of the schedule"),
    {"optimizer.betas", FieldType::numbers, kFraction, nullptr, "decay of the moments; lion's own are [0.9, 0.99]",
     get_betas, set_betas, 2},
    number<&C::optimizer, &O::eps>("optimizer.eps", kPositive, "ε of adamw and adam"),
    number<&C::optimizer, &O::weight_decay>("optimizer.weight_decay", kNotNegative,
                                            "decoupled for adamw and lion, added to the gradient for adam and sgd"),
    boolean<&C::optimizer, &O::decay_norms_and_biases>(
        "optimizer.decay_norms_and_biases", "weight_decay is for parameters of one axis as well: biases and norms"),
    boolean<&C::optimizer, &O::decay_embeddings>(
        "optimizer.decay_embeddings",
        "weight_decay is for the tables of token and position embeddings, and what they are tied to"),
    number<&C::optimizer, &O::momentum>("optimizer.momentum", kFraction, "of sgd"),
    boolean<&C::optimizer, &O::nesterov>("optimizer.nesterov", "Nesterov's form of momentum, sgd"),
    number<&C::optimizer, &O::clip_norm>("optimizer.clip_norm", kNotNegative,
                                         "gradients of a larger norm are scaled to it; 0: no clipping"),
    number<&C::optimizer, &O::clip_value>("optimizer.clip_value", kNotNegative,
                                          "limit of each value of the gradient, after clip_norm; 0: none"),

    text<&C::schedule, &S::name>("schedule.name", registered<schedule_kinds>,
                                 "course of the learning rate after the warm-up"),
    integer<&C::schedule, &S::warmup_steps>("schedule.warmup_steps", 0, kMaxSteps, "steps with a rising learning rate"),
    number<&C::schedule, &S::warmup_start_ratio>("schedule.warmup_start_ratio", kRatio,
                                                 "first learning rate of the warm-up over the highest"),
    integer<&C::schedule, &S::decay_steps>("schedule.decay_steps", 0, kMaxSteps,
                                           "step where linear, cosine and wsd end; 0: train.max_steps"),
    number<&C::schedule, &S::min_ratio>("schedule.min_ratio", kRatio, "least learning rate over the highest"),
    integer<&C::schedule, &S::cooldown_steps>("schedule.cooldown_steps", 0, kMaxSteps,
                                              "last steps in which wsd falls; 0: a tenth of those after the warm-up"),
    integer<&C::schedule, &S::period_steps>("schedule.period_steps", 0, kMaxSteps,
                                            "steps of the first cycle after the warm-up, cosine_cycles"),
    number<&C::schedule, &S::period_factor>("schedule.period_factor", {.minimum = 1},
                                            "how much longer each cycle is than the one before, cosine_cycles"),
    number<&C::schedule, &S::peak_factor>("schedule.peak_factor", kRatio,
                                          "learning rates of each cycle over those of the one before, cosine_cycles"),

    text<&C::train, &T::init_from>(
        "train.init_from", nullptr,
        "run, checkpoint or .safetensors file whose parameters, and tokenizer where "
        "task.tokenizer_folder is empty, a new run begins with; a resumed run reads it for the teacher of "
        "attention_transfer alone"),
    boolean<&C::train, &T::new_attention>(
        "train.new_attention",
        "with init_from: the keys of [attention] may be others than there; parameters of the "
        "attention that only one of the two has are left out or begin anew"),
    texts<&C::model, &M::adaptation, &A::trainable>(
        "train.trainable", nullptr,
        "names of the parameters that are trained, with * for any characters: [\"*.self_attn.*\"]; all others are frozen; "
        "empty: all are trained, or with lora.rank the adapters alone"),
    integer<&C::train, &T::max_steps>("train.max_steps", 0, kMaxSteps, "optimizer steps of the run"),
    integer<&C::train, &T::batch_size>("train.batch_size", 1, kMaxWidth,
                                       "sequences a step, all micro-batches and shards together"),
    integer<&C::train, &T::accumulation>("train.accumulation", 1, kMaxWidth,
                                         "micro-batches that a step's sequences are cut into; saves memory"),
    automatic<&C::train, &T::shards>("train.shards", 1, 4096,
                                     "pieces of a micro-batch that run side by side, each on one thread"),
    integer<&C::train, &T::threads>("train.threads", 0, 4096, "threads; 0: all. The result does not depend on it"),
    choice<kRecomputes, &C::train, &T::recompute>(
        "train.recompute",
        "what the backward pass computes again instead of keeping it: with \"layers\" only the layers' inputs are kept, for "
        "about a third more arithmetic. The result does not depend on it"),
    integer<&C::train, &T::sequence_ranks>("train.sequence_ranks", 0, 4096,
                                           "ranks that share each sequence of a step, which is cut into parts: linear and "
                                           "local attention; 0: sequences are whole. "
                                           "The result is the same for all numbers from 1 on"),
    integer<&C::train, &T::seed>("train.seed", 0, kMaxSeed, "of parameters, data order and dropout"),
    integer<&C::train, &T::log_every>("train.log_every", 1, kMaxSteps, "steps between training records"),
    integer<&C::train, &T::eval_every>("train.eval_every", 0, kMaxSteps, "steps between evaluations; 0: only at the end"),
    integer<&C::train, &T::eval_max_batches>("train.eval_max_batches", 0, kMaxSteps,
                                             "batches of an evaluation while training; 0: the whole split"),
    number<&C::train, &T::ema>(
        "train.ema", kFraction,
        "decay of an averaged copy of the weights, which evaluations see and checkpoints hold as their "
        "model; at most (1 + t) / (10 + t) after update t; 0: none"),
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
    text<&C::logging, &L::sample_prompt>(
        "logging.sample_prompt", nullptr,
        "language_modeling: a text that the model continues at each evaluation; \"\": none"),
    integer<&C::logging, &L::sample_tokens>("logging.sample_tokens", 1, kMaxLength, "tokens of that continuation"),
};

}  // namespace

std::span<const Field> training_fields() { return kFields; }

}  // namespace cosformer::schema

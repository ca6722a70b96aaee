#include "data/tokenizers/registry.h"
#include "train/config/schema_fields.h"
#include "train/config/schema_sections.h"

namespace cosformer::schema {

namespace {

constexpr Named<RatingClasses> kRatingClasses[] = {{"stars", RatingClasses::stars}, {"polarity", RatingClasses::polarity}};
constexpr Named<SpecialTokenIds> kSpecialTokenIds[] = {{"added", SpecialTokenIds::added},
                                                       {"tokenizer", SpecialTokenIds::tokenizer}};
constexpr Named<PadTo> kPadTo[] = {{"longest", PadTo::longest}, {"seq_len", PadTo::seq_len}};
constexpr Named<Shuffle> kShuffles[] = {{"window", Shuffle::window}, {"document", Shuffle::document}};

using C = Config;
using Task = TaskConfig;

constexpr Field kFields[] = {
    text<&C::task, &Task::name>("task.name", nullptr,
                                "what is learnt: language_modeling, masked_language_modeling, attention_transfer, "
                                "translation, recall, or the format of "
                                "the data to classify (listops, text, "
                                "retrieval, image, pathfinder; sst2, qqp, mnli, imdb, amazon)"),
    text<&C::task, &Task::train>("task.train", nullptr,
                                 "path of the training data, relative to the current folder; of language models a file, a "
                                 "folder or a pattern (*, ?, [), plain, .gz or .zst"),
    text<&C::task, &Task::valid>("task.valid", nullptr, "path of the validation data; empty: none"),
    text<&C::task, &Task::test>("task.test", nullptr, "path of the test data; empty: none"),
    text<&C::task, &Task::teacher>("task.teacher", nullptr,
                                   "run or checkpoint whose attentions attention_transfer imitates; empty: that of "
                                   "train.init_from"),
    text<&C::task, &Task::text_key>("task.text_key", nullptr,
                                    "the texts of language models are lines of JSON, objects that hold the text under this "
                                    "key; empty: plain texts"),
    text<&C::task, &Task::token_cache>(
        "task.token_cache", nullptr,
        "folder in which language models keep token ids of their texts, read from there and shared by "
        "all runs; empty: they are held in memory"),
    choice<kShuffles, &C::task, &Task::shuffle>("task.shuffle",
                                                "what every epoch of a language model puts in another order, by train.seed: "
                                                "the windows of the text as it is, or also "
                                                "its documents, before the text is cut into windows"),
    boolean<&C::task, &Task::document_boundaries>(
        "task.document_boundaries",
        "documents (files, or lines of JSON) that share a window do not see each other, language_modeling: attention and "
        "short convolutions stay within them, positions begin anew, and their first tokens are not predicted"),
    integer<&C::task, &Task::seq_len>("task.seq_len", 1, kMaxLength, "tokens of a sequence"),
    integer<&C::task, &Task::context_window>(
        "task.context_window", 0, kMaxLength,
        "tokens at the head of each evaluation window but the first that are read and not "
        "scored, language_modeling; windows then overlap by so many, and each token is "
        "still scored once"),
    boolean<&C::task, &Task::carry_state>(
        "task.carry_state",
        "windows go on with the state (of linear attention) or the keys and values (of others) of the window before, "
        "language_modeling: in training each row of a step with those of its row in the step before, which are constants, "
        "so that an epoch reads train.batch_size stretches of the text side by side; in an evaluation, which scores a split "
        "as one text. Not with learned positions; kind cosformer needs attention.reweighting_length as long as these texts"),
    text<&C::task, &Task::tokenizer>("task.tokenizer", registered<tokenizer_kinds>, "how text becomes tokens"),
    text<&C::task, &Task::tokenizer_folder>("task.tokenizer_folder", nullptr,
                                            "folder with the tokenizer's files (bpe: vocab.json, merges.txt); empty: made "
                                            "from the training text"),
    integer<&C::task, &Task::tokenizer_vocab_size>("task.tokenizer_vocab_size", 0, kMaxVocabulary,
                                                   "most entries of a word or bpe vocabulary that is made; 0: every word, "
                                                   "8192 for bpe"),
    integer<&C::task, &Task::tokenizer_min_count>("task.tokenizer_min_count", 1, kMaxSteps,
                                                  "words that occur less often become the unknown token"),
    choice<kSpecialTokenIds, &C::task, &Task::special_tokens>(
        "task.special_tokens",
        "the <s>, </s> and <mask> of masked_language_modeling and of classified texts: three ids behind those of the "
        "tokenizer, or the tokenizer's own (<s>, </s>, <mask> or [CLS], [SEP], [MASK]), as imported encoders know them"),
    number<&C::task, &Task::mask_probability>("task.mask_probability", {.minimum = 0, .maximum = 1, .above_minimum = true},
                                              "share of the tokens that masked_language_modeling predicts"),
    choice<kPadTo, &C::task, &Task::pad_to>("task.pad_to",
                                            "the padded length that attention.reweighting_length and model.pooling_divisor "
                                            "may ask for, classification: of the longest text beside it, or seq_len (no "
                                            "time is spent on padding)"),
    boolean<&C::task, &Task::mask_padding_id>(
        "task.mask_padding_id",
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
};

}  // namespace

std::span<const Field> task_fields() { return kFields; }

}  // namespace cosformer::schema

#pragma once
/// \file
/// Translation of sentences: encoder-decoders on parallel texts.

#include <memory>

#include "data/tokenizers/tokenizer.h"
#include "train/tasks/task.h"

namespace cosformer {

/// Writes each sentence of a parallel text's second language from its sentence in the first. `task.train`, `valid` and
/// `test` are the files' names without the languages behind them (find_parallel_files). One vocabulary serves both
/// languages: the tokenizer is made from both sides of the training text, with TranslationTokens behind its ids. Training
/// leaves out pairs with a side that is empty or longer than seq_len.
///
/// The loss that is minimised has `task.label_smoothing`; an evaluation's `loss` has not: it is the mean over target tokens,
/// ends included, in nats. `bleu` (0 to 100) and `exact` (the share of translations that equal their reference) are of
/// translations with the config's [decoding]; the best checkpoint is that of the highest validation BLEU. Throws InputError.
std::unique_ptr<Task> make_translation(const Config& config);
/// The same with a tokenizer that is there already. Texts that the config does not name are not missed until they are used.
std::unique_ptr<Task> make_translation(const Config& config, std::shared_ptr<const Tokenizer> tokenizer);

}  // namespace cosformer

#pragma once
/// \file
/// Amazon reviews (Ni et al., EMNLP 2019): gzip of one JSON object a line, of which `reviewText` and `overall` are read.

#include "data/texts/labelled_texts.h"

namespace cosformer {

/// One file holds all parts: a text belongs to train, valid or test (8 : 1 : 1) by its own bytes, so that no text is in two
/// of them. Rows without a text, rows whose text came before, and with RatingClasses::polarity three stars, are left out and
/// counted. Plain JSON lines are read too. Throws InputError with file and line.
LabelledTexts load_amazon_reviews(const std::filesystem::path& path, Split part, const LabelledTextOptions& options);

std::int64_t amazon_classes(const LabelledTextOptions& options);

/// Whether the first line is an object with `overall`.
bool is_amazon_reviews(const std::filesystem::path& path);

}  // namespace cosformer

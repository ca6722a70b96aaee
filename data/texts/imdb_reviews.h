#pragma once
/// \file
/// IMDB's reviews (Maas et al., ACL 2011) as text, from the folders of the release.

#include "data/texts/labelled_texts.h"

namespace cosformer {

/// `path` holds train/{neg,pos} and test/{neg,pos}, or is one of these folders with neg and pos in it, which is then read
/// whole. There is no validation part in the release: a tenth of train, chosen by file name, is held out. The text is left
/// as it is, `<br />` included. Labels: 0 neg, 1 pos. Throws InputError.
LabelledTexts load_imdb_reviews(const std::filesystem::path& path, Split part, const LabelledTextOptions& options);

}  // namespace cosformer

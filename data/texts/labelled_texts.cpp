#include "data/texts/labelled_texts.h"

#include <algorithm>

#include "data/texts/amazon_reviews.h"
#include "data/texts/glue.h"
#include "data/texts/imdb_reviews.h"

namespace cosformer {

namespace {

template <std::int64_t Count>
std::int64_t always(const LabelledTextOptions&) {
  return Count;
}

constexpr LabelledTextFormat kFormats[] = {
    {"sst2", "GLUE SST-2: TSV files of sentences, 2 classes", false, -1, false, always<2>, load_sst2, is_sst2},
    {"qqp", "GLUE QQP: TSV files of question pairs, 2 classes", true, 1, false, always<2>, load_qqp, is_qqp},
    {"mnli", "GLUE MNLI: TSV files of sentence pairs, 3 classes", true, -1, false, always<3>, load_mnli, is_mnli},
    {"imdb", "IMDB reviews as text: folders neg and pos of .txt files, 2 classes", false, -1, false, always<2>,
     load_imdb_reviews, [](const std::filesystem::path&) { return false; }},  // "text" has the same files
    {"amazon", "Amazon reviews: gzip of one JSON object a line, 5 or 2 classes", false, -1, true, amazon_classes,
     load_amazon_reviews, is_amazon_reviews},
};

}  // namespace

Digest content_of(const LabelledTexts& texts) {
  DigestBuilder content;
  for (const LabelledTexts::Example& example : texts.examples) {
    content.add(std::int64_t{example.label});
    for (const std::string* text : {&example.first, &example.second}) {
      content.add(static_cast<std::int64_t>(text->size()));
      content.add(*text);
    }
  }
  return content.digest();
}

std::span<const LabelledTextFormat> labelled_text_formats() { return kFormats; }

const LabelledTextFormat* find_labelled_text_format(std::string_view name) {
  const auto found = std::ranges::find_if(kFormats, [&](const auto& format) { return name == format.name; });
  return found == std::end(kFormats) ? nullptr : found;
}

const LabelledTextFormat* guess_labelled_text_format(const std::filesystem::path& path) {
  const auto found = std::ranges::find_if(kFormats, [&](const auto& format) { return format.fits(path); });
  return found == std::end(kFormats) ? nullptr : found;
}

}  // namespace cosformer

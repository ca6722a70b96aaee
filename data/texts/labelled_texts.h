#pragma once
/// \file
/// Labelled texts as their files spell them: what classifiers are fine-tuned on.

#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "data/labelled_sequences.h"

namespace cosformer {

/// One part of a labelled data set.
struct LabelledTexts {
  struct Example {
    std::int32_t label = 0;
    std::string first;
    std::string second;  ///< empty if single texts are classified
  };
  std::vector<Example> examples;
  std::int64_t skipped = 0;  ///< rows that hold no example: of another width, without a label, a text a second time
};

/// Of all examples in their order.
Digest content_of(const LabelledTexts& texts);

/// Which classes the stars of an Amazon review give.
enum class RatingClasses : std::uint8_t {
  stars,    ///< 1 to 5 -> 0 to 4
  polarity  ///< 1 and 2 -> 0, 4 and 5 -> 1; reviews with 3 are left out
};

struct LabelledTextOptions {
  RatingClasses ratings = RatingClasses::stars;
};

/// A format, and one line on what it is.
struct LabelledTextFormat {
  const char* name;  ///< "sst2", "qqp", "mnli", "imdb", "amazon"
  const char* description;
  bool pairs;                   ///< two texts are compared
  std::int32_t positive_class;  ///< whose F1 is reported; negative: none
  bool one_file_holds_all_parts;
  std::int64_t (*num_classes)(const LabelledTextOptions&);
  /// Reads one part. Throws InputError: file, row, what was expected.
  LabelledTexts (*load)(const std::filesystem::path& path, Split part, const LabelledTextOptions&);
  /// Whether the files at `path` look like it.
  bool (*fits)(const std::filesystem::path& path);
};
std::span<const LabelledTextFormat> labelled_text_formats();

/// The format of this name; null if there is none.
const LabelledTextFormat* find_labelled_text_format(std::string_view name);
/// The format that `path` looks like; null if it looks like none.
const LabelledTextFormat* guess_labelled_text_format(const std::filesystem::path& path);

}  // namespace cosformer

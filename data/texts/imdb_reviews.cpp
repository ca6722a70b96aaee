#include "data/texts/imdb_reviews.h"

#include "core/random.h"
#include "data/lra/byte_text.h"
#include "data/mapped_file.h"

namespace cosformer {

LabelledTexts load_imdb_reviews(const std::filesystem::path& path, DataPart part, const LabelledTextOptions&) {
  const ReviewFolder folder = find_review_folder(path, part == DataPart::test ? DataPart::test : DataPart::train);
  const Random draws(0, "imdb validation");
  LabelledTexts texts;
  for (const ReviewFile& review : review_files(folder.path)) {
    const std::string place = (review.path.parent_path().filename() / review.path.filename()).string();
    const bool held_out = draws.below(10, stream_id(place)) == 0;
    if (folder.is_part && part != DataPart::test && held_out != (part == DataPart::valid)) continue;
    texts.examples.push_back({review.label, std::string(read_review(review.path).bytes()), {}});
  }
  return texts;
}

}  // namespace cosformer

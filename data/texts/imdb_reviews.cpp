#include "data/texts/imdb_reviews.h"

#include "core/random.h"
#include "data/lra/byte_text.h"
#include "data/mapped_file.h"

namespace cosformer {

LabelledTexts load_imdb_reviews(const std::filesystem::path& path, Split part, const LabelledTextOptions&) {
  const ReviewFolder folder = find_review_folder(path, part == Split::test ? Split::test : Split::train);
  const Random draws(0, "imdb validation");
  LabelledTexts texts;
  for_each_review(folder.path, [&](const std::filesystem::path& name, std::uint8_t label) {
    const bool held_out = draws.below(10, stream_id((name.parent_path().filename() / name.filename()).string())) == 0;
    if (folder.is_part && part != Split::test && held_out != (part == Split::valid)) return;
    texts.examples.push_back({label, std::string(read_review(name).bytes()), {}});
  });
  return texts;
}

}  // namespace cosformer

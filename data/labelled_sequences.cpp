#include "data/labelled_sequences.h"

#include <limits>
#include <system_error>

#include "core/missing_path.h"
#include "core/named_table.h"
#include "data/lra/byte_text.h"
#include "data/lra/image.h"
#include "data/lra/listops.h"
#include "data/lra/pathfinder.h"
#include "data/lra/retrieval.h"

namespace cosformer {

namespace {

constexpr LabelledFormat kFormats[] = {
    {"listops", "ListOps: TSV files of nested lists and their value, 10 classes", load_listops, is_listops},
    {"text", "IMDB reviews as bytes: folders neg and pos of .txt files, 2 classes", load_byte_text, is_byte_text},
    {"retrieval", "AAN pairs as bytes: TSV files of two papers each, 2 classes", load_retrieval, is_retrieval},
    {"image", "CIFAR-10, binary version, as grey pixels, 10 classes", load_image, is_image},
    {"pathfinder", "Pathfinder and Path-X: folders imgs (PNG) and metadata, 2 classes", load_pathfinder, is_pathfinder},
};

}  // namespace

Digest LabelledSequences::content() const {
  DigestBuilder content;
  std::vector<std::int32_t> tokens;
  for (std::int64_t example = 0; example < size(); ++example) {
    content.add(std::int64_t{label(example)});
    for (int text = 0; text < texts(); ++text) {
      read(example, text, std::numeric_limits<std::int64_t>::max(), tokens);
      content.add(static_cast<std::int64_t>(tokens.size()));
      content.add(std::as_bytes(std::span(tokens)));
    }
  }
  return content.digest();
}

std::span<const LabelledFormat> labelled_formats() { return kFormats; }

std::string_view guess_labelled_format(const std::filesystem::path& path) {
  std::error_code ignored;
  check<InputError>(std::filesystem::exists(path, ignored), path.string(), ": no such file or folder",
                    missing_path_hint(path));
  for (const LabelledFormat& format : kFormats) {
    if (format.fits(path)) return format.name;
  }
  return {};
}

std::unique_ptr<LabelledSequences> load_labelled_sequences(std::string_view format, const std::filesystem::path& path,
                                                           Split split) {
  return find_named(kFormats, format, "format").load(path, split);
}

}  // namespace cosformer

#include "data/lra/byte_text.h"

#include <algorithm>
#include <vector>

#include "core/error.h"
#include "data/lra/packed_sequences.h"
#include "data/lra/rows.h"

namespace cosformer {

namespace {

namespace fs = std::filesystem;

constexpr PartNames kNames{"train", "test", "test"};
/// By label.
constexpr const char* kClasses[] = {"neg", "pos"};

bool is_folder(const fs::path& path) {
  std::error_code ignored;
  return fs::is_directory(path, ignored);
}

/// The reviews of a folder in their order. Throws InputError.
std::vector<fs::path> reviews_of(const fs::path& folder) {
  std::vector<fs::path> files;
  std::error_code error;
  for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
    const fs::path& file = it->path();
    // Hidden ones are notes of a system's, such as macOS's ._NAME.txt.
    if (file.extension() == ".txt" && !file.filename().string().starts_with('.')) files.push_back(file);
  }
  check<InputError>(!error, folder.string(), ": cannot list the folder: ", error.message());
  check<InputError>(!files.empty(), folder.string(), ": the folder holds no .txt file");
  std::ranges::sort(files);
  return files;
}

}  // namespace

ReviewFolder find_review_folder(const fs::path& path, Split part) {
  check<InputError>(is_folder(path), path.string(), ": expected a folder with neg and pos, or with train and test");
  const bool is_part = is_folder(path / kNames.train);
  return {is_part ? path_of_part(path, part, kNames) : path, is_part};
}

void for_each_review(const fs::path& folder, const std::function<void(const fs::path& path, std::uint8_t label)>& take) {
  for (std::uint8_t label = 0; label < std::size(kClasses); ++label) {
    for (const fs::path& name : reviews_of(folder / kClasses[label])) take(name, label);
  }
}

MappedFile read_review(const fs::path& path) {
  MappedFile file(path);
  check<InputError>(!file.bytes().empty(), path.string(), ": the file is empty");
  check<InputError>(file.bytes().size() <= kMaxRowBytes, path.string(), ": a review of ", file.bytes().size(),
                    " bytes, expected at most ", kMaxRowBytes);
  return file;
}

std::unique_ptr<LabelledSequences> load_byte_text(const fs::path& path, Split part) {
  PackedExamples examples;
  for_each_review(find_review_folder(path, part).path, [&](const fs::path& name, std::uint8_t label) {
    const MappedFile file = read_review(name);
    examples.add({reinterpret_cast<const std::uint8_t*>(file.bytes().data()), file.bytes().size()}, label);
  });
  return std::make_unique<PackedSequences>(std::move(examples), PackedFormat{kByteTextVocabSize, std::size(kClasses), 1});
}

bool is_byte_text(const fs::path& path) {
  const fs::path root = is_folder(path / kNames.train) ? path / kNames.train : path;
  return is_folder(root / kClasses[0]) && is_folder(root / kClasses[1]);
}

}  // namespace cosformer

#include "data/lra/pathfinder.h"

#include <algorithm>
#include <optional>
#include <string>
#include <utility>

#include "core/error.h"
#include "core/parallel.h"
#include "data/lra/packed_sequences.h"
#include "data/lra/pathfinder_rows.h"
#include "data/mapped_file.h"
#include "data/png_image.h"

namespace cosformer {

namespace {

namespace fs = std::filesystem;

constexpr PackedFormat kFormat{.vocab_size = 256, .num_classes = 2, .first_id = 0};

/// Width and height of all pictures.
using Size = std::pair<std::int64_t, std::int64_t>;

/// The picture of a row. Throws InputError if it cannot be decoded or is not of the expected size.
GreyImage decode_row(const fs::path& folder, const PathfinderPart& part, const PathfinderRow& row,
                     std::optional<Size> size) {
  const fs::path path = folder / row.picture;
  const MappedFile file(path);
  GreyImage image;
  try {
    image = decode_png(file.bytes());
  } catch (const InputError& error) {
    throw InputError(concat(part.origin(row), path.string(), ": ", error.what()));
  }
  check<InputError>(!size || *size == Size{image.width, image.height}, part.origin(row), path.string(), ": a picture of ",
                    image.width, " x ", image.height, ", expected ", size ? size->first : 0, " x ", size ? size->second : 0,
                    " as the first");
  return image;
}

/// Calls `read_row(i)` for each of `count` rows on all threads. The error of the first row that has one is thrown, whatever
/// the threads met first.
template <class ReadRow>
void for_each_row(std::size_t count, const ReadRow& read_row) {
  constexpr std::size_t kRowsPerPiece = 64;
  std::vector<std::string> errors((count + kRowsPerPiece - 1) / kRowsPerPiece);
  parallel_for(static_cast<std::int64_t>(errors.size()), [&](std::int64_t piece) {
    const std::size_t begin = static_cast<std::size_t>(piece) * kRowsPerPiece;
    try {
      for (std::size_t i = begin; i < std::min(begin + kRowsPerPiece, count); ++i) read_row(i);
    } catch (const InputError& error) {
      errors[static_cast<std::size_t>(piece)] = error.what();
    }
  });
  for (const std::string& error : errors) check<InputError>(error.empty(), error);
}

/// Pictures that are decoded when they are read.
class PictureFiles : public LabelledSequences {
 public:
  PictureFiles(fs::path folder, PathfinderPart part, Size size)
      : folder_(std::move(folder)), part_(std::move(part)), picture_size_(size) {}

  std::int64_t size() const override { return static_cast<std::int64_t>(part_.rows.size()); }
  std::int32_t label(std::int64_t example) const override { return row(example).label; }
  void read(std::int64_t example, int text, std::int64_t max_length, std::vector<std::int32_t>& tokens) const override {
    check<Error>(text == 0, "text ", text, " of a picture");
    write_tokens(decode_row(folder_, part_, row(example), picture_size_).pixels, kFormat.first_id, max_length, tokens);
  }
  std::int64_t vocab_size() const override { return kFormat.vocab_size; }
  std::int64_t num_classes() const override { return kFormat.num_classes; }
  std::int64_t skipped() const override { return part_.skipped; }
  /// Of labels and files: decoding all pictures would take minutes.
  Digest content() const override {
    std::vector<std::string> pictures(part_.rows.size());
    for_each_row(pictures.size(), [&](std::size_t i) {
      const MappedFile file(folder_ / part_.rows[i].picture);
      pictures[i] = checksum_hex(file.bytes());
    });
    DigestBuilder content;
    for (std::size_t i = 0; i < pictures.size(); ++i) {
      content.add(std::int64_t{part_.rows[i].label});
      content.add(pictures[i]);
    }
    return content.digest();
  }

 private:
  const PathfinderRow& row(std::int64_t example) const {
    check<Error>(example >= 0 && example < size(), "example ", example, " of ", size());
    return part_.rows[static_cast<std::size_t>(example)];
  }

  fs::path folder_;
  PathfinderPart part_;
  Size picture_size_;
};

/// Decodes all pictures.
PackedExamples decode_all(const fs::path& folder, const PathfinderPart& part, Size size) {
  const std::size_t count = part.rows.size(), pixels = static_cast<std::size_t>(size.first * size.second);
  PackedExamples examples;
  examples.values.resize(count * pixels);
  for_each_row(count, [&](std::size_t i) {
    std::ranges::copy(decode_row(folder, part, part.rows[i], size).pixels,
                      examples.values.begin() + static_cast<std::ptrdiff_t>(i * pixels));
  });
  for (std::size_t i = 0; i < count; ++i) {
    examples.ends.push_back((i + 1) * pixels);
    examples.labels.push_back(part.rows[i].label);
  }
  return examples;
}

}  // namespace

std::unique_ptr<LabelledSequences> load_pathfinder(const fs::path& path, Split part, std::int64_t max_cached_pixels) {
  PathfinderPart rows = read_pathfinder_rows(path, part);
  const GreyImage first = decode_row(path, rows, rows.rows.front(), std::nullopt);
  const Size size{first.width, first.height};
  if (static_cast<std::int64_t>(rows.rows.size()) > max_cached_pixels / (size.first * size.second)) {
    return std::make_unique<PictureFiles>(path, std::move(rows), size);
  }
  return std::make_unique<PackedSequences>(decode_all(path, rows, size), kFormat, rows.skipped);
}

std::unique_ptr<LabelledSequences> load_pathfinder(const fs::path& path, Split part) {
  return load_pathfinder(path, part, kMaxCachedPixels);
}

bool is_pathfinder(const fs::path& path) {
  std::error_code ignored;
  return fs::is_directory(path / "imgs", ignored) && fs::is_directory(path / "metadata", ignored);
}

}  // namespace cosformer

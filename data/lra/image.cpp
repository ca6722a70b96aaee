#include "data/lra/image.h"

#include <algorithm>
#include <array>
#include <string>

#include "core/error.h"
#include "data/grey.h"
#include "data/lra/packed_sequences.h"
#include "data/mapped_file.h"

namespace cosformer {

namespace {

namespace fs = std::filesystem;

constexpr std::size_t kPixels = 32 * 32;
constexpr std::size_t kRecordBytes = 1 + 3 * kPixels;
constexpr std::uint8_t kClasses = 10;
constexpr int kTrainingFiles = 5;
constexpr const char* kTestFile = "test_batch.bin";

/// The training files that a folder has.
std::vector<fs::path> training_files(const fs::path& folder) {
  std::vector<fs::path> files;
  for (int number = 1; number <= kTrainingFiles; ++number) {
    const fs::path file = folder / concat("data_batch_", number, ".bin");
    std::error_code ignored;
    if (fs::exists(file, ignored)) files.push_back(file);
  }
  return files;
}

std::size_t count_records(const MappedFile& file, const fs::path& path) {
  const std::size_t size = file.bytes().size();
  check<InputError>(size > 0 && size % kRecordBytes == 0, path.string(), ": ", size, " bytes, expected a multiple of ",
                    kRecordBytes, " (one label and 3 x 1024 colour values per picture)");
  return size / kRecordBytes;
}

/// Adds a file's records from `begin` to before `end`.
void add_records(const MappedFile& file, const fs::path& path, std::size_t begin, std::size_t end,
                 PackedExamples& examples) {
  std::array<std::uint8_t, kPixels> grey;
  for (std::size_t record = begin; record < end; ++record) {
    const auto* bytes = reinterpret_cast<const std::uint8_t*>(file.bytes().data()) + record * kRecordBytes;
    check<InputError>(bytes[0] < kClasses, path.string(), ": record ", record + 1, ": expected a label from 0 to ",
                      kClasses - 1, ", found ", int{bytes[0]});
    const std::uint8_t *red = bytes + 1, *green = red + kPixels, *blue = green + kPixels;
    for (std::size_t i = 0; i < kPixels; ++i) grey[i] = grey_of(red[i], green[i], blue[i]);
    examples.add(grey, bytes[0]);
  }
}

/// The records of several files as one list, from `begin` to before `end`, where these are functions of their number.
template <class Range>
std::unique_ptr<LabelledSequences> read_records(const std::vector<fs::path>& paths, Range&& range) {
  std::vector<MappedFile> files;
  std::size_t total = 0;
  for (const fs::path& path : paths) {
    files.emplace_back(path);
    total += count_records(files.back(), path);
  }
  const auto [begin, end] = range(total);
  PackedExamples examples;
  std::size_t first = 0;
  for (std::size_t i = 0; i < files.size(); ++i) {
    const std::size_t size = files[i].bytes().size() / kRecordBytes;
    const std::size_t from = std::clamp(begin, first, first + size), to = std::clamp(end, first, first + size);
    add_records(files[i], paths[i], from - first, to - first, examples);
    first += size;
  }
  check<InputError>(!examples.labels.empty(), paths.front().string(), ": ", total, " pictures leave none for this part");
  return std::make_unique<PackedSequences>(std::move(examples), PackedFormat{256, kClasses, 0});
}

}  // namespace

std::unique_ptr<LabelledSequences> load_image(const fs::path& path, Split part) {
  std::error_code ignored;
  const bool is_folder = fs::is_directory(path, ignored);
  std::vector<fs::path> files{path};
  if (is_folder && part == Split::test) {
    files = {path / kTestFile};
  } else if (is_folder) {
    files = training_files(path);
    check<InputError>(!files.empty(), path.string(), ": expected data_batch_1.bin to data_batch_", kTrainingFiles,
                      ".bin or some of these");
  }
  return read_records(files, [&](std::size_t total) {
    const std::size_t training = total - total / 10;
    switch (part) {
      case Split::train:
        return std::pair{std::size_t{0}, training};
      case Split::valid:
        return std::pair{training, total};
      case Split::test:
        break;
    }
    return std::pair{std::size_t{0}, total};
  });
}

bool is_image(const fs::path& path) {
  std::error_code ignored;
  if (fs::is_directory(path, ignored)) return !training_files(path).empty() || fs::exists(path / kTestFile, ignored);
  if (path.extension() != ".bin" || !fs::is_regular_file(path, ignored)) return false;
  const auto size = fs::file_size(path, ignored);
  return !ignored && size > 0 && size % kRecordBytes == 0;
}

}  // namespace cosformer

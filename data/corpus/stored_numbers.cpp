#include "data/corpus/stored_numbers.h"

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstring>
#include <utility>

#include "core/error.h"
#include "data/regular_file.h"

namespace cosformer {

namespace {

static_assert(std::endian::native == std::endian::little);

/// Fills `bytes` from `offset` on.
void read_bytes(const RegularFile& file, const std::filesystem::path& path, std::uint64_t offset,
                std::span<std::byte> bytes) {
  const ssize_t count = read_at(file.descriptor(), offset, bytes);
  check<Error>(count >= 0, path.string(), ": cannot be read: ", std::strerror(errno));
  const auto found = static_cast<std::size_t>(count);
  check<Error>(found == bytes.size(), path.string(), ": was shortened to ", offset + found, " bytes while it was in use");
}

template <class T>
std::string bytes_of(std::span<const T> numbers, int width) {
  const auto size = static_cast<std::size_t>(width);
  std::string bytes(numbers.size() * size, '\0');
  for (std::size_t i = 0; i < numbers.size(); ++i)
    std::memcpy(bytes.data() + i * size, &numbers[i], std::min(size, sizeof(T)));
  return bytes;
}

}  // namespace

int number_width(std::uint64_t largest) {
  const auto bits = static_cast<int>(std::bit_width(largest));
  return bits <= 8 ? 1 : bits <= 16 ? 2 : bits <= 32 ? 4 : 8;
}

struct StoredNumbers::File {
  std::filesystem::path path;
  std::unique_ptr<RegularFile> file;
  std::int64_t end;  ///< of its numbers, from the first file on
};

StoredNumbers::StoredNumbers(const std::vector<std::filesystem::path>& files, int width)
    : width_(static_cast<std::size_t>(width)) {
  for (const std::filesystem::path& path : files) {
    auto file = std::make_unique<RegularFile>(path);
    check<InputError>(file->size() % width_ == 0, path.string(), ": ", file->size(), " bytes are not numbers of ", width,
                      " bytes");
    const auto count = static_cast<std::int64_t>(file->size() / width_);
    files_.push_back({path, std::move(file), size() + count});
  }
}

StoredNumbers::~StoredNumbers() = default;
StoredNumbers::StoredNumbers(StoredNumbers&&) noexcept = default;

std::int64_t StoredNumbers::size() const { return files_.empty() ? 0 : files_.back().end; }

template <class T>
void StoredNumbers::read_as(std::int64_t first, std::span<T> numbers) const {
  check<Error>(first >= 0 && first + std::ssize(numbers) <= size(), "numbers ", first, " ... of ", size());
  auto file = std::ranges::upper_bound(files_, first, {}, &File::end);
  std::vector<std::byte> narrow;
  while (!numbers.empty()) {
    const std::int64_t begin = file == files_.begin() ? 0 : std::prev(file)->end;
    const auto count = std::min(numbers.size(), static_cast<std::size_t>(file->end - first));
    const std::uint64_t offset = static_cast<std::uint64_t>(first - begin) * width_;
    if (width_ == sizeof(T)) {
      read_bytes(*file->file, file->path, offset, std::as_writable_bytes(numbers.first(count)));
    } else {
      narrow.resize(count * width_);
      read_bytes(*file->file, file->path, offset, narrow);
      std::ranges::fill(numbers.first(count), T{0});
      for (std::size_t i = 0; i < count; ++i) {
        std::memcpy(&numbers[i], narrow.data() + i * width_, std::min(width_, sizeof(T)));
      }
    }
    numbers = numbers.subspan(count);
    first += static_cast<std::int64_t>(count);
    ++file;
  }
}

void StoredNumbers::read(std::int64_t first, std::span<std::int32_t> numbers) const { read_as(first, numbers); }
void StoredNumbers::read(std::int64_t first, std::span<std::int64_t> numbers) const { read_as(first, numbers); }

std::string stored_bytes(std::span<const std::int32_t> numbers, int width) { return bytes_of(numbers, width); }
std::string stored_bytes(std::span<const std::int64_t> numbers, int width) { return bytes_of(numbers, width); }

}  // namespace cosformer

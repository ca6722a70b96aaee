#pragma once
/// \file
/// Whole numbers in files, read piece by piece.

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace cosformer {

/// Bytes that hold each number of [0, largest]: 1, 2, 4 or 8.
int number_width(std::uint64_t largest);

/// Numbers ≥ 0 in files that continue each other, with the least of their bytes first. The files stay open and are read
/// where they are asked for, so that nothing of them is kept in memory; those that are removed meanwhile can be read on.
class StoredNumbers {
 public:
  /// `width` bytes a number. Throws InputError for files that cannot be opened or hold half a number.
  StoredNumbers(const std::vector<std::filesystem::path>& files, int width);
  ~StoredNumbers();
  StoredNumbers(StoredNumbers&&) noexcept;

  std::int64_t size() const;
  /// Numbers [first, first + numbers.size()), which have to be there. Several threads may read at once. Throws Error if the
  /// system fails.
  void read(std::int64_t first, std::span<std::int32_t> numbers) const;
  void read(std::int64_t first, std::span<std::int64_t> numbers) const;

 private:
  struct File;
  template <class T>
  void read_as(std::int64_t first, std::span<T> numbers) const;

  std::vector<File> files_;
  std::size_t width_;
};

/// `numbers` as such a file holds them.
std::string stored_bytes(std::span<const std::int32_t> numbers, int width);
std::string stored_bytes(std::span<const std::int64_t> numbers, int width);

}  // namespace cosformer

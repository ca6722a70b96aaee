#pragma once
/// \file
/// A file's bytes from front to end, unpacked if they are compressed.

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>

namespace cosformer {

/// Reads a plain file, or one in gzip's or zstd's format (told by how it begins), in bounded memory. A file that unpacks to
/// over 200 times its size and 1 MiB is refused: it is made to fill a disk.
class ByteSource {
 public:
  /// Throws InputError with the path: no regular file, or compressed in another way.
  explicit ByteSource(const std::filesystem::path& path);
  ~ByteSource();

  /// Fills `buffer` but at the end of the file; returns how much. Throws InputError for damaged compressed data.
  std::size_t read(std::span<char> buffer);

  struct Decoder;

 private:
  std::filesystem::path path_;
  std::unique_ptr<Decoder> decoder_;
  std::uintmax_t bytes_ = 0, most_bytes_ = 0;
};

/// Whether this program reads zstd's format.
bool has_zstd();

}  // namespace cosformer

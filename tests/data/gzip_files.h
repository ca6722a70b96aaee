#pragma once
/// \file
/// Texts packed by gzip.

#include <zlib.h>

#include <filesystem>
#include <string>

#include "tests/data/data_support.h"

namespace cosformer::test {

inline void write_gzip(const std::filesystem::path& path, const std::string& content) {
  const gzFile file = gzopen(path.c_str(), "wb");
  REQUIRE(file != nullptr);
  REQUIRE(gzwrite(file, content.data(), static_cast<unsigned>(content.size())) == static_cast<int>(content.size()));
  REQUIRE(gzclose(file) == Z_OK);
}

inline std::string gzipped(const std::string& text) {
  const ScratchFolder folder;
  write_gzip(folder.path() / "packed", text);
  return read_text(folder.path() / "packed");
}

}  // namespace cosformer::test

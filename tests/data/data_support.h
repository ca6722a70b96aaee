#pragma once
/// \file
/// Files for the tests of data sets and tokenizers.

#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
#include <random>
#include <string>
#include <string_view>

#include "core/error.h"
#include "tests/catch.h"

namespace cosformer::test {

/// A new folder that goes with its owner.
class ScratchFolder {
 public:
  ScratchFolder() {
    std::string name = (std::filesystem::temp_directory_path() / "cosformer-data-XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr) throw Error("mkdtemp failed");
    path_ = name;
  }
  ~ScratchFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  ScratchFolder(const ScratchFolder&) = delete;
  ScratchFolder& operator=(const ScratchFolder&) = delete;

  const std::filesystem::path& path() const { return path_; }
  /// Writes a file and gives its path.
  std::filesystem::path write(const std::string& name, std::string_view content) const {
    std::filesystem::create_directories((path_ / name).parent_path());
    std::ofstream(path_ / name, std::ios::binary | std::ios::trunc) << content;
    return path_ / name;
  }

 private:
  std::filesystem::path path_;
};

inline std::string read_text(const std::filesystem::path& path) {
  std::ifstream stream(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(stream), {}};
}

/// A file of the real-data kit: below COSFORMER_TEST_DATA, or shared/data beside the checkout. Where it is absent, nothing,
/// and a warning that the test is skipped.
inline std::optional<std::filesystem::path> kit_file(const std::string& name) {
  const char* root = std::getenv("COSFORMER_TEST_DATA");
  const std::filesystem::path checkout = std::filesystem::path(__FILE__).parent_path().parent_path().parent_path();
  const std::filesystem::path path =
      (root ? std::filesystem::path(root) : checkout.parent_path() / "shared" / "data") / name;
  if (std::filesystem::exists(path)) return path;
  WARN("skipped: no " << path.string() << ", set COSFORMER_TEST_DATA");
  return std::nullopt;
}

/// The unpacked content of an .xz file of the kit; nothing, and a warning, if it or the program xz is absent.
inline std::optional<std::string> kit_xz(const std::string& name) {
  const auto path = kit_file(name);
  if (!path) return std::nullopt;
  if (std::system("command -v xz > /dev/null") != 0) {
    WARN("skipped: the program xz is absent");
    return std::nullopt;
  }
  const ScratchFolder folder;
  const std::filesystem::path target = folder.path() / "unpacked";
  const std::string command = "xz -dc '" + path->string() + "' > '" + target.string() + "'";
  REQUIRE(std::system(command.c_str()) == 0);
  return read_text(target);
}

/// Unpacks a .tar.xz of the kit into `folder`; false, and a warning, if it or the program tar is absent.
inline bool unpack_kit(const std::string& name, const std::filesystem::path& folder) {
  const auto path = kit_file(name);
  if (!path) return false;
  if (std::system("command -v tar > /dev/null && command -v xz > /dev/null") != 0) {
    WARN("skipped: the programs tar and xz are absent");
    return false;
  }
  REQUIRE(std::system(("tar -xJf '" + path->string() + "' -C '" + folder.string() + "'").c_str()) == 0);
  return true;
}

/// The message of the InputError that `action` throws; empty, and a failed check, if it throws none.
template <class Action>
std::string input_error(Action action) {
  try {
    action();
  } catch (const InputError& error) {
    return error.what();
  }
  FAIL_CHECK("expected an InputError");
  return {};
}

/// `size` bytes that depend on the generator alone, all values equally likely.
inline std::string random_bytes(std::mt19937_64& random, std::size_t size) {
  std::string bytes(size, '\0');
  for (char& c : bytes) c = static_cast<char>(static_cast<unsigned char>(random() & 0xFF));
  return bytes;
}

/// A text of `size` fragments drawn from words, blanks, several scripts and invalid bytes.
inline std::string random_text(std::mt19937_64& random, std::size_t size) {
  static constexpr std::string_view kFragments[] = {
      "a",  "b", "ab", "the",    " ",    "  ",     "\n",   "'s",       "'",    "don't", "1",      "23",  ".",
      ",!", "é", "ж",  "привет", "漢字", "\u3000", "🙂", "\xE2\x82", "\xFF", "\t",    "\u00A0", "\r\n"};
  std::string text;
  for (std::size_t i = 0; i < size; ++i) text += kFragments[random() % std::size(kFragments)];
  return text;
}

}  // namespace cosformer::test

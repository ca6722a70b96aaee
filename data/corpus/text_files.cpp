#include "data/corpus/text_files.h"

#include <glob.h>

#include <algorithm>

#include "core/error.h"

namespace cosformer {

namespace {

namespace fs = std::filesystem;

bool is_hidden(const fs::path& path) { return path.filename().string().starts_with('.'); }

/// Throws InputError for a link that would be left out in silence.
void check_link(const fs::path& path) {
  std::error_code ignored;
  if (!fs::is_symlink(path, ignored)) return;
  check<InputError>(fs::exists(path, ignored), path.string(), ": is a link that leads nowhere");
  check<InputError>(!fs::is_directory(path, ignored), path.string(),
                    ": is a link to a folder, which is not followed; link its files");
}

std::vector<fs::path> files_below(const fs::path& folder) {
  std::vector<fs::path> files;
  std::error_code error;
  for (fs::recursive_directory_iterator entry(folder, error), end; !error && entry != end; entry.increment(error)) {
    if (is_hidden(entry->path())) {
      entry.disable_recursion_pending();
    } else if (std::error_code ignored; entry->is_regular_file(ignored)) {
      files.push_back(entry->path());
    } else {
      check_link(entry->path());
    }
  }
  check<InputError>(!error, folder.string(), ": cannot be listed: ", error.message());
  return files;
}

std::vector<fs::path> files_that_match(const std::string& pattern) {
  glob_t found{};
  const int result = ::glob(pattern.c_str(), 0, nullptr, &found);
  std::vector<fs::path> files;
  fs::path lost;
  for (std::size_t i = 0; result == 0 && i < found.gl_pathc; ++i) {
    std::error_code ignored;
    if (fs::is_regular_file(found.gl_pathv[i], ignored)) {
      files.emplace_back(found.gl_pathv[i]);
    } else if (!fs::exists(found.gl_pathv[i], ignored)) {
      lost = found.gl_pathv[i];
    }
  }
  ::globfree(&found);
  if (!lost.empty()) check_link(lost);
  check<InputError>(result == 0 || result == GLOB_NOMATCH, pattern, ": the pattern cannot be searched for");
  return files;
}

}  // namespace

bool is_pattern(const std::string& path) {
  std::error_code ignored;
  return path.find_first_of("*?[") != std::string::npos && !fs::exists(path, ignored);
}

std::vector<fs::path> find_text_files(const std::string& path) {
  std::error_code ignored;
  const bool is_folder = fs::is_directory(path, ignored), matches = is_pattern(path);
  if (!is_folder && !matches) return {path};
  std::vector<fs::path> files = is_folder ? files_below(path) : files_that_match(path);
  check<InputError>(!files.empty(), path, is_folder ? ": the folder has no files" : ": no file matches the pattern");
  std::ranges::sort(files);
  return files;
}

}  // namespace cosformer

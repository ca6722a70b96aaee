#include "data/lra/format_guess.h"

#include <system_error>

#include "core/error.h"
#include "data/lra/byte_text.h"
#include "data/lra/image.h"
#include "data/lra/listops.h"
#include "data/lra/pathfinder.h"
#include "data/lra/retrieval.h"

namespace cosformer {

namespace {

struct Guess {
  const char* name;
  bool (*fits)(const std::filesystem::path& path);
};

constexpr Guess kGuesses[] = {
    {"listops", is_listops}, {"text", is_byte_text},        {"retrieval", is_retrieval},
    {"image", is_image},     {"pathfinder", is_pathfinder},
};

}  // namespace

std::string_view guess_labelled_format(const std::filesystem::path& path) {
  std::error_code ignored;
  check<InputError>(std::filesystem::exists(path, ignored), path.string(), ": no such file or folder");
  for (const Guess& guess : kGuesses) {
    if (guess.fits(path)) return guess.name;
  }
  return {};
}

}  // namespace cosformer

#include "data/text_corpus.h"

#include <nlohmann/json.hpp>
#include <string>

#include "core/error.h"
#include "data/lra/rows.h"
#include "data/strict_json.h"
#include "data/tokenizers/words.h"

namespace cosformer {

namespace {

/// How compressed files begin, and what unpacks them.
constexpr struct {
  std::string_view start, program;
} kCompressions[] = {{"\x1F\x8B", "gzip -d"},
                     {std::string_view("\xFD"
                                       "7zXZ\0",
                                       6),
                      "xz -d"},
                     {"\x28\xB5\x2F\xFD", "zstd -d"},
                     {"BZh91AY&SY", "bzip2 -d"},
                     {"PK\x03\x04", "unzip"}};

/// Whether the first line of `text` is a JSON object.
bool begins_with_json(std::string_view text) {
  const std::string_view line = next_line(text).value_or("");
  if (!line.starts_with('{') || line.size() > kMaxRowBytes) return false;
  try {
    return parse_strict_json(line, "").is_object();
  } catch (const InputError&) {
    return false;
  }
}

}  // namespace

MappedFile open_text(const std::filesystem::path& path) {
  MappedFile file(path);
  for (const auto& [start, program] : kCompressions) {
    check<InputError>(!file.bytes().starts_with(start), path.string(), ": is compressed, expected plain text; `", program,
                      "` unpacks it");
  }
  return file;
}

std::string text_error(const std::filesystem::path& path, std::string_view message) {
  const bool has_place = !message.empty() && message.front() >= '0' && message.front() <= '9';
  return concat(path.string(), has_place ? ":" : ": ", message);
}

TextStatistics text_statistics(std::string_view text) {
  TextStatistics statistics{.bytes = static_cast<std::int64_t>(text.size())};
  for_each_word(
      text, [&](std::string_view) { ++statistics.words; }, [&] { ++statistics.lines; });
  statistics.words += statistics.lines;
  return statistics;
}

TextCorpus load_text_corpus(const std::filesystem::path& path, const Tokenizer& tokenizer) {
  const MappedFile file = open_text(path);
  check<InputError>(!file.bytes().empty(), path.string(), ": the file is empty");
  TextCorpus corpus{
      .tokens = {}, .statistics = text_statistics(file.bytes()), .content = digest_of(file.bytes()), .remark = {}};
  if (begins_with_json(file.bytes())) {
    corpus.remark =
        concat(path.string(), ": holds JSON, which is read as plain text: braces, keys and quotes are learnt too");
  }
  try {
    corpus.tokens = tokenizer.encode(file.bytes());
  } catch (const InputError& error) {
    throw InputError(text_error(path, error.what()));
  }
  check<InputError>(corpus.tokens.size() >= 2, path.string(), ": language modelling needs two tokens or more, found ",
                    corpus.tokens.size());
  return corpus;
}

}  // namespace cosformer

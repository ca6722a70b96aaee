#include "data/corpus/read_tokens.h"

#include <algorithm>
#include <charconv>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>
#include <vector>

#include "core/error.h"
#include "core/parallel.h"
#include "data/lra/rows.h"
#include "data/strict_json.h"
#include "data/tokenizers/words.h"

namespace cosformer {

namespace {

/// Bytes of documents that are encoded together.
constexpr std::size_t kDocumentBytes = std::size_t{1} << 22;

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

/// A number and ":" at the front of `text`, which are cut off.
std::optional<std::int64_t> take_number(std::string_view& text) {
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  const auto length = static_cast<std::size_t>(end - text.data());
  if (error != std::errc() || length == text.size() || text[length] != ':') return std::nullopt;
  text.remove_prefix(length + 1);
  return number;
}

void add(TextStatistics& sum, const TextStatistics& part) {
  sum.bytes += part.bytes;
  sum.lines += part.lines;
  sum.words += part.words;
}

}  // namespace

TextStatistics text_statistics(std::string_view text) {
  TextStatistics statistics{.bytes = static_cast<std::int64_t>(text.size())};
  for_each_word(
      text, [&](std::string_view) { ++statistics.words; }, [&] { ++statistics.lines; });
  statistics.words += statistics.lines;
  return statistics;
}

std::string corpus_remark(const CorpusFacts& facts, const CorpusFiles& corpus) {
  if (facts.json_file < 0) return {};
  return concat(corpus.files[static_cast<std::size_t>(facts.json_file)].string(),
                ": holds JSON, which is read as plain text: braces, keys and quotes are learnt too; task.text_key names the "
                "key of the text alone");
}

std::string text_error(const std::filesystem::path& path, std::string_view message, std::int64_t line, std::int64_t column) {
  std::string_view rest = message;
  const auto own_line = take_number(rest);
  const auto own_column = own_line ? take_number(rest) : std::nullopt;
  if (!own_column) return concat(path.string(), ": ", message);
  return concat(path.string(), ":", line + *own_line - 1, ":", *own_line == 1 ? column + *own_column - 1 : *own_column, ":",
                rest);
}

TokenReader::TokenReader(const CorpusFiles& corpus, const Tokenizer& tokenizer)
    : corpus_(corpus),
      tokenizer_(tokenizer),
      blocks_(corpus, [&tokenizer](std::string_view text, std::size_t p) { return tokenizer.may_cut(text, p); }) {}

CorpusFacts TokenReader::facts() const {
  CorpusFacts facts = facts_;
  facts.content = blocks_.digest();
  return facts;
}

void TokenReader::note_plain() {
  begins_file_ = file_ != block_->file;
  file_ = block_->file;
  if (!begins_file_) return;
  ++facts_.documents;
  if (facts_.json_file < 0 && begins_with_json(block_->text))
    facts_.json_file = std::ranges::find(corpus_.files, *file_) - corpus_.files.begin();
}

bool TokenReader::read() {
  documents_.clear();
  std::size_t bytes = 0;
  while (bytes < kDocumentBytes && (block_ = blocks_.next())) {
    add(facts_.statistics, text_statistics(block_->text));
    if (!block_->is_whole) {
      note_plain();
      return true;
    }
    ++facts_.documents;
    bytes += block_->text.size();
    documents_.push_back({std::string(block_->text), block_->file, block_->line});
  }
  return !documents_.empty();
}

bool TokenReader::skip() { return read(); }

std::optional<TokenPart> TokenReader::next() {
  if (!read()) return std::nullopt;
  TokenPart part;
  if (documents_.empty()) {
    if (begins_file_) part.starts.push_back(0);
    try {
      part.ids = tokenizer_.encode(block_->text);
    } catch (const InputError& error) {
      throw InputError(text_error(*file_, error.what(), block_->line, block_->column));
    }
    return part;
  }
  std::vector<std::vector<std::int32_t>> ids(documents_.size());
  std::vector<std::string> faults(documents_.size());
  parallel_for(std::ssize(documents_), [&](std::int64_t i) {
    const auto own = static_cast<std::size_t>(i);
    try {
      ids[own] = tokenizer_.encode(documents_[own].text);
    } catch (const InputError& error) {
      faults[own] = error.what();
    }
  });
  for (std::size_t i = 0; i < documents_.size(); ++i) {
    check<InputError>(faults[i].empty(), documents_[i].file->string(), ":", documents_[i].line, ": ", faults[i]);
    part.starts.push_back(std::ssize(part.ids));
    part.ids.insert(part.ids.end(), ids[i].begin(), ids[i].end());
    ids[i] = {};
  }
  return part;
}

}  // namespace cosformer

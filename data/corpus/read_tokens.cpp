#include "data/corpus/read_tokens.h"

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
constexpr std::size_t kDocumentBytes = std::size_t{1} << 24;

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

/// Documents that wait for being encoded together.
class DocumentBatch {
 public:
  explicit DocumentBatch(const Tokenizer& tokenizer) : tokenizer_(tokenizer) {}

  void add(const TextBlock& block) {
    bytes_ += block.text.size();
    documents_.push_back({std::string(block.text), block.file, block.line});
  }
  bool is_full() const { return bytes_ >= kDocumentBytes; }

  /// Hands the ids over and forgets the documents.
  void flush(const TokenReceiver& receive) {
    std::vector<std::vector<std::int32_t>> ids(documents_.size());
    std::vector<std::string> faults(documents_.size());
    parallel_for(static_cast<std::int64_t>(documents_.size()), [&](std::int64_t i) {
      const auto own = static_cast<std::size_t>(i);
      try {
        ids[own] = tokenizer_.encode(documents_[own].text);
      } catch (const InputError& error) {
        faults[own] = error.what();
      }
    });
    for (std::size_t i = 0; i < documents_.size(); ++i) {
      check<InputError>(faults[i].empty(), documents_[i].file->string(), ":", documents_[i].line, ": ", faults[i]);
      receive(ids[i]);
    }
    documents_.clear();
    bytes_ = 0;
  }

 private:
  struct Document {
    std::string text;
    const std::filesystem::path* file;
    std::int64_t line;
  };
  const Tokenizer& tokenizer_;
  std::vector<Document> documents_;
  std::size_t bytes_ = 0;
};

}  // namespace

TextStatistics text_statistics(std::string_view text) {
  TextStatistics statistics{.bytes = static_cast<std::int64_t>(text.size())};
  for_each_word(
      text, [&](std::string_view) { ++statistics.words; }, [&] { ++statistics.lines; });
  statistics.words += statistics.lines;
  return statistics;
}

std::string text_error(const std::filesystem::path& path, std::string_view message, std::int64_t line, std::int64_t column) {
  std::string_view rest = message;
  const auto own_line = take_number(rest);
  const auto own_column = own_line ? take_number(rest) : std::nullopt;
  if (!own_column) return concat(path.string(), ": ", message);
  return concat(path.string(), ":", line + *own_line - 1, ":", *own_line == 1 ? column + *own_column - 1 : *own_column, ":",
                rest);
}

CorpusFacts read_tokens(const CorpusFiles& corpus, const Tokenizer& tokenizer, const TokenReceiver& receive,
                        const TokenProgress& progress) {
  CorpusFacts facts;
  CorpusBlocks blocks(corpus, [&](std::string_view text, std::size_t p) { return tokenizer.may_cut(text, p); });
  DocumentBatch batch(tokenizer);
  const std::filesystem::path* file = nullptr;
  while (const auto block = blocks.next()) {
    const bool is_new_file = file != block->file;
    file = block->file;
    add(facts.statistics, text_statistics(block->text));
    if (block->is_whole) {
      ++facts.documents;
      batch.add(*block);
      if (batch.is_full()) batch.flush(receive);
    } else {
      if (is_new_file) ++facts.documents;
      if (is_new_file && facts.remark.empty() && begins_with_json(block->text)) {
        facts.remark = concat(file->string(),
                              ": holds JSON, which is read as plain text: braces, keys and quotes are learnt too; "
                              "task.text_key names the key of the text alone");
      }
      try {
        receive(tokenizer.encode(block->text));
      } catch (const InputError& error) {
        throw InputError(text_error(*file, error.what(), block->line, block->column));
      }
    }
    if (progress) progress(facts.statistics.bytes);
  }
  batch.flush(receive);
  facts.content = blocks.digest();
  return facts;
}

}  // namespace cosformer

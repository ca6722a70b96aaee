#include "data/corpus/text_blocks.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <span>
#include <utility>

#include "core/error.h"
#include "core/printable.h"
#include "data/strict_json.h"

namespace cosformer {

CorpusBlocks::CorpusBlocks(CorpusFiles corpus, MayCut may_cut, std::size_t block_bytes)
    : corpus_(std::move(corpus)), may_cut_(std::move(may_cut)), block_bytes_(block_bytes) {}

bool CorpusBlocks::fill() {
  buffer_.erase(0, given_);
  given_ = 0;
  if (at_end_) return false;
  const std::size_t before = buffer_.size();
  buffer_.resize(before + block_bytes_);
  const std::size_t count = source_->read(std::span(buffer_).subspan(before));
  buffer_.resize(before + count);
  digest_.add(std::string_view(buffer_).substr(before));
  at_end_ = count < block_bytes_;
  return count > 0;
}

void CorpusBlocks::count_lines(std::string_view text) {
  line_ += std::ranges::count(text, '\n');
  const std::size_t last = text.rfind('\n');
  column_ = static_cast<std::int64_t>(last == std::string_view::npos ? static_cast<std::size_t>(column_) + text.size()
                                                                     : text.size() - last);
}

std::optional<TextBlock> CorpusBlocks::next_plain() {
  fill();
  if (buffer_.empty()) return std::nullopt;
  // A cut needs the bytes behind it: at the end of what was read there is none unless the file ends there.
  std::size_t end = std::min(block_bytes_, buffer_.size());
  while (true) {
    while (end < buffer_.size() && !may_cut_(buffer_, end)) ++end;
    if (end < buffer_.size() || at_end_) break;
    fill();
  }
  TextBlock block{std::string_view(buffer_).substr(0, end), &corpus_.files[file_], line_, column_, false};
  given_ = end;
  count_lines(block.text);
  return block;
}

std::optional<TextBlock> CorpusBlocks::next_document() {
  while (true) {
    std::size_t end = buffer_.find('\n', given_);
    while (end == std::string::npos) {
      check<InputError>(buffer_.size() - given_ <= kMaxJsonBytes, corpus_.files[file_].string(), ":", line_,
                        ": error: a line of more than ", kMaxJsonBytes, " bytes");
      const std::size_t rest = buffer_.size() - given_;
      if (!fill()) break;
      // What was read before holds no end of a line; it begins the buffer now.
      end = buffer_.find('\n', given_ + rest);
    }
    if (end == std::string::npos && given_ == buffer_.size()) return std::nullopt;
    const std::size_t begin = given_;
    given_ = end == std::string::npos ? buffer_.size() : end + 1;
    const std::int64_t line = line_++;
    std::string_view json = std::string_view(buffer_).substr(begin, given_ - begin);
    while (!json.empty() && (json.back() == '\n' || json.back() == '\r')) json.remove_suffix(1);
    if (json.empty()) continue;
    try {
      document_ = text_of_json(json, corpus_.text_key);
    } catch (const InputError& error) {
      throw InputError(concat(corpus_.files[file_].string(), ":", line, ": ", error.what()));
    }
    if (!document_.ends_with('\n')) document_ += '\n';
    return TextBlock{document_, &corpus_.files[file_], line, 1, true};
  }
}

std::optional<TextBlock> CorpusBlocks::next() {
  while (file_ < corpus_.files.size()) {
    if (source_ == nullptr) {
      source_ = std::make_unique<ByteSource>(corpus_.files[file_]);
      at_end_ = false;
      line_ = column_ = 1;
    }
    if (auto block = corpus_.text_key.empty() ? next_plain() : next_document()) return block;
    source_.reset();
    buffer_.clear();
    given_ = 0;
    ++file_;
  }
  return std::nullopt;
}

std::string text_of_json(std::string_view line, const std::string& key) {
  nlohmann::json object;
  try {
    object = parse_strict_json(line, "JSON");
  } catch (const InputError& error) {
    throw InputError(concat("expected a JSON object with ", printable(key), " per line (task.text_key): ", error.what()));
  }
  const auto text = object.is_object() ? object.find(key) : object.end();
  check<InputError>(object.is_object() && text != object.end() && text->is_string(), "expected a JSON object whose key ",
                    printable(key), " (task.text_key) holds a text, found ",
                    visible_start(object.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace)));
  return text->get<std::string>();
}

}  // namespace cosformer

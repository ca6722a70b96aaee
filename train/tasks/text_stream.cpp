#include "train/tasks/text_stream.h"

#include <algorithm>
#include <string_view>
#include <utility>

#include "data/utf8.h"

namespace cosformer {

namespace {

constexpr std::string_view kReplacement = "\xEF\xBF\xBD";

/// True if bytes to come can make a character of `bytes`, which are fewer than 4.
bool may_become_character(const std::string& bytes) {
  // Continuation bytes are 80 to BF; some first bytes allow only the lower or the upper ones next.
  return utf8_length(bytes + "\x80\x80\x80") > bytes.size() || utf8_length(bytes + "\xBF\xBF\xBF") > bytes.size();
}

/// The bytes at the end of `text` that tokens to come may turn into others: up to three replacement characters. A tokenizer
/// that falls back to bytes gives them for the first bytes of a character, of which there are three at most.
std::size_t unsettled_bytes(std::string_view text) {
  std::size_t size = 0;
  for (int i = 0; i < 3 && text.substr(0, text.size() - size).ends_with(kReplacement); ++i) size += kReplacement.size();
  return size;
}

/// Tokens that a window of unsettled ones is cut to, and when: the bytes of one character are 4 tokens at most.
constexpr std::size_t kKeptTokens = 8, kMostTokens = 32;

}  // namespace

TextStream::TextStream(const Tokenizer& tokenizer, std::optional<std::int32_t> before, std::vector<std::string> stops)
    : tokenizer_(tokenizer), stops_(std::move(stops)) {
  if (before) begin_window({*before});
}

void TextStream::begin_window(std::vector<std::int32_t> tokens) {
  window_ = std::move(tokens);
  text_of_window_ = tokenizer_.decode(window_);
  taken_ = text_of_window_.size();
}

std::string TextStream::add(std::int32_t token) {
  if (has_stopped_) return {};
  window_.push_back(token);
  text_of_window_ = tokenizer_.decode(window_);
  const std::size_t unsettled = unsettled_bytes(text_of_window_);
  take_window(text_of_window_.size() - unsettled);
  if (unsettled == 0) {
    begin_window({token});
  } else if (window_.size() > kMostTokens) {
    begin_window({window_.end() - kKeptTokens, window_.end()});
    taken_ = text_of_window_.size() - unsettled;
  }
  take_characters(false);
  return release(false);
}

std::string TextStream::finish() {
  if (has_stopped_) return {};
  take_window(text_of_window_.size());
  take_characters(true);
  return release(true);
}

void TextStream::take_window(std::size_t end) {
  if (end <= taken_) return;
  bytes_ += text_of_window_.substr(taken_, end - taken_);
  taken_ = end;
}

void TextStream::take_characters(bool at_end) {
  std::string_view rest = bytes_;
  while (!rest.empty()) {
    const std::size_t length = utf8_length(rest);
    if (length == 0 && !at_end && rest.size() < 4 && may_become_character(std::string(rest))) break;
    text_ += length > 0 ? rest.substr(0, length) : kReplacement;
    rest.remove_prefix(std::max<std::size_t>(length, 1));
  }
  bytes_ = std::string(rest);
}

std::string TextStream::release(bool at_end) {
  // The stop that is complete first counts, of two the longer one: then it does not matter how the text is cut in pieces.
  std::size_t begin = text_.size(), end = std::string::npos;
  for (const std::string& stop : stops_) {
    const std::size_t found = text_.find(stop);
    if (found == std::string::npos) continue;
    has_stopped_ = true;
    if (std::pair(found + stop.size(), found) < std::pair(end, begin)) begin = found, end = found + stop.size();
  }
  if (has_stopped_ || at_end) return text_.substr(0, begin);
  std::size_t held = 0;
  for (const std::string& stop : stops_) {
    for (std::size_t length = std::min(stop.size() - 1, text_.size()); length > held; --length) {
      if (text_.ends_with(std::string_view(stop).substr(0, length))) held = length;
    }
  }
  std::string shown = text_.substr(0, text_.size() - held);
  text_.erase(0, shown.size());
  return shown;
}

}  // namespace cosformer

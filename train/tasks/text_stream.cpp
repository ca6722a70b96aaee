#include "train/tasks/text_stream.h"

#include <algorithm>
#include <array>
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

}  // namespace

TextStream::TextStream(const Tokenizer& tokenizer, std::optional<std::int32_t> before, std::vector<std::string> stops)
    : tokenizer_(tokenizer), before_(before), stops_(std::move(stops)) {}

std::string TextStream::add(std::int32_t token) {
  if (has_stopped_) return {};
  if (before_) {
    const std::array<std::int32_t, 2> both = {*before_, token};
    const std::size_t known = tokenizer_.decode({&*before_, 1}).size();
    bytes_ += tokenizer_.decode(both).substr(known);
  } else {
    bytes_ += tokenizer_.decode({&token, 1});
  }
  before_ = token;
  take_characters(false);
  return release(false);
}

std::string TextStream::finish() {
  if (has_stopped_) return {};
  take_characters(true);
  return release(true);
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

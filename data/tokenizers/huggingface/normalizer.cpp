#include "data/tokenizers/huggingface/normalizer.h"

#include <algorithm>
#include <memory>
#include <vector>

#include "data/tokenizers/bpe_pre_tokenizer.h"
#include "data/tokenizers/huggingface/split_pattern.h"
#include "data/tokenizers/huggingface/unicode.h"
#include "data/utf8.h"

namespace cosformer {

namespace {

using unicode::Form;

std::string without(std::string_view text, bool (*is_dropped)(char32_t)) {
  std::string result;
  unicode::for_each(text, [&](char32_t c, std::string_view bytes) {
    if (!is_dropped(c)) result += bytes;
  });
  return result;
}

/// BERT's: Devlin et al. 2018, tokenization.py.
std::string cleaned(std::string_view text) {
  std::string result;
  unicode::for_each(text, [&](char32_t c, std::string_view bytes) {
    const bool is_blank = c == '\t' || c == '\n' || c == '\r' || unicode::is_white_space(c);
    if (c == 0 || c == 0xFFFD || (!(c == '\t' || c == '\n' || c == '\r') && unicode::is_control(c))) return;
    result += is_blank ? std::string_view(" ") : bytes;
  });
  return result;
}

std::string with_ideographs_apart(std::string_view text) {
  std::string result;
  unicode::for_each(text, [&](char32_t c, std::string_view bytes) {
    const bool is_apart = unicode::is_ideograph(c);
    if (is_apart) result += ' ';
    result += bytes;
    if (is_apart) result += ' ';
  });
  return result;
}

Normalizer bert(const JsonPart& part) {
  part.allow({"clean_text", "handle_chinese_chars", "strip_accents", "lowercase"});
  const bool cleans = part.boolean("clean_text", true), parts_ideographs = part.boolean("handle_chinese_chars", true);
  const bool lowers = part.boolean("lowercase", true), strips = part.boolean("strip_accents", lowers);
  return [=](std::string_view given) {
    std::string text(given);
    if (cleans) text = cleaned(text);
    if (parts_ideographs) text = with_ideographs_apart(text);
    if (strips) text = without(unicode::normalize(text, Form::nfd), unicode::is_nonspacing_mark);
    if (lowers) text = unicode::lowercase(text);
    return text;
  };
}

Normalizer strip(const JsonPart& part) {
  part.allow({"strip_left", "strip_right"});
  const bool left = part.boolean("strip_left", true), right = part.boolean("strip_right", true);
  return [=](std::string_view text) {
    std::size_t begin = text.size(), end = 0, at = 0;
    unicode::for_each(text, [&](char32_t c, std::string_view bytes) {
      if (!unicode::is_white_space(c)) {
        begin = std::min(begin, at);
        end = at + bytes.size();
      }
      at += bytes.size();
    });
    if (begin >= end) return std::string(left || right ? "" : text);
    if (!left) begin = 0;
    if (!right) end = text.size();
    return std::string(text.substr(begin, end - begin));
  };
}

Normalizer replace(const JsonPart& part) {
  part.allow({"pattern", "content"});
  const auto pattern = std::make_shared<const SplitPattern>(part.part("pattern"));
  return [pattern, content = part.text("content")](std::string_view text) {
    std::string result;
    for (const Stretch& stretch : pattern->stretches(text)) result += stretch.is_match ? content : stretch.text;
    return result;
  };
}

Normalizer sequence(const JsonPart& part) {
  part.allow({"normalizers"});
  std::vector<Normalizer> steps;
  for (const JsonPart& step : part.parts("normalizers")) steps.push_back(read_normalizer(step));
  return [steps](std::string_view given) {
    std::string text(given);
    for (const Normalizer& step : steps) text = step(text);
    return text;
  };
}

}  // namespace

Normalizer read_normalizer(const JsonPart& part) {
  const std::string type = part.type();
  if (type == "BertNormalizer") return bert(part);
  if (type == "Strip") return strip(part);
  if (type == "Replace") return replace(part);
  if (type == "Sequence") return sequence(part);
  if (type == "Prepend") {
    part.allow({"prepend"});
    return [prefix = part.text("prepend")](std::string_view text) {
      return text.empty() ? std::string() : prefix + std::string(text);
    };
  }
  constexpr std::pair<std::string_view, Form> kForms[] = {
      {"NFC", Form::nfc}, {"NFD", Form::nfd}, {"NFKC", Form::nfkc}, {"NFKD", Form::nfkd}};
  for (const auto& form : kForms) {
    if (form.first != type) continue;
    part.allow({});
    return [own = form.second](std::string_view text) { return unicode::normalize(text, own); };
  }
  if (type == "Lowercase") {
    part.allow({});
    return unicode::lowercase;
  }
  if (type == "StripAccents") {
    part.allow({});
    return [](std::string_view text) { return without(text, unicode::is_mark); };
  }
  if (type == "ByteLevel") {
    part.allow({});
    return spell_bytes;
  }
  part.refuse();
}

}  // namespace cosformer

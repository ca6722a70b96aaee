#include "data/tokenizers/huggingface/pre_tokenizer.h"

#include <memory>
#include <string_view>
#include <utility>

#include "core/error.h"
#include "core/printable.h"
#include "data/tokenizers/bpe_pre_tokenizer.h"
#include "data/tokenizers/huggingface/split_pattern.h"
#include "data/tokenizers/huggingface/unicode.h"

namespace cosformer {

namespace {

using Cut = std::function<std::vector<std::string_view>(std::string_view)>;

/// A pre-tokenizer that cuts each piece by itself.
PreTokenizer by_cut(Cut cut) {
  return [cut = std::move(cut)](const std::vector<TextPiece>& pieces) {
    std::vector<TextPiece> result;
    for (const TextPiece& piece : pieces) {
      for (const std::string_view part : cut(piece.text))
        result.push_back({std::string(part), piece.is_first && part.data() == piece.text.data()});
    }
    return result;
  };
}

/// Cuts where a property of code points holds.
Cut by_property(bool (*holds)(char32_t), SplitBehavior behavior) {
  return [=](std::string_view text) {
    std::vector<Stretch> stretches;
    unicode::for_each(text, [&](char32_t c, std::string_view bytes) {
      const bool is_match = holds(c);
      if (!is_match && !stretches.empty() && !stretches.back().is_match) {
        stretches.back().text = {stretches.back().text.data(), stretches.back().text.size() + bytes.size()};
      } else {
        stretches.push_back({bytes, is_match});
      }
    });
    return apply_behavior(stretches, behavior);
  };
}

Cut by_pattern(std::shared_ptr<const SplitPattern> pattern, SplitBehavior behavior, bool inverts) {
  return [pattern = std::move(pattern), behavior, inverts](std::string_view text) {
    std::vector<Stretch> stretches = pattern->stretches(text);
    if (inverts) {
      for (Stretch& stretch : stretches) stretch.is_match = !stretch.is_match;
    }
    return apply_behavior(stretches, behavior);
  };
}

PreTokenizer in_order(std::vector<PreTokenizer> steps) {
  return [steps = std::move(steps)](std::vector<TextPiece> pieces) {
    for (const PreTokenizer& step : steps) pieces = step(std::move(pieces));
    return pieces;
  };
}

PreTokenizer byte_level(const JsonPart& part) {
  part.allow({"add_prefix_space", "trim_offsets", "use_regex"});
  const bool prefixes = part.boolean("add_prefix_space", true), cuts = part.boolean("use_regex", true);
  const auto words = std::make_shared<const BpePreTokenizer>();
  return [=](const std::vector<TextPiece>& pieces) {
    std::vector<TextPiece> result;
    for (const TextPiece& piece : pieces) {
      const std::string text = (prefixes && !piece.text.starts_with(' ') ? " " : "") + piece.text;
      const std::vector<std::string_view> parts = cuts ? words->split(text) : std::vector<std::string_view>{text};
      for (const std::string_view word : parts)
        result.push_back({spell_bytes(word), piece.is_first && word.data() == text.data()});
    }
    return result;
  };
}

PreTokenizer metaspace(const JsonPart& part) {
  part.allow({"replacement", "prepend_scheme", "add_prefix_space", "split", "str_rep"});
  const std::string mark = part.text("replacement", "\xE2\x96\x81");
  const PrependScheme scheme = prepend_scheme(part);
  const bool splits = part.boolean("split", true);
  if (mark.empty()) part.refuse("replacement", "expected one character");
  return [=](const std::vector<TextPiece>& pieces) {
    std::vector<TextPiece> result;
    for (const TextPiece& piece : pieces) {
      std::string text;
      for (const char c : piece.text) text += c == ' ' ? mark : std::string(1, c);
      const bool prepends = scheme == PrependScheme::always || (scheme == PrependScheme::first && piece.is_first);
      if (prepends && !text.starts_with(mark)) text.insert(0, mark);
      if (!splits) {
        result.push_back({text, piece.is_first});
        continue;
      }
      std::vector<Stretch> stretches;
      std::size_t done = 0;
      for (std::size_t at; (at = text.find(mark, done)) != std::string::npos; done = at + mark.size()) {
        if (at > done) stretches.push_back({std::string_view(text).substr(done, at - done), false});
        stretches.push_back({std::string_view(text).substr(at, mark.size()), true});
      }
      if (done < text.size()) stretches.push_back({std::string_view(text).substr(done), false});
      for (const std::string_view word : apply_behavior(stretches, SplitBehavior::merged_with_next))
        result.push_back({std::string(word), piece.is_first && word.data() == text.data()});
    }
    return result;
  };
}

PreTokenizer split(const JsonPart& part) {
  part.allow({"pattern", "behavior", "invert"});
  return by_cut(by_pattern(std::make_shared<const SplitPattern>(part.part("pattern")),
                           split_behavior(part, "behavior", "Removed"), part.boolean("invert", false)));
}

}  // namespace

PrependScheme prepend_scheme(const JsonPart& part) {
  if (!part.has("prepend_scheme"))
    return part.boolean("add_prefix_space", true) ? PrependScheme::always : PrependScheme::never;
  const std::string name = part.text("prepend_scheme");
  if (name == "first") return PrependScheme::first;
  if (name == "never") return PrependScheme::never;
  if (name == "always") return PrependScheme::always;
  part.refuse("prepend_scheme", concat("expected first, never or always, found ", printable(name)));
}

PreTokenizer read_pre_tokenizer(const JsonPart& part) {
  const std::string type = part.type();
  if (type == "ByteLevel") return byte_level(part);
  if (type == "Metaspace") return metaspace(part);
  if (type == "Split") return split(part);
  if (type == "Sequence") {
    part.allow({"pretokenizers"});
    std::vector<PreTokenizer> steps;
    for (const JsonPart& step : part.parts("pretokenizers")) steps.push_back(read_pre_tokenizer(step));
    return in_order(std::move(steps));
  }
  if (type == "BertPreTokenizer") {
    part.allow({});
    return in_order({by_cut(by_property(unicode::is_white_space, SplitBehavior::removed)),
                     by_cut(by_property(unicode::is_punctuation, SplitBehavior::isolated))});
  }
  if (type == "Whitespace") {
    part.allow({});
    // \w of Rust's expressions, which this component is written with.
    constexpr const char* kWords =
        R"([\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\p{Join_Control}]+|[^\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\p{Join_Control})";
    return by_cut(by_pattern(std::make_shared<const SplitPattern>(concat(kWords, kWhiteSpaceRanges, "]+")),
                             SplitBehavior::removed, true));
  }
  if (type == "WhitespaceSplit") {
    part.allow({});
    return by_cut(by_property(unicode::is_white_space, SplitBehavior::removed));
  }
  if (type == "Punctuation") {
    part.allow({"behavior"});
    return by_cut(by_property(unicode::is_punctuation, split_behavior(part, "behavior", "Isolated")));
  }
  if (type == "Digits") {
    part.allow({"individual_digits"});
    const bool each = part.boolean("individual_digits", false);
    return by_cut(by_property(unicode::is_number, each ? SplitBehavior::isolated : SplitBehavior::contiguous));
  }
  part.refuse();
}

}  // namespace cosformer

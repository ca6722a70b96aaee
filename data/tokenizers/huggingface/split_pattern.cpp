#include "data/tokenizers/huggingface/split_pattern.h"

#include <algorithm>

#include "core/error.h"
#include "core/printable.h"
#include "data/tokenizers/huggingface/unicode.h"

namespace cosformer {

namespace {

constexpr std::string_view kWordRanges = R"(\p{L}\p{M}\p{Nd}\p{Pc})";

/// The stretch from the begin of `first` to the end of `last`, which lie in one text.
std::string_view joined(std::string_view first, std::string_view last) {
  return {first.data(), static_cast<std::size_t>(last.data() + last.size() - first.data())};
}

}  // namespace

std::string translate_expression(std::string_view expression, const std::string& where) {
  std::string result;
  bool in_class = false;
  for (std::size_t i = 0; i < expression.size(); ++i) {
    const char c = expression[i];
    const auto refuse = [&](std::string_view what) {
      throw InputError(concat(where, ": ", printable(what), " in an expression is not known here"));
    };
    if (c == '[' && in_class) refuse("[ within [...]");
    if (c == '&' && in_class && expression.substr(i).starts_with("&&")) refuse("&&");
    if (c == '[') in_class = true;
    if (c == ']') in_class = false;
    if (c != '\\' || i + 1 == expression.size()) {
      result += c;
      continue;
    }
    const char escaped = expression[++i];
    const auto set = [&](std::string_view ranges, bool negated) {
      if (in_class && negated) refuse(concat('\\', escaped, " within [...]"));
      result += in_class ? std::string(ranges) : concat(negated ? "[^" : "[", ranges, ']');
    };
    switch (escaped) {
      case 's':
      case 'S':
        set(kWhiteSpaceRanges, escaped == 'S');
        break;
      case 'w':
      case 'W':
        set(kWordRanges, escaped == 'W');
        break;
      case 'h':
      case 'H':
      case 'R':
      case 'X':
      case 'C':
      case 'K':
      case 'G':
      case 'N':
      case 'O':
      case 'y':
      case 'Y':
        refuse(concat('\\', escaped));
        break;
      default:
        result += '\\';
        result += escaped;
    }
  }
  return result;
}

SplitPattern::SplitPattern(const JsonPart& part) {
  part.allow({"String", "Regex"});
  if (part.has("String")) {
    literal_ = part.text("String");
    if (literal_.empty()) part.refuse("String", "expected a text that is not empty");
    return;
  }
  const std::string expression = part.text("Regex");
  try {
    expression_.emplace(translate_expression(expression, part.where()));
  } catch (const InputError& error) {
    throw InputError(concat(part.where(), ".Regex: ", error.what()));
  }
}

SplitPattern::SplitPattern(const std::string& expression) : expression_(expression) {}

std::vector<Stretch> SplitPattern::stretches(std::string_view text) const {
  std::vector<Stretch> result;
  std::size_t done = 0;
  const auto add = [&](std::size_t begin, std::size_t end) {
    if (begin > done) result.push_back({text.substr(done, begin - done), false});
    result.push_back({text.substr(begin, end - begin), true});
    done = end;
  };
  if (!expression_) {
    for (std::size_t at; (at = text.find(literal_, done)) != std::string_view::npos;) add(at, at + literal_.size());
  } else {
    Pattern::Search search(*expression_);
    for (std::size_t from = 0; from < text.size();) {
      const auto match = search.find(text, from);
      if (!match) break;
      // A match of nothing parts nothing.
      if (match->end > match->begin) {
        add(match->begin, match->end);
        from = match->end;
      } else if (match->end < text.size()) {
        from = match->end + unicode::first_of(text.substr(match->end)).bytes;
      } else {
        break;
      }
    }
  }
  if (done < text.size()) result.push_back({text.substr(done), false});
  return result;
}

SplitBehavior split_behavior(const JsonPart& part, std::string_view key, const char* fallback) {
  const std::string name = part.text(key, fallback);
  if (name == "Removed") return SplitBehavior::removed;
  if (name == "Isolated") return SplitBehavior::isolated;
  if (name == "MergedWithPrevious") return SplitBehavior::merged_with_previous;
  if (name == "MergedWithNext") return SplitBehavior::merged_with_next;
  if (name == "Contiguous") return SplitBehavior::contiguous;
  part.refuse(key, concat("no behavior ", printable(name), " is known here"));
}

std::vector<std::string_view> apply_behavior(const std::vector<Stretch>& stretches, SplitBehavior behavior) {
  std::vector<std::string_view> pieces;
  bool previous = false;
  if (behavior == SplitBehavior::merged_with_next) {
    std::vector<Stretch> backwards = stretches;
    std::ranges::reverse(backwards);
    for (const Stretch& stretch : backwards) {
      if (stretch.is_match && !previous && !pieces.empty()) {
        pieces.back() = joined(stretch.text, pieces.back());
      } else {
        pieces.push_back(stretch.text);
      }
      previous = stretch.is_match;
    }
    std::ranges::reverse(pieces);
    return pieces;
  }
  for (const Stretch& stretch : stretches) {
    const bool merges = behavior == SplitBehavior::merged_with_previous
                            ? stretch.is_match && !previous
                            : behavior == SplitBehavior::contiguous && stretch.is_match == previous;
    if (behavior == SplitBehavior::removed && stretch.is_match) continue;
    if (merges && !pieces.empty()) {
      pieces.back() = joined(pieces.back(), stretch.text);
    } else {
      pieces.push_back(stretch.text);
    }
    previous = stretch.is_match;
  }
  return pieces;
}

}  // namespace cosformer

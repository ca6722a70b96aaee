#include "data/special_tokens.h"

#include <array>
#include <optional>

#include "core/error.h"

namespace cosformer {

namespace {

/// The ids of `<s>`, `</s>` and `<mask>`, or of what BERT calls them.
std::optional<std::array<std::int32_t, 3>> find_special_tokens(const Tokenizer& tokenizer) {
  constexpr std::array<const char*, 3> kNames[] = {{"<s>", "</s>", "<mask>"}, {"[CLS]", "[SEP]", "[MASK]"}};
  for (const auto& [first, separator, mask] : kNames) {
    const auto a = tokenizer.find_token(first), b = tokenizer.find_token(separator), c = tokenizer.find_token(mask);
    if (a && b && c) return std::array{*a, *b, *c};
  }
  return {};
}

}  // namespace

SpecialTokens SpecialTokens::of(const Tokenizer& tokenizer) {
  const auto own = find_special_tokens(tokenizer);
  check<InputError>(own.has_value(), "task.special_tokens = \"tokenizer\": the tokenizer (", tokenizer.kind(),
                    ") has neither <s>, </s> and <mask> nor [CLS], [SEP] and [MASK]; expected \"added\"");
  SpecialTokens tokens(tokenizer.vocab_size());
  tokens.class_token = (*own)[0];
  tokens.separator = (*own)[1];
  tokens.mask = (*own)[2];
  tokens.vocab_size = tokenizer.vocab_size();
  return tokens;
}

bool has_special_tokens(const Tokenizer& tokenizer) { return find_special_tokens(tokenizer).has_value(); }

}  // namespace cosformer

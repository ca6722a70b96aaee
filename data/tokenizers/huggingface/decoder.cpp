#include "data/tokenizers/huggingface/decoder.h"

#include <memory>
#include <string_view>
#include <utility>

#include "data/tokenizers/bpe_pre_tokenizer.h"
#include "data/tokenizers/huggingface/pre_tokenizer.h"
#include "data/tokenizers/huggingface/split_pattern.h"

namespace cosformer {

namespace {

using Tokens = std::vector<std::string>;

std::string replaced(const std::string& text, std::string_view from, std::string_view to) {
  std::string result;
  std::size_t done = 0;
  for (std::size_t at; (at = text.find(from, done)) != std::string::npos; done = at + from.size())
    result.append(text, done, at - done).append(to);
  return result.append(text, done);
}

Tokens joined(const Tokens& tokens) {
  std::string text;
  for (const std::string& token : tokens) text += token;
  return {text};
}

TokenDecoder byte_level(const JsonPart& part) {
  part.allow({"add_prefix_space", "trim_offsets", "use_regex"});
  return [](Tokens tokens) {
    // An added token may have characters that stand for no byte.
    for (std::string& token : tokens) token = bytes_of_spelling(token).value_or(token);
    return joined(tokens);
  };
}

TokenDecoder word_piece(const JsonPart& part) {
  part.allow({"prefix", "cleanup"});
  return [prefix = part.text("prefix", "##"), cleans = part.boolean("cleanup", true)](Tokens tokens) {
    constexpr std::pair<std::string_view, std::string_view> kCleanings[] = {
        {" .", "."},   {" ?", "?"},           {" !", "!"},   {" ,", ","},     {" ' ", "'"},   {" n't", "n't"},
        {" 'm", "'m"}, {" do not", " don't"}, {" 's", "'s"}, {" 've", "'ve"}, {" 're", "'re"}};
    for (std::size_t i = 0; i < tokens.size(); ++i) {
      if (i > 0) tokens[i] = tokens[i].starts_with(prefix) ? tokens[i].substr(prefix.size()) : " " + tokens[i];
      if (!cleans) continue;
      for (const auto& [from, to] : kCleanings) tokens[i] = replaced(tokens[i], from, to);
    }
    return tokens;
  };
}

TokenDecoder metaspace(const JsonPart& part) {
  part.allow({"replacement", "prepend_scheme", "add_prefix_space", "split", "str_rep"});
  const std::string mark = part.text("replacement", "\xE2\x96\x81");
  if (mark.empty()) part.refuse("replacement", "expected one character");
  return [mark, drops = prepend_scheme(part) != PrependScheme::never](Tokens tokens) {
    for (std::size_t i = 0; i < tokens.size(); ++i) tokens[i] = replaced(tokens[i], mark, i == 0 && drops ? "" : " ");
    return tokens;
  };
}

/// "<0x0A>" -> the byte.
TokenDecoder byte_fallback(const JsonPart& part) {
  part.allow({});
  return [](Tokens tokens) {
    constexpr std::string_view kHex = "0123456789ABCDEF";
    for (std::string& token : tokens) {
      if (token.size() != 6 || !token.starts_with("<0x") || token[5] != '>') continue;
      const std::size_t high = kHex.find(token[3]), low = kHex.find(token[4]);
      if (high != std::string_view::npos && low != std::string_view::npos)
        token = std::string(1, static_cast<char>(static_cast<unsigned char>(high * 16 + low)));
    }
    return tokens;
  };
}

TokenDecoder strip(const JsonPart& part) {
  part.allow({"content", "start", "stop"});
  const std::string content = part.text("content");
  if (content.empty()) part.refuse("content", "expected one character");
  return [content, start = part.integer("start", 0), stop = part.integer("stop", 0)](Tokens tokens) {
    for (std::string& token : tokens) {
      for (std::int64_t i = 0; i < start && token.starts_with(content); ++i) token.erase(0, content.size());
      for (std::int64_t i = 0; i < stop && token.ends_with(content); ++i) token.resize(token.size() - content.size());
    }
    return tokens;
  };
}

TokenDecoder replace(const JsonPart& part) {
  part.allow({"pattern", "content"});
  const auto pattern = std::make_shared<const SplitPattern>(part.part("pattern"));
  return [pattern, content = part.text("content")](Tokens tokens) {
    for (std::string& token : tokens) {
      std::string text;
      for (const Stretch& stretch : pattern->stretches(token)) text += stretch.is_match ? content : stretch.text;
      token = text;
    }
    return tokens;
  };
}

TokenDecoder sequence(const JsonPart& part) {
  part.allow({"decoders"});
  std::vector<TokenDecoder> steps;
  for (const JsonPart& step : part.parts("decoders")) steps.push_back(read_token_decoder(step));
  return [steps](Tokens tokens) {
    for (const TokenDecoder& step : steps) tokens = step(std::move(tokens));
    return tokens;
  };
}

TokenDecoder end_of_word(const JsonPart& part) {
  part.allow({"suffix"});
  return [suffix = part.text("suffix", "</w>")](Tokens tokens) {
    for (std::size_t i = 0; i < tokens.size() && !suffix.empty(); ++i)
      tokens[i] = replaced(tokens[i], suffix, i + 1 == tokens.size() ? "" : " ");
    return tokens;
  };
}

}  // namespace

TokenDecoder read_token_decoder(const JsonPart& part) {
  const std::string type = part.type();
  if (type == "ByteLevel") return byte_level(part);
  if (type == "WordPiece") return word_piece(part);
  if (type == "Metaspace") return metaspace(part);
  if (type == "ByteFallback") return byte_fallback(part);
  if (type == "Strip") return strip(part);
  if (type == "Replace") return replace(part);
  if (type == "Sequence") return sequence(part);
  if (type == "BPEDecoder") return end_of_word(part);
  if (type == "Fuse") {
    part.allow({});
    return joined;
  }
  part.refuse();
}

}  // namespace cosformer

#include "data/parallel_text.h"

#include <system_error>

#include "core/error.h"
#include "data/lra/rows.h"
#include "data/texts/compressed_lines.h"
#include "data/utf8.h"

namespace cosformer {

namespace {

namespace fs = std::filesystem;

fs::path find_file(const fs::path& prefix, const std::string& language) {
  const fs::path plain = prefix.string() + '.' + language, compressed = plain.string() + ".gz";
  std::error_code ignored;
  if (fs::is_regular_file(plain, ignored)) return plain;
  check<InputError>(fs::is_regular_file(compressed, ignored), plain.string(), ": no such file, and no ",
                    compressed.string());
  return compressed;
}

std::vector<std::string> read_lines(const fs::path& path) {
  CompressedLines lines(path, "a text file");
  std::vector<std::string> all;
  while (const auto line = lines.next()) {
    const std::size_t invalid = find_invalid_utf8(*line);
    check<InputError>(invalid == std::string_view::npos, at_row(path, lines.number()), "not UTF-8 text at byte ",
                      invalid + 1);
    all.emplace_back(*line);
  }
  return all;
}

/// The tokens of a line without `</s>`.
std::vector<std::int32_t> encode_line(const Tokenizer& tokenizer, const std::string& line, const fs::path& path,
                                      std::size_t number) {
  try {
    return tokenizer.encode(line);
  } catch (const InputError& error) {
    throw InputError(concat(at_row(path, static_cast<std::int64_t>(number) + 1), error.what()));
  }
}

void end_sentence(std::vector<std::int32_t>& tokens, std::int32_t end, std::int64_t max_length) {
  const auto room = static_cast<std::size_t>(max_length - 1);
  if (tokens.size() > room) tokens.resize(room);
  tokens.push_back(end);
}

}  // namespace

ParallelFiles find_parallel_files(const fs::path& prefix, const std::string& source_language,
                                  const std::string& target_language) {
  return {find_file(prefix, source_language), find_file(prefix, target_language)};
}

ParallelText load_parallel_text(const ParallelFiles& files) {
  ParallelText text{read_lines(files.source), read_lines(files.target)};
  check<InputError>(text.source.size() == text.target.size(), files.source.string(), " has ", text.source.size(),
                    " lines, but ", files.target.string(), " has ", text.target.size(), "; expected as many");
  check<InputError>(!text.source.empty(), files.source.string(), ": the file has no line");
  return text;
}

Digest content_of(const std::vector<std::string>& lines) {
  DigestBuilder content;
  for (const std::string& line : lines) {
    content.add(line);
    content.add("\n");
  }
  return content.digest();
}

SentencePairs tokenize_parallel_text(const ParallelText& text, const ParallelFiles& files, const Tokenizer& tokenizer,
                                     std::int64_t max_length, UnfitSentences unfit) {
  check<InputError>(max_length >= 2, "task.seq_len: expected at least 2 for sentences with their end, found ", max_length);
  const std::int32_t end = TranslationTokens(tokenizer.vocab_size()).end;
  const auto fits = [&](const std::vector<std::int32_t>& tokens) {
    return !tokens.empty() && static_cast<std::int64_t>(tokens.size()) < max_length;
  };
  SentencePairs pairs;
  for (std::size_t line = 0; line < text.source.size(); ++line) {
    std::vector<std::int32_t> source = encode_line(tokenizer, text.source[line], files.source, line);
    std::vector<std::int32_t> target = encode_line(tokenizer, text.target[line], files.target, line);
    if (unfit == UnfitSentences::leave_out && !(fits(source) && fits(target))) {
      ++pairs.left_out;
      continue;
    }
    end_sentence(source, end, max_length);
    end_sentence(target, end, max_length);
    pairs.source.push_back(std::move(source));
    pairs.target.push_back(std::move(target));
    pairs.lines.push_back(static_cast<std::int64_t>(line));
  }
  check<InputError>(pairs.size() > 0, files.source.string(), ": no pair of sentences has 1 to ", max_length - 1,
                    " tokens (task.seq_len - 1) on both sides");
  return pairs;
}

std::vector<std::int32_t> source_sentence(const std::string& text, const Tokenizer& tokenizer, std::int64_t max_length) {
  std::vector<std::int32_t> tokens = tokenizer.encode(text);
  end_sentence(tokens, TranslationTokens(tokenizer.vocab_size()).end, max_length);
  return tokens;
}

}  // namespace cosformer

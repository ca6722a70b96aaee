#include "data/lra/listops.h"

#include <algorithm>
#include <fstream>
#include <optional>
#include <string>

#include "core/error.h"
#include "core/parallel.h"
#include "core/printable.h"
#include "data/lra/listops_tokens.h"
#include "data/lra/packed_sequences.h"
#include "data/lra/rows.h"
#include "data/mapped_file.h"

namespace cosformer {

namespace {

constexpr PartNames kNames{"basic_train.tsv", "basic_val.tsv", "basic_test.tsv"};

/// Nothing if there is no such token.
std::optional<std::uint8_t> token_id(std::string_view token) {
  if (token.size() == 1 && token[0] >= '0' && token[0] <= '9') {
    return static_cast<std::uint8_t>(kListopsFirstDigit + (token[0] - '0'));
  }
  const auto found = std::ranges::find(kListopsTokens, token);
  if (found == kListopsTokens.end()) return std::nullopt;
  return static_cast<std::uint8_t>(1 + (found - kListopsTokens.begin()));
}

/// Adds one row to `examples`, or says what is wrong with it. `tokens` is working space.
std::optional<std::string> parse_row(std::string_view row, std::vector<std::uint8_t>& tokens, PackedExamples& examples) {
  const auto tabs = std::ranges::count(row, '\t');
  if (tabs != 1) return concat("expected an expression, one tab and a digit, found ", tabs, " tabs");
  const std::size_t tab = row.find('\t');
  const std::string_view label = row.substr(tab + 1);
  if (label.size() != 1 || label[0] < '0' || label[0] > '9') {
    return concat("expected a digit after the tab, found ", printable(label));
  }
  tokens.clear();
  std::string_view rest = row.substr(0, tab);
  while (!rest.empty()) {
    const std::size_t blank = std::min(rest.find(' '), rest.size());
    const std::string_view token = rest.substr(0, blank);
    rest.remove_prefix(std::min(blank + 1, rest.size()));
    if (token.empty() || token == "(" || token == ")") continue;
    const auto id = token_id(token);
    if (!id) return concat("unknown token ", printable(token), ", expected [MIN, [MAX, [MED, [SM, ], ( , ) or a digit");
    tokens.push_back(*id);
  }
  if (tokens.empty()) return "an expression without tokens";
  examples.add(tokens, static_cast<std::uint8_t>(label[0] - '0'));
  return std::nullopt;
}

/// The rows of one piece of a file, and what was wrong with the first that could not be read.
struct Piece {
  PackedExamples examples;
  std::optional<std::string> error;
};

}  // namespace

std::unique_ptr<LabelledSequences> load_listops(const std::filesystem::path& path, Split part) {
  const std::filesystem::path name = path_of_part(path, part, kNames);
  const MappedFile file(name);
  const std::vector<std::string_view> lines = split_lines(file.bytes(), name);
  check<InputError>(!lines.empty() && lines[0] == kListopsHeader, at_row(name, 1),
                    "expected the header Source<TAB>Target, found ", printable(lines.empty() ? "" : lines[0]));
  check<InputError>(lines.size() > 1, name.string(), ": no rows after the header");

  constexpr std::size_t kRowsPerPiece = 1024;
  std::vector<Piece> pieces((lines.size() - 1 + kRowsPerPiece - 1) / kRowsPerPiece);
  parallel_for(static_cast<std::int64_t>(pieces.size()), [&](std::int64_t number) {
    Piece& piece = pieces[static_cast<std::size_t>(number)];
    const std::size_t begin = 1 + static_cast<std::size_t>(number) * kRowsPerPiece;
    std::vector<std::uint8_t> tokens;
    for (std::size_t i = begin; i < std::min(begin + kRowsPerPiece, lines.size()); ++i) {
      const auto error = parse_row(lines[i], tokens, piece.examples);
      if (!error) continue;
      piece.error = at_row(name, static_cast<std::int64_t>(i) + 1) + *error;
      return;
    }
  });
  PackedExamples examples;
  for (Piece& piece : pieces) {
    if (piece.error) throw InputError(*piece.error);
    examples.append(piece.examples);
    piece.examples = {};
  }
  return std::make_unique<PackedSequences>(std::move(examples), PackedFormat{kListopsVocabSize, kListopsClasses, 0});
}

std::string listops_row(const std::filesystem::path& path, Split part, std::int64_t example) {
  // Rows count from 1, and the first is the header.
  return at_row(path_of_part(path, part, kNames), example + 2);
}

bool is_listops(const std::filesystem::path& path) {
  for (const char* name : {kNames.train, kNames.valid, kNames.test}) {
    std::error_code ignored;
    const bool is_folder = std::filesystem::is_directory(path, ignored);
    const std::filesystem::path file = is_folder ? path / name : path;
    if (!std::filesystem::is_regular_file(file, ignored)) continue;
    std::string start(kListopsHeader.size(), '\0');
    if (std::ifstream(file, std::ios::binary).read(start.data(), static_cast<std::streamsize>(start.size())) &&
        start == kListopsHeader) {
      return true;
    }
  }
  return false;
}

}  // namespace cosformer

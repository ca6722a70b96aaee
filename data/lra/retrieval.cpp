#include "data/lra/retrieval.h"

#include <algorithm>
#include <array>
#include <optional>
#include <span>
#include <string>

#include "core/error.h"
#include "core/printable.h"
#include "data/lra/byte_text.h"
#include "data/lra/packed_sequences.h"
#include "data/lra/rows.h"
#include "data/mapped_file.h"

namespace cosformer {

namespace {

constexpr PartNames kNames{"new_aan_pairs.train.tsv", "new_aan_pairs.eval.tsv", "new_aan_pairs.test.tsv"};
constexpr std::size_t kColumns = 5;

struct Pair {
  std::array<std::string_view, 2> texts;  ///< inside the mapped file
  std::int32_t label;
};

class PairSequences : public LabelledSequences {
 public:
  PairSequences(MappedFile file, std::vector<Pair> pairs) : file_(std::move(file)), pairs_(std::move(pairs)) {}

  std::int64_t size() const override { return static_cast<std::int64_t>(pairs_.size()); }
  std::int32_t label(std::int64_t example) const override { return pair(example).label; }
  int texts() const override { return 2; }
  void read(std::int64_t example, int text, std::int64_t max_length, std::vector<std::int32_t>& tokens) const override {
    check<Error>(text == 0 || text == 1, "text ", text, " of a pair");
    const std::string_view bytes = pair(example).texts[static_cast<std::size_t>(text)];
    write_tokens({reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()}, 1, max_length, tokens);
  }
  std::int64_t vocab_size() const override { return kByteTextVocabSize; }
  std::int64_t num_classes() const override { return 2; }

 private:
  const Pair& pair(std::int64_t example) const {
    check<Error>(example >= 0 && example < size(), "example ", example, " of ", size());
    return pairs_[static_cast<std::size_t>(example)];
  }

  MappedFile file_;
  std::vector<Pair> pairs_;
};

std::optional<std::int32_t> parse_label(std::string_view text) {
  if (text == "0.0" || text == "0") return 0;
  if (text == "1.0" || text == "1") return 1;
  return std::nullopt;
}

Pair parse_row(std::string_view row, const std::filesystem::path& path, std::int64_t number) {
  const auto tabs = static_cast<std::size_t>(std::ranges::count(row, '\t'));
  check<InputError>(tabs == kColumns - 1, at_row(path, number), "expected ", kColumns, " columns parted by tabs, found ",
                    tabs + 1);
  const std::vector<std::string_view> columns = split_row(row, '\t');
  const auto label = parse_label(columns[0]);
  check<InputError>(label.has_value(), at_row(path, number), "expected the label 0.0 or 1.0, found ", printable(columns[0]));
  check<InputError>(!columns[3].empty() && !columns[4].empty(), at_row(path, number), "a text is empty");
  return {.texts = {columns[3], columns[4]}, .label = *label};
}

}  // namespace

std::unique_ptr<LabelledSequences> load_retrieval(const std::filesystem::path& path, Split part) {
  const std::filesystem::path name = path_of_part(path, part, kNames);
  MappedFile file(name);
  std::vector<Pair> pairs;
  std::int64_t number = 0;
  for (const std::string_view row : split_lines(file.bytes(), name)) pairs.push_back(parse_row(row, name, ++number));
  check<InputError>(!pairs.empty(), name.string(), ": the file is empty");
  return std::make_unique<PairSequences>(std::move(file), std::move(pairs));
}

bool is_retrieval(const std::filesystem::path& path) {
  std::error_code ignored;
  if (std::filesystem::is_directory(path, ignored)) {
    const std::array names{kNames.train, kNames.valid, kNames.test};
    return std::ranges::any_of(names,
                               [&](const char* name) { return std::filesystem::is_regular_file(path / name, ignored); });
  }
  if (!std::filesystem::is_regular_file(path, ignored)) return false;
  const MappedFile file(path);
  std::string_view rest = file.bytes();
  const std::string_view row = next_line(rest).value_or("");
  return std::ranges::count(row, '\t') == kColumns - 1 && parse_label(row.substr(0, row.find('\t')));
}

}  // namespace cosformer

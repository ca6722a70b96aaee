#include "data/texts/glue.h"

#include <algorithm>
#include <span>
#include <system_error>

#include "core/error.h"
#include "core/printable.h"
#include "data/lra/rows.h"
#include "data/mapped_file.h"

namespace cosformer {

namespace {

namespace fs = std::filesystem;

constexpr const char* kBinary[] = {"0", "1"};
constexpr const char* kInference[] = {"entailment", "neutral", "contradiction"};

/// How a task's files are laid out.
struct Layout {
  PartNames files;
  const char* first;
  const char* second;  ///< null: single texts
  const char* label;
  std::span<const char* const> labels;  ///< by class
};
constexpr Layout kSst2{{"train.tsv", "dev.tsv", "dev.tsv"}, "sentence", nullptr, "label", kBinary};
constexpr Layout kQqp{{"train.tsv", "dev.tsv", "dev.tsv"}, "question1", "question2", "is_duplicate", kBinary};
constexpr Layout kMnli{
    {"train.tsv", "dev_matched.tsv", "dev_mismatched.tsv"}, "sentence1", "sentence2", "gold_label", kInference};

std::size_t column_of(const std::vector<std::string_view>& header, const char* name, const fs::path& path) {
  const auto found = std::ranges::find(header, name);
  if (found == header.end()) {
    throw InputError(concat(at_row(path, 1), "expected a column \"", name, "\", found ", printable_list(header),
                            " (GLUE's test files have no labels)"));
  }
  return static_cast<std::size_t>(found - header.begin());
}

std::int32_t parse_label(std::string_view text, const Layout& layout, const fs::path& path, std::int64_t row) {
  const auto found = std::ranges::find(layout.labels, text);
  if (found == layout.labels.end()) {
    std::string names;
    for (const char* name : layout.labels) names += concat(names.empty() ? "" : ", ", name);
    throw InputError(concat(at_row(path, row), layout.label, ": expected one of ", names, ", found ", printable(text)));
  }
  return static_cast<std::int32_t>(found - layout.labels.begin());
}

LabelledTexts load(const fs::path& given, Split part, const Layout& layout) {
  const fs::path path = path_of_part(given, part, layout.files);
  const MappedFile file(path);
  const std::vector<std::string_view> rows = split_lines(file.bytes(), path);
  check<InputError>(!rows.empty(), path.string(), ": the file is empty");
  const std::vector<std::string_view> header = split_row(rows.front(), '\t');
  const std::size_t first = column_of(header, layout.first, path), label = column_of(header, layout.label, path);
  const std::size_t second = layout.second ? column_of(header, layout.second, path) : first;
  LabelledTexts texts;
  for (std::size_t i = 1; i < rows.size(); ++i) {
    const std::vector<std::string_view> columns = split_row(rows[i], '\t');
    if (columns.size() != header.size() || columns[label] == "-") {
      ++texts.skipped;
      continue;
    }
    const auto row = static_cast<std::int64_t>(i) + 1;
    texts.examples.push_back({parse_label(columns[label], layout, path, row), std::string(columns[first]),
                              layout.second ? std::string(columns[second]) : std::string()});
  }
  check<InputError>(!texts.examples.empty(), path.string(), ": no row has the ", header.size(),
                    " columns of the header and a label");
  return texts;
}

bool fits(const fs::path& path, const Layout& layout) {
  std::error_code ignored;
  const fs::path file = fs::is_directory(path, ignored) ? path / layout.files.train : path;
  if (!fs::is_regular_file(file, ignored)) return false;
  const MappedFile mapped(file);
  std::string_view rest = mapped.bytes();
  const std::vector<std::string_view> header = split_row(next_line(rest).value_or(""), '\t');
  const auto has = [&](const char* name) { return name == nullptr || std::ranges::find(header, name) != header.end(); };
  return has(layout.first) && has(layout.second) && has(layout.label);
}

}  // namespace

LabelledTexts load_sst2(const fs::path& path, Split part, const LabelledTextOptions&) { return load(path, part, kSst2); }
LabelledTexts load_qqp(const fs::path& path, Split part, const LabelledTextOptions&) { return load(path, part, kQqp); }
LabelledTexts load_mnli(const fs::path& path, Split part, const LabelledTextOptions&) { return load(path, part, kMnli); }

bool is_sst2(const fs::path& path) { return fits(path, kSst2); }
bool is_qqp(const fs::path& path) { return fits(path, kQqp); }
bool is_mnli(const fs::path& path) { return fits(path, kMnli); }

}  // namespace cosformer

#include "core/error.h"
#include "train/config/schema.h"

namespace cosformer {

namespace {

constexpr std::string_view kIntroduction = R"(# Config keys

This page is made by `cosformer config list --markdown`; the list itself is `train/config/schema_*_fields.cpp`.

A config is a TOML file. `extends = "base.toml"` (or an array of files, later ones win) at its top takes over other files' keys;
these paths are relative to the file. Paths of data are relative to the current folder, and `~` has no meaning in them.
Every key can be set on the command line: `--set model.num_layers=6`; quotes around strings may be left out. A key that is
not listed here is an error. `cosformer config show CONFIG.toml` prints all values and where they come from.
)";

/// Text for a cell of a table: a bar would end the cell.
std::string cell(std::string_view text) {
  std::string escaped;
  for (const char c : text) {
    if (c == '|') escaped += '\\';
    escaped += c;
  }
  return escaped;
}

}  // namespace

std::string config_reference() {
  std::string page(kIntroduction);
  const Config defaults;
  std::string_view table;
  for (const Field& field : config_fields()) {
    const std::string_view field_table = field.key.substr(0, field.key.find('.'));
    if (field_table != table) {
      page += concat("\n## [", field_table, "]\n\n| key | default | values | meaning |\n| --- | --- | --- | --- |\n");
      table = field_table;
    }
    page += concat("| `", field.key.substr(table.size() + 1), "` | `", format_value(field.get(defaults)), "` | ",
                   cell(allowed_values(field)), " | ", cell(field.help), " |\n");
  }
  return page;
}

}  // namespace cosformer

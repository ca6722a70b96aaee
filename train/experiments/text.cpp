#include "train/experiments/text.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "core/figure_text.h"
#include "data/utf8.h"

namespace cosformer {

namespace {

constexpr std::string_view kReplacement = "\xEF\xBF\xBD";

/// Calls `visit` with each code point's bytes, or the replacement character for what is no text.
template <class Visit>
void for_each_character(std::string_view text, Visit&& visit) {
  while (!text.empty()) {
    const auto lead = static_cast<unsigned char>(text.front());
    std::size_t length = lead < 0x80 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
    length = std::min(length, text.size());
    const bool is_control = (lead < 0x20 && lead != '\n' && lead != '\t') || lead == 0x7F;
    if (find_invalid_utf8(text.substr(0, length)) == std::string_view::npos) {
      visit(is_control ? kReplacement : text.substr(0, length));
    } else {
      length = 1;
      visit(kReplacement);
    }
    text.remove_prefix(length);
  }
}

std::string with_thousands(double value) {
  std::string digits = fmt::format("{:.0f}", value);
  const std::ptrdiff_t first = digits.starts_with('-') ? 1 : 0;
  for (auto i = static_cast<std::ptrdiff_t>(digits.size()) - 3; i > first; i -= 3)
    digits.insert(static_cast<std::size_t>(i), 1, ',');
  return digits;
}

std::string format_seconds(double seconds) {
  if (seconds < 60) return fmt::format("{:.3g} s", seconds);
  const auto whole = std::llround(std::min(seconds, 1e15));
  if (seconds < 3600) return fmt::format("{} min {:02} s", whole / 60, whole % 60);
  return fmt::format("{} h {:02} min", whole / 3600, whole % 3600 / 60);
}

/// The minus sign, as wide as the plus, for the hyphen before a figure.
std::string with_minus(const std::string& figure) { return figure.starts_with('-') ? "−" + figure.substr(1) : figure; }

struct Unit {
  const char* name;
  std::string (*format)(double);
};
/// Values that read better with a unit; all others are plain figures.
constexpr Unit kUnits[] = {
    {"seconds", format_seconds},
    {"wall_seconds", format_seconds},
    {"peak_memory_bytes", [](double bytes) { return fmt::format("{:.1f} MiB", bytes / 1048576.0); }},
    {"tokens_per_second", [](double value) { return with_thousands(value); }},
    {"parameters", with_thousands},
    {"steps", with_thousands},
    {"best_step", with_thousands},
    {"tokens", with_thousands},
    {"examples", with_thousands},
    {"correct", with_thousands},
};

}  // namespace

std::string escape_html(std::string_view text) {
  std::string escaped;
  for_each_character(text, [&](std::string_view character) {
    switch (character.front()) {
      case '&':
        escaped += "&amp;";
        break;
      case '<':
        escaped += "&lt;";
        break;
      case '>':
        escaped += "&gt;";
        break;
      case '"':
        escaped += "&quot;";
        break;
      case '\'':
        escaped += "&#39;";
        break;
      default:
        escaped += character;
    }
  });
  return escaped;
}

std::string escape_markdown(std::string_view text) {
  constexpr std::string_view kMarkup = "\\`*_[]|~$";
  std::string escaped;
  for_each_character(text, [&](std::string_view character) {
    const char first = character.front();
    if (first == '\n' || first == '\t') {
      escaped += ' ';
    } else if (first == '<') {
      escaped += "&lt;";
    } else if (first == '>') {
      escaped += "&gt;";
    } else if (first == '&') {
      escaped += "&amp;";
    } else {
      if (kMarkup.find(first) != std::string_view::npos) escaped += '\\';
      escaped += character;
    }
  });
  return escaped;
}

std::string escape_csv(std::string_view text) {
  std::string field;
  if (!text.empty() && std::string_view("=+-@\t\r").find(text.front()) != std::string_view::npos) field += '\'';
  for_each_character(text,
                     [&](std::string_view character) { field += character == "\"" ? std::string_view("\"\"") : character; });
  return field.find_first_of(",\"\n") == std::string::npos ? field : concat('"', field, '"');
}

std::string shorten(std::string_view text, std::size_t length) {
  std::string kept;
  std::size_t count = 0, before_last = 0;
  bool cut = false;
  for_each_character(text, [&](std::string_view character) {
    if (++count > length) {
      cut = true;
      return;
    }
    if (count == length) before_last = kept.size();
    kept += character;
  });
  if (!cut) return kept;
  kept.resize(before_last);
  return kept.append("…");
}

std::string format_figure(double value) {
  if (!std::isfinite(value)) return kNotFinite;
  const double size = std::abs(value);
  if (size != 0 && (size < 1e-3 || size >= 1e7)) return with_minus(fmt::format("{:.3e}", value));
  if (std::trunc(value) == value && size >= 1000) return with_minus(fmt::format("{:.0f}", value));
  const int decimals = size >= 1000 ? 1 : size >= 100 ? 2 : size >= 10 ? 3 : 4;
  return with_minus(fmt::format("{:.{}f}", value, decimals));
}

std::string format_figure(double value, double scale) {
  if (!(scale > 0) || !std::isfinite(scale) || !std::isfinite(value)) return format_figure(value);
  const int decimals = std::clamp(1 - static_cast<int>(std::floor(std::log10(scale))), 0, 9);
  return with_minus(fmt::format("{:.{}f}", value, decimals));
}

std::string format_summary(const Summary& summary) { return format_summary(summary, summary.deviation.value_or(0)); }

std::string format_summary(const Summary& summary, double scale) {
  if (!summary.deviation) return format_figure(summary.mean, scale);
  return fmt::format("{} ± {}", format_figure(summary.mean, scale), format_figure(*summary.deviation, scale));
}

std::string format_difference(const PairedDifference& difference) {
  if (!difference.low) return format_figure(difference.mean);
  const double half_width = 0.5 * (*difference.high - *difference.low);
  const auto figure = [&](double value) { return format_figure(value, half_width); };
  return fmt::format("{} [{}, {}]", figure(difference.mean), figure(*difference.low), figure(*difference.high));
}

std::string format_value_of(const std::string& name, double value) {
  if (!std::isfinite(value)) return kNotFinite;
  const auto unit = std::ranges::find_if(kUnits, [&](const Unit& row) { return row.name == name; });
  return unit == std::end(kUnits) ? format_figure(value) : unit->format(value);
}

}  // namespace cosformer

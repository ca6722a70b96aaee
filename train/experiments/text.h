#pragma once
/// \file
/// Figures and hostile text, as the formats show them.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "train/experiments/statistics.h"

namespace cosformer {

/// `text` for HTML and SVG, in elements and in quoted attributes: & < > " ' become references, bytes that are no UTF-8 and
/// control characters the replacement character.
std::string escape_html(std::string_view text);

/// `text` for a cell of a Markdown table: one line, with what Markdown or HTML would take for markup escaped.
std::string escape_markdown(std::string_view text);

/// `text` as a CSV field (RFC 4180), in quotes if needed. A text that a spreadsheet would take for a formula (= + - @,
/// tab or return first) begins with an apostrophe.
std::string escape_csv(std::string_view text);

/// `text` with at most `length` code points, "…" in place of what is too long.
std::string shorten(std::string_view text, std::size_t length);

/// Four significant digits or more: 2.389, 0.0123, 12346, 1.2e-05; "not finite" for infinity and NaN.
std::string format_figure(double value);
/// With as many decimals as `scale`, a spread, makes meaningful: two digits of it.
std::string format_figure(double value, double scale);
/// "2.389 ± 0.012"; without a spread the mean alone.
std::string format_summary(const Summary& summary);
/// The same with the decimals that `scale` makes meaningful, so that a column lines up.
std::string format_summary(const Summary& summary, double scale);
/// "-0.0116 [-0.0301, 0.0069]"
std::string format_difference(const PairedDifference& difference);
/// With a unit that fits the name: 125 MiB, 1.5 k/s, 3 min 20 s, 105,216; "not finite" for infinity and NaN.
std::string format_value_of(const std::string& name, double value);

}  // namespace cosformer

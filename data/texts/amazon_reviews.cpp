#include "data/texts/amazon_reviews.h"

#include <nlohmann/json.hpp>
#include <system_error>
#include <unordered_set>

#include "core/error.h"
#include "core/printable.h"
#include "core/random.h"
#include "data/lra/rows.h"
#include "data/strict_json.h"
#include "data/texts/compressed_lines.h"

namespace cosformer {

namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr const char* kContent = "a file of reviews";

/// 1 to 5.
std::int32_t stars_of(const json& review, const std::string& where) {
  const auto found = review.find("overall");
  check<InputError>(found != review.end(), where, "expected a key \"overall\"");
  const double stars = found->is_number() ? found->get<double>() : 0;
  check<InputError>(stars == 1 || stars == 2 || stars == 3 || stars == 4 || stars == 5, where,
                    "overall: expected 1 to 5, found ",
                    printable(found->dump(-1, ' ', true, json::error_handler_t::replace)));
  return static_cast<std::int32_t>(stars);
}

std::optional<std::int32_t> label_of(std::int32_t stars, RatingClasses classes) {
  if (classes == RatingClasses::stars) return stars - 1;
  if (stars == 3) return std::nullopt;
  return stars > 3 ? 1 : 0;
}

Split part_of(std::uint64_t text) {
  constexpr std::uint64_t kShares = 10;
  const std::uint64_t share = Random(0, "amazon parts").below(kShares, text);
  return share == 0 ? Split::valid : share == 1 ? Split::test : Split::train;
}

}  // namespace

std::int64_t amazon_classes(const LabelledTextOptions& options) { return options.ratings == RatingClasses::stars ? 5 : 2; }

LabelledTexts load_amazon_reviews(const fs::path& path, Split part, const LabelledTextOptions& options) {
  CompressedLines lines(path, kContent);
  LabelledTexts texts;
  std::unordered_set<std::uint64_t> seen;
  while (const auto line = lines.next()) {
    if (line->empty()) continue;
    std::string where = at_row(path, lines.number());
    const json review = parse_strict_json(*line, where.substr(0, where.size() - 2));
    check<InputError>(review.is_object(), where, "expected a JSON object");
    const std::int32_t stars = stars_of(review, where);
    const auto found = review.find("reviewText");
    const bool has_text = found != review.end() && !found->is_null();
    check<InputError>(!has_text || found->is_string(), where, "reviewText: expected a string");
    const std::string text = has_text ? found->get<std::string>() : std::string();
    const std::uint64_t hash = stream_id(text);
    const Split own_part = part_of(hash);
    const std::optional<std::int32_t> label = label_of(stars, options.ratings);
    if (text.empty() || !label || !seen.insert(hash).second) {
      // What has no text belongs to no part; it is counted once.
      texts.skipped += text.empty() ? part == Split::train : own_part == part;
      continue;
    }
    if (own_part == part) texts.examples.push_back({*label, text, {}});
  }
  check<InputError>(!texts.examples.empty(), path.string(), ": no review of this part has a text");
  return texts;
}

bool is_amazon_reviews(const fs::path& path) {
  std::error_code ignored;
  if (!fs::is_regular_file(path, ignored)) return false;
  try {
    CompressedLines lines(path, kContent);
    const json review = parse_strict_json(lines.next().value_or(""), path.string());
    return review.is_object() && review.contains("overall");
  } catch (const InputError&) {
    return false;
  }
}

}  // namespace cosformer

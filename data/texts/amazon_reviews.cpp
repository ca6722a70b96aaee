#include "data/texts/amazon_reviews.h"

#include <zlib.h>

#include <algorithm>
#include <array>
#include <memory>
#include <nlohmann/json.hpp>
#include <system_error>
#include <unordered_set>

#include "core/error.h"
#include "core/random.h"
#include "data/lra/rows.h"
#include "data/strict_json.h"

namespace cosformer {

namespace {

namespace fs = std::filesystem;
using nlohmann::json;

/// Lines of a file that may be compressed.
class CompressedLines {
 public:
  explicit CompressedLines(const fs::path& path) : path_(path), file_(nullptr, gzclose) {
    std::error_code error;
    check<InputError>(fs::is_regular_file(path, error), path.string(), ": expected a file of reviews");
    most_bytes_ = kLargestRatio * (fs::file_size(path, error) + kMaxRowBytes);
    file_.reset(gzopen(path.c_str(), "rb"));
    check<InputError>(file_ != nullptr, path.string(), ": cannot open the file");
  }

  /// The next line without its end; nothing at the end of the file. Throws InputError.
  std::optional<std::string_view> next() {
    line_.clear();
    bool any = false;
    while (begin_ < end_ || fill()) {
      any = true;
      const auto* found = std::find(buffer_.data() + begin_, buffer_.data() + end_, '\n');
      const auto stop = static_cast<std::size_t>(found - buffer_.data());
      line_.append(buffer_.data() + begin_, stop - begin_);
      begin_ = std::min(stop + 1, end_);
      check<InputError>(line_.size() <= kMaxRowBytes, at_row(path_, number_ + 1), "a row of over ", kMaxRowBytes, " bytes");
      if (stop < end_) break;
    }
    if (!any) return std::nullopt;
    ++number_;
    if (line_.ends_with('\r')) line_.pop_back();
    return line_;
  }
  std::int64_t number() const { return number_; }

 private:
  /// A file of reviews shrinks to a quarter; one that unpacks to more than this is made to fill the memory.
  static constexpr std::uintmax_t kLargestRatio = 200;

  bool fill() {
    begin_ = 0;
    const int count = gzread(file_.get(), buffer_.data(), static_cast<unsigned>(buffer_.size()));
    int code = Z_OK;
    const char* what = gzerror(file_.get(), &code);
    check<InputError>(count >= 0 && (code == Z_OK || code == Z_STREAM_END), path_.string(),
                      ": cannot unpack the file: ", what);
    end_ = static_cast<std::size_t>(count);
    bytes_ += end_;
    check<InputError>(bytes_ <= most_bytes_, path_.string(), ": unpacks to over ", kLargestRatio, " times its size");
    return count > 0;
  }

  fs::path path_;
  std::unique_ptr<gzFile_s, int (*)(gzFile)> file_;
  std::array<char, 1 << 16> buffer_;
  std::size_t begin_ = 0, end_ = 0;
  std::uintmax_t bytes_ = 0, most_bytes_ = 0;
  std::string line_;
  std::int64_t number_ = 0;
};

/// 1 to 5.
std::int32_t stars_of(const json& review, const std::string& where) {
  const auto found = review.find("overall");
  check<InputError>(found != review.end(), where, "expected a key \"overall\"");
  const double stars = found->is_number() ? found->get<double>() : 0;
  check<InputError>(stars == 1 || stars == 2 || stars == 3 || stars == 4 || stars == 5, where,
                    "overall: expected 1 to 5, found ",
                    quoted_bytes(found->dump(-1, ' ', true, json::error_handler_t::replace)));
  return static_cast<std::int32_t>(stars);
}

std::optional<std::int32_t> label_of(std::int32_t stars, RatingClasses classes) {
  if (classes == RatingClasses::stars) return stars - 1;
  if (stars == 3) return std::nullopt;
  return stars > 3 ? 1 : 0;
}

DataPart part_of(std::uint64_t text) {
  constexpr std::uint64_t kShares = 10;
  const std::uint64_t share = Random(0, "amazon parts").below(kShares, text);
  return share == 0 ? DataPart::valid : share == 1 ? DataPart::test : DataPart::train;
}

}  // namespace

std::int64_t amazon_classes(const LabelledTextOptions& options) { return options.ratings == RatingClasses::stars ? 5 : 2; }

LabelledTexts load_amazon_reviews(const fs::path& path, DataPart part, const LabelledTextOptions& options) {
  CompressedLines lines(path);
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
    const DataPart own_part = part_of(hash);
    const std::optional<std::int32_t> label = label_of(stars, options.ratings);
    if (text.empty() || !label || !seen.insert(hash).second) {
      // What has no text belongs to no part; it is counted once.
      texts.skipped += text.empty() ? part == DataPart::train : own_part == part;
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
    CompressedLines lines(path);
    const json review = parse_strict_json(lines.next().value_or(""), path.string());
    return review.is_object() && review.contains("overall");
  } catch (const InputError&) {
    return false;
  }
}

}  // namespace cosformer

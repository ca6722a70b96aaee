#pragma once
/// \file
/// Regular expressions over UTF-8 with Unicode's classes.

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace cosformer {

/// Unicode's White_Space as ranges of a class, since PCRE2's own \s also takes U+180E.
inline constexpr std::string_view kWhiteSpaceRanges =
    R"(\t-\r \x{85}\x{A0}\x{1680}\x{2000}-\x{200A}\x{2028}\x{2029}\x{202F}\x{205F}\x{3000})";

/// A compiled PCRE2 expression with limits on time and memory, so that no expression and no text can make a search endless.
/// Thread-safe.
class Pattern {
 public:
  struct Range {
    std::size_t begin, end;
  };

  /// Throws InputError with what PCRE2 says of an expression that it refuses.
  explicit Pattern(const std::string& expression);
  ~Pattern();
  Pattern(Pattern&&) noexcept;
  Pattern& operator=(Pattern&&) noexcept;

  /// Searches of one text after the other, on one thread.
  class Search {
   public:
    explicit Search(const Pattern& pattern);
    ~Search();
    Search(const Search&) = delete;
    Search& operator=(const Search&) = delete;

    /// The first match of `text`, which is valid UTF-8, that begins at `begin` or later. Throws InputError if a limit is
    /// reached.
    std::optional<Range> find(std::string_view text, std::size_t begin);

   private:
    struct Data;
    const Pattern& pattern_;
    std::unique_ptr<Data> data_;
  };

 private:
  struct Code;
  std::unique_ptr<Code> code_;
};

}  // namespace cosformer

#include "data/pattern.h"

#include <array>
#include <new>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "core/error.h"
#include "core/printable.h"

namespace cosformer {

struct Pattern::Code {
  pcre2_code* code = nullptr;
  pcre2_match_context* limits = nullptr;
  ~Code() {
    pcre2_match_context_free(limits);
    pcre2_code_free(code);
  }
};

struct Pattern::Search::Data {
  pcre2_match_data* match;
  explicit Data(const pcre2_code* code) : match(pcre2_match_data_create_from_pattern(code, nullptr)) {
    if (match == nullptr) throw std::bad_alloc();
  }
  ~Data() { pcre2_match_data_free(match); }
  Data(const Data&) = delete;
  Data& operator=(const Data&) = delete;
};

Pattern::Pattern(const std::string& expression) : code_(std::make_unique<Code>()) {
  int error = 0;
  PCRE2_SIZE offset = 0;
  code_->code = pcre2_compile(reinterpret_cast<PCRE2_SPTR>(expression.data()), expression.size(),
                              PCRE2_UTF | PCRE2_UCP | PCRE2_NEVER_BACKSLASH_C, &error, &offset, nullptr);
  if (code_->code == nullptr) {
    std::array<PCRE2_UCHAR, 256> message{};
    pcre2_get_error_message(error, message.data(), message.size());
    throw InputError(concat("the expression ", printable(expression), " is refused at offset ", offset, ": ",
                            reinterpret_cast<const char*>(message.data())));
  }
  // If the system forbids generated code the interpreter gives the same matches.
  pcre2_jit_compile(code_->code, PCRE2_JIT_COMPLETE);
  code_->limits = pcre2_match_context_create(nullptr);
  if (code_->limits == nullptr) throw std::bad_alloc();
  pcre2_set_depth_limit(code_->limits, 1000);
  pcre2_set_heap_limit(code_->limits, 16 * 1024);  // KiB
}

Pattern::~Pattern() = default;
Pattern::Pattern(Pattern&&) noexcept = default;
Pattern& Pattern::operator=(Pattern&&) noexcept = default;

Pattern::Search::Search(const Pattern& pattern) : pattern_(pattern), data_(std::make_unique<Data>(pattern.code_->code)) {}
Pattern::Search::~Search() = default;

std::optional<Pattern::Range> Pattern::Search::find(std::string_view text, std::size_t begin) {
  const int result = pcre2_match(pattern_.code_->code, reinterpret_cast<PCRE2_SPTR>(text.data()), text.size(), begin,
                                 PCRE2_NO_UTF_CHECK, data_->match, pattern_.code_->limits);
  if (result == PCRE2_ERROR_NOMATCH) return std::nullopt;
  check<InputError>(result > 0, "PCRE2 gives up on the text at byte ", begin, ": error ", result);
  const PCRE2_SIZE* ends = pcre2_get_ovector_pointer(data_->match);
  return Range{ends[0], ends[1]};
}

}  // namespace cosformer

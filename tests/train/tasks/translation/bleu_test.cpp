#include "train/tasks/translation/bleu.h"

#include <filesystem>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "tests/catch.h"
#include "tests/support/require_close.h"
#include "tests/train/run_support.h"

namespace cosformer::test {

namespace {

/// What sacreBLEU says (tests/golden/make_bleu.py).
nlohmann::json golden() {
  return nlohmann::json::parse(read_bytes(std::filesystem::path(COSFORMER_SOURCE_DIR) / "tests/golden/bleu.json"));
}

using Strings = std::vector<std::string>;

}  // namespace

TEST_CASE("sentences have the tokens that sacreBLEU's 13a gives them") {
  const nlohmann::json cases = golden()["sentences"];
  REQUIRE(cases.size() >= 20);
  for (const auto& each : cases) {
    CAPTURE(each["text"]);
    CHECK(tokenize_13a(each["text"].get<std::string>()) == each["tokens"].get<Strings>());
  }
}

TEST_CASE("corpora have the BLEU, counts and lengths that sacreBLEU gives them") {
  const nlohmann::json cases = golden()["corpora"];
  REQUIRE(cases.size() >= 10);
  for (const auto& each : cases) {
    CAPTURE(each["translations"], each["references"]);
    const Bleu bleu = corpus_bleu(each["translations"].get<Strings>(), each["references"].get<Strings>());
    require_close("score", each["score"].get<double>(), bleu.score, {.rel = 1e-12});
    require_close("brevity penalty", each["brevity_penalty"].get<double>(), bleu.brevity_penalty, {.rel = 1e-12});
    for (std::size_t n = 1; n <= kMaxBleuOrder; ++n) {
      CHECK(bleu.counts.matches(n) == each["matches"][n - 1]);
      CHECK(bleu.counts.totals(n) == each["totals"][n - 1]);
    }
    CHECK(bleu.counts.length() == each["length"]);
    CHECK(bleu.counts.reference_length() == each["reference_length"]);
  }
}

TEST_CASE("BLEU of nothing is 0, and translations without references are refused") {
  CHECK(corpus_bleu(Strings{}, Strings{}).score == 0);
  CHECK_THROWS_WITH(corpus_bleu(Strings{"a"}, Strings{}), "[corpus_bleu] 1 translations of 0 references");
  // Bytes that are no UTF-8 do no harm.
  CHECK(tokenize_13a("a \xFF\xC3") == Strings{"a", "\xFF\xC3"});
}

}  // namespace cosformer::test

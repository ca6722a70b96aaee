#include <string>
#include <string_view>

#include "core/error.h"
#include "core/random.h"
#include "tests/catch.h"
#include "train/config/config.h"
#include "train/config/toml.h"

namespace cosformer {
namespace {

constexpr std::string_view kSeeds[] = {
    "extends = [\"base.toml\", 'other.toml']\n[model]\nkind = \"decoder\" # small\nnum_layers = 4\n",
    "a = {b = [1, 2.5e-3, {c.d = true}], \"e f\" = '''x\ny'''}\n[[t]]\nx = 0x1F\n[[t.u]]\ny = inf\n",
    "\"é\" = \"\\u00E9\\n\"\nd = 1979-05-27T07:32:00Z\n[a.b . 'c']\nz = \"\"\"q\"\" \\\n  r\"\"\"\n",
    "[[$x]]\na=\xC8\x9A\n",
    "x = \"\"\"a \\\n  b\xC8\x9A \\\r\n\t\n c\"\"\" # \\ \xC8\x9A\n",
};
constexpr std::string_view kPieces[] = {"[",        "]",      "[[",  "]]",  "{",    "}",  "=",  ".",    ",",  "\"",
                                        "'",        "\"\"\"", "'''", "\\",  "#",    "\n", "$",  "\\u0", "\r", "\xC8\x9A",
                                        "\xF0\x9F", "_",      "-",   "1e9", "true", "a.", "0x", "\0"};

/// `seed` with a few bytes or pieces put in, taken out or replaced.
std::string mutate(std::string_view seed, const Random& random, std::uint64_t index) {
  std::string text(seed);
  std::uint64_t draw = 0;
  const auto below = [&](std::size_t bound) { return random.below(bound, index, draw++); };
  for (std::uint64_t edits = 1 + below(6); edits > 0; --edits) {
    const std::size_t at = below(text.size() + 1);
    switch (below(4)) {
      case 0:
        text.insert(at, kPieces[below(std::size(kPieces))]);
        break;
      case 1:
        text.erase(at, 1 + below(8));
        break;
      case 2:
        if (at < text.size()) text[at] = static_cast<char>(below(256));
        break;
      default: {
        const std::string copy = text.substr(at, 1 + below(24));
        text.insert(below(text.size() + 1), copy);
      }
    }
  }
  return text;
}

/// Counts what parses and what is refused; anything but an InputError of one line ends the test.
template <class Parse>
void fuzz(std::span<const std::string_view> seeds, int runs, Parse&& parse) {
  const Random random(7, "config_fuzz");
  int parsed = 0, refused = 0;
  for (int run = 0; run < runs; ++run) {
    const std::string text =
        mutate(seeds[static_cast<std::size_t>(run) % seeds.size()], random, static_cast<std::uint64_t>(run));
    try {
      parse(text);
      ++parsed;
    } catch (const InputError& error) {
      ++refused;
      const std::string message = error.what();
      if (message.find('\n') != std::string::npos) FAIL(message << " for " << text);
    }
  }
  CHECK(parsed > 0);
  CHECK(refused > 0);
}

TEST_CASE("Damaged TOML parses or is an input error of one line") {
  fuzz(kSeeds, 20'000, [](const std::string& text) { parse_toml(text, "fuzz.toml"); });
}

TEST_CASE("Damaged JSON of a config parses or is an input error of one line") {
  const std::string whole = to_json(Config());
  const std::string_view seeds[] = {whole, R"({"model":{"num_layers":3},"optimizer":{"betas":[0.9,0.98]}})"};
  fuzz(seeds, 10'000, [](const std::string& text) { config_from_json(text); });
}

TEST_CASE("Damaged overrides are taken or are input errors of one line") {
  const std::string_view seeds[] = {"model.num_layers=6", "task.train=\"a b\"", "optimizer.betas=[0.9, 0.98]",
                                    "train.shards=auto"};
  fuzz(seeds, 10'000, [](const std::string& text) { config_from_overrides(std::vector<std::string>{text}); });
}

}  // namespace
}  // namespace cosformer

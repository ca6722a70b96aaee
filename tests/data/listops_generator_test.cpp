#include <set>
#include <sstream>

#include "data/generators/listops.h"
#include "data/lra/listops.h"
#include "tests/data/lra_support.h"
#include "tests/data/memory_files.h"
#include "tests/support/thread_counts.h"

using namespace cosformer;
using namespace cosformer::test;
using test::Contains;

namespace {

const ListopsOptions kSmall{.train = 300, .valid = 40, .test = 30, .min_length = 20, .max_length = 150, .seed = 5};

MemoryFiles make(const ListopsOptions& options) {
  MemoryFiles files;
  make_listops(options, files, [](std::int64_t, std::int64_t) {});
  return files;
}

/// Evaluates written text as the first authors meant it: "( left right )" applies left to right. An operator collects values
/// until its closing bracket is applied.
class Evaluator {
 public:
  explicit Evaluator(const std::string& text) : words_(text) { next(); }

  int whole() {
    const int value = number(expression());
    if (!word_.empty()) throw Error("text after the expression");
    return value;
  }

  int tokens = 0;
  int deepest = 0;
  std::size_t most_arguments = 0;
  std::size_t least_arguments = SIZE_MAX;

 private:
  /// A value, or an operator with what it has collected.
  struct Term {
    std::string operation;  ///< empty for a value
    std::vector<int> values;
  };

  void next() {
    word_.clear();
    words_ >> word_;
    if (!word_.empty() && word_ != "(" && word_ != ")") ++tokens;
  }
  std::string take() {
    const std::string word = word_;
    next();
    return word;
  }
  static int number(const Term& term) {
    if (!term.operation.empty()) throw Error("an operator that was not closed");
    return term.values.at(0);
  }

  Term expression() {
    const std::string word = take();
    if (word != "(") return word.starts_with('[') ? Term{word, {}} : Term{"", {std::stoi(word)}};
    Term left = expression();
    if (left.operation.empty()) throw Error("a value was applied");
    if (word_ == "]") {
      take();
      left = Term{"", {evaluate(left)}};
    } else {
      ++depth_;
      deepest = std::max(deepest, depth_);
      left.values.push_back(number(expression()));
      --depth_;
    }
    if (take() != ")") throw Error("a parenthesis is missing");
    return left;
  }

  int evaluate(const Term& term) {
    most_arguments = std::max(most_arguments, term.values.size());
    least_arguments = std::min(least_arguments, term.values.size());
    const std::multiset<int> sorted(term.values.begin(), term.values.end());
    if (term.operation == "[MIN") return *sorted.begin();
    if (term.operation == "[MAX") return *sorted.rbegin();
    if (term.operation == "[SM") {
      int sum = 0;
      for (const int value : term.values) sum = (sum + value) % 10;
      return sum;
    }
    if (term.operation != "[MED") throw Error("operator " + term.operation);
    const auto upper = std::next(sorted.begin(), static_cast<std::ptrdiff_t>(sorted.size() / 2));
    if (sorted.size() % 2 == 1) return *upper;
    return static_cast<int>((*std::prev(upper) + *upper) * 0.5);
  }

  std::istringstream words_;
  std::string word_;
  int depth_ = 0;
};

std::vector<std::string> lines_of(const std::string& file) {
  std::vector<std::string> lines;
  std::istringstream stream(file);
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  return lines;
}

}  // namespace

TEST_CASE("the label of every ListOps expression is its value") {
  CHECK(Evaluator("( ( ( ( [MED 8 ) 1 ) 3 ) ] )").whole() == 3);
  CHECK(Evaluator("( ( ( [SM ( ( ( [MAX 9 ) 2 ) ] ) ) 4 ) ] )").whole() == 3);
  const MemoryFiles files = make(kSmall);
  std::set<std::string> seen;
  std::int64_t rows = 0;
  int deepest = 0;
  std::size_t most_arguments = 0, least_arguments = SIZE_MAX;
  for (const auto& [name, file] : files.content) {
    const auto lines = lines_of(file);
    REQUIRE(lines.at(0) == "Source\tTarget\r");
    for (std::size_t i = 1; i < lines.size(); ++i, ++rows) {
      REQUIRE(lines[i].ends_with('\r'));
      const std::size_t tab = lines[i].find('\t');
      Evaluator evaluator(lines[i].substr(0, tab));
      REQUIRE(std::to_string(evaluator.whole()) + "\r" == lines[i].substr(tab + 1));
      REQUIRE(evaluator.tokens > 20);
      REQUIRE(evaluator.tokens < 150);
      deepest = std::max(deepest, evaluator.deepest);
      most_arguments = std::max(most_arguments, evaluator.most_arguments);
      least_arguments = std::min(least_arguments, evaluator.least_arguments);
      REQUIRE(seen.insert(lines[i].substr(0, tab)).second);
    }
  }
  CHECK(rows == 370);
  CHECK(deepest == 9);  // operators at depths 1 to 9, digits alone at depth 10
  CHECK(most_arguments == 10);
  CHECK(least_arguments == 2);
}

TEST_CASE("generated ListOps files are those that the loader reads, and the statistics are theirs") {
  MemoryFiles files;
  std::int64_t done = 0;
  const ListopsStatistics statistics = make_listops(kSmall, files, [&](std::int64_t now, std::int64_t total) {
    CHECK(total == 370);
    CHECK(now >= done);
    done = now;
  });
  CHECK(done == 370);
  const ScratchFolder folder;
  files.write_to(folder);
  std::array<std::int64_t, 10> labels{};
  std::vector<std::size_t> lengths;
  for (const auto& [part, size] : {std::pair{Split::train, 300}, {Split::valid, 40}, {Split::test, 30}}) {
    const auto sequences = load_listops(folder.path(), part);
    CHECK(sequences->size() == size);
    for (std::int64_t i = 0; i < sequences->size(); ++i) {
      ++labels[static_cast<std::size_t>(sequences->label(i))];
      lengths.push_back(tokens_of(*sequences, i).size());
    }
  }
  std::ranges::sort(lengths);
  CHECK(statistics.accepted == 370);
  CHECK(statistics.labels == labels);
  CHECK(statistics.min_length == static_cast<std::int64_t>(lengths.front()));
  CHECK(statistics.max_length == static_cast<std::int64_t>(lengths.back()));
  CHECK(statistics.median_length == static_cast<std::int64_t>(lengths[185]));
  CHECK(statistics.p90_length == static_cast<std::int64_t>(lengths[333]));
  std::size_t sum = 0;
  for (const std::size_t length : lengths) sum += length;
  CHECK(statistics.mean_length == Approx(static_cast<double>(sum) / 370));
}

TEST_CASE("ListOps files depend on the seed and not on the number of threads") {
  require_same_bits_on_any_threads("listops", [] { return make(kSmall).all(); });
  ListopsOptions other = kSmall;
  other.seed = 6;
  CHECK(make(other).all() != make(kSmall).all());
}

TEST_CASE("a ListOps set that is a little smaller is the beginning of a larger one") {
  ListopsOptions smaller = kSmall;
  smaller.train = 100;
  const std::string less = make(smaller).content.at("basic_train.tsv"), more = make(kSmall).content.at("basic_train.tsv");
  CHECK(more.starts_with(less));
  CHECK(more.size() > less.size());
}

TEST_CASE("equal ListOps expressions are written once") {
  MemoryFiles files;
  // Longer than 3 and shorter than 5 tokens, two digits: four operators on a hundred pairs.
  const ListopsOptions options{
      .train = 380, .valid = 10, .test = 10, .min_length = 3, .max_length = 5, .max_depth = 2, .max_args = 2};
  const ListopsStatistics statistics = make_listops(options, files, [](std::int64_t, std::int64_t) {});
  CHECK(statistics.duplicates > 0);
  std::set<std::string> rows;
  for (const auto& [name, file] : files.content) {
    for (const std::string& line : lines_of(file)) rows.insert(line);
  }
  CHECK(rows.size() == 401);  // all there are, and the header
}

TEST_CASE("ListOps options that cannot be met are refused") {
  const auto refusal = [](ListopsOptions options) { return input_error([&] { make(options); }); };
  CHECK_THAT(refusal({.train = 0}), Contains("train: expected 1 to"));
  CHECK_THAT(refusal({.min_length = 100, .max_length = 101}),
             Contains("min_length: expected 0 to max_length - 2 = 99, found 100"));
  CHECK_THAT(refusal({.max_length = 1 << 30}), Contains("max_length: expected 2 to"));
  CHECK_THAT(refusal({.max_depth = 0}), Contains("max_depth: expected 1 to"));
  CHECK_THAT(refusal({.max_args = 1}), Contains("max_args: expected 2 to"));
  CHECK_THAT(refusal({.train = 20, .min_length = 0, .max_length = 3, .max_depth = 1}),
             Contains("after 10 of 4020: the lengths, depth and arguments allow too few"));
}

TEST_CASE("expressions are written as the release writes them") {
  const ScratchFolder folder;
  CHECK_THROWS_AS(listops_text(std::vector<std::uint8_t>{1, 6}), Error);
  CHECK_THROWS_AS(listops_text(std::vector<std::uint8_t>{5}), Error);
  if (unpack_kit("lra-listops/listops-1000-generated.tar.xz", folder.path())) {
    const auto path = folder.path() / "lra_release" / "listops-1000" / "basic_val.tsv";
    const auto sequences = load_listops(path, Split::valid);
    const auto lines = lines_of(read_text(path));
    for (std::int64_t i = 0; i < sequences->size(); ++i) {
      const Tokens ids = tokens_of(*sequences, i);
      const std::string text = listops_text(std::vector<std::uint8_t>(ids.begin(), ids.end()));
      REQUIRE(lines[static_cast<std::size_t>(i) + 1] == concat(text, '\t', sequences->label(i), '\r'));
    }
  }
}

#include "train/tasks/loglikelihood.h"

#include <cmath>

#include "data/tokenizers/registry.h"
#include "tests/catch.h"
#include "tests/support/input_error.h"
#include "tests/support/layer_cases.h"
#include "tests/support/thread_counts.h"
#include "tests/train/run_support.h"

namespace cosformer::test {

namespace {

struct Scorer {
  explicit Scorer(const AttentionConfig& attention = {}, std::int64_t max_length = 24) {
    ModelConfig config = small_model(ModelKind::decoder, attention, max_length);
    config.vocab_size = 256;
    config.tie_embeddings = false;
    model = std::make_unique<Model>(config, 3);
    tokenizer = load_tokenizer("byte", {});
  }
  std::vector<std::vector<ContinuationScore>> scores(const std::vector<ContinuationRequest>& requests) const {
    return score_continuations(*model, *tokenizer, requests, "file");
  }
  /// log p(text[i] | text[0 … i - 1]) by a whole pass, in double.
  double log_probability(const std::string& text, std::size_t i, bool& likeliest) const {
    std::vector<std::int32_t> ids;
    for (const char c : text.substr(0, i)) ids.push_back(static_cast<unsigned char>(c));
    const Variable hidden = model->decode(
        Tensor::from<std::int32_t>({1, static_cast<std::int64_t>(i)}, std::span<const std::int32_t>(ids)), nullptr, {}, {});
    const Values logits = values_of(model->logits(hidden, {}).value());
    const auto last = logits.end() - 256;
    double sum = 0;
    for (auto logit = last; logit != logits.end(); ++logit) sum += std::exp(*logit);
    const auto target = last + static_cast<unsigned char>(text[i]);
    likeliest = std::max_element(last, logits.end()) == target;
    return *target - std::log(sum);
  }

  std::unique_ptr<Model> model;
  std::unique_ptr<Tokenizer> tokenizer;
};

std::vector<ContinuationRequest> read(const std::string& lines) {
  const TemporaryFolder folder;
  write_bytes(folder / "r.jsonl", lines);
  return read_continuation_requests(folder / "r.jsonl");
}

}  // namespace

TEST_CASE("a continuation's score is the sum of its tokens' log-probabilities") {
  for (const char* kind : {"softmax", "cosformer"}) {
    AttentionConfig attention;
    attention.kind = kind;
    const Scorer scorer(attention);
    const auto scores = scorer.scores({{"the sea", {" is calm", "!"}}, {"ice ", {"melts"}}});
    REQUIRE(scores.size() == 2);
    REQUIRE(scores[0].size() == 2);
    const auto expect = [&](const ContinuationScore& score, const std::string& text, std::size_t first) {
      double sum = 0;
      bool greedy = true;
      for (std::size_t i = first; i < text.size(); ++i) {
        bool likeliest = false;
        sum += scorer.log_probability(text, i, likeliest);
        greedy = greedy && likeliest;
      }
      CAPTURE(kind, text);
      CHECK(score.log_probability == Approx(sum).epsilon(1e-5));
      CHECK(score.is_greedy == greedy);
      CHECK(score.tokens == static_cast<std::int64_t>(text.size() - first));
    };
    expect(scores[0][0], "the sea is calm", 7);
    expect(scores[0][1], "the sea!", 7);
    expect(scores[1][0], "ice melts", 3);  // the space belongs to the continuation
    CHECK(scores[1][0].bytes == 5);
  }
}

TEST_CASE("the likeliest continuation is found greedy") {
  const Scorer scorer;
  std::string text = "calm";
  for (int i = 0; i < 3; ++i) {
    for (int next = 0; next < 256; ++next) {
      bool likeliest = false;
      scorer.log_probability(text + static_cast<char>(next), text.size(), likeliest);
      if (!likeliest) continue;
      text += static_cast<char>(next);
      break;
    }
  }
  REQUIRE(text.size() == 7);
  const auto scores = scorer.scores({{"calm", {text.substr(4), text.substr(4, 1) + "~~"}}});
  CHECK(scores[0][0].is_greedy);
  CHECK(!scores[0][1].is_greedy);
}

TEST_CASE("a context that is longer than the window loses its beginning, and a continuation may not be") {
  AttentionConfig attention;
  attention.kind = "softmax";
  const Scorer scorer(attention, 8);
  const auto scores = scorer.scores({{"0123456789abcdef", {"xyz"}}, {"9abcdef", {"xy"}}, {"89abcdef", {"xy"}}});
  // 8 tokens are read: of 16 + 3 tokens the last is read by none, and 10 are left out.
  CHECK(scores[0][0].left_out == 10);
  CHECK(scores[1][0].left_out == 0);
  CHECK(scores[2][0].left_out == 1);
  CHECK(scores[1][0].log_probability == scores[2][0].log_probability);
  CHECK(input_error_of([&] {
          scorer.scores({{"a", {"b"}}, {"a", {"123456789"}}});
        }) == "file: request 2: a continuation of 9 tokens, but the model sees 8");
}

TEST_CASE("scores do not depend on the number of threads") {
  const Scorer scorer;
  std::vector<ContinuationRequest> requests;
  for (int i = 1; i < 12; ++i) requests.push_back({std::string(static_cast<std::size_t>(i), 'q'), {"abc", "d"}});
  require_same_bits_on_any_threads("score_continuations", [&] {
    std::vector<double> sums;
    for (const auto& of_request : scorer.scores(requests)) {
      for (const ContinuationScore& score : of_request) sums.push_back(score.log_probability);
    }
    return sums;
  });
}

TEST_CASE("requests are read from JSON lines") {
  const auto requests = read(
      "{\"context\": \"a\\n\", \"continuations\": [\"b\", \"c\"], \"gold\": 1}\r\n\n  \n{\"continuation\": \"d\", "
      "\"context\": \"\"}");
  REQUIRE(requests.size() == 2);
  CHECK(requests[0].context == "a\n");
  CHECK(requests[0].continuations == std::vector<std::string>{"b", "c"});
  CHECK(requests[1].continuations == std::vector<std::string>{"d"});
}

TEST_CASE("a line that is no request, and a text without tokens, are refused by their place") {
  const auto error_of = [](const std::string& lines) { return input_error_of([&] { read(lines); }); };
  CHECK(error_of("").find("r.jsonl: holds no request") != std::string::npos);
  CHECK(error_of("{\"context\": \"a\", \"continuation\": \"b\"}\n[1]").find("r.jsonl:2: expected an object") !=
        std::string::npos);
  CHECK(error_of("{\"continuation\": \"b\"}").find("r.jsonl:1: no \"context\"") != std::string::npos);
  CHECK(error_of("{\"context\": 3, \"continuation\": \"b\"}").find("\"context\" is no text") != std::string::npos);
  CHECK(error_of("{\"context\": \"a\"}").find("no \"continuation\"") != std::string::npos);
  for (const char* list : {"[]", "\"b\"", "[1]", "{}"}) {
    CHECK(error_of(concat("{\"context\": \"a\", \"continuations\": ", list, "}")).find("no array of texts") !=
          std::string::npos);
  }
  CHECK(error_of("{\"context\": ").find("r.jsonl:1") != std::string::npos);
  const Scorer scorer;
  CHECK(input_error_of([&] { scorer.scores({{" ", {"b"}}}); }) == "file: request 1: the context has no token");
  CHECK(input_error_of([&] { scorer.scores({{"a", {""}}}); }) == "file: request 1: a continuation has no token");
}

}  // namespace cosformer::test

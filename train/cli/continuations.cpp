#include "train/cli/continuations.h"

#include <fmt/format.h>

#include <algorithm>
#include <iostream>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "train/cli/model_argument.h"
#include "train/tasks/language_modeling.h"
#include "train/tasks/loglikelihood.h"

namespace cosformer {

namespace {

double per_byte(const ContinuationScore& score) {
  return score.log_probability / static_cast<double>(std::max<std::int64_t>(score.bytes, 1));
}

nlohmann::ordered_json to_json(std::size_t request, const std::vector<ContinuationScore>& scores) {
  nlohmann::ordered_json list = nlohmann::ordered_json::array();
  for (const ContinuationScore& score : scores) {
    list.push_back({{"log_probability", score.log_probability},
                    {"log_probability_per_byte", per_byte(score)},
                    {"greedy", score.is_greedy},
                    {"tokens", score.tokens},
                    {"bytes", score.bytes},
                    {"context_tokens_left_out", score.left_out}});
  }
  const auto best = std::ranges::max_element(scores, {}, &ContinuationScore::log_probability);
  const auto best_per_byte = std::ranges::max_element(scores, {}, per_byte);
  return {{"request", request},
          {"best", best - scores.begin()},
          {"best_per_byte", best_per_byte - scores.begin()},
          {"scores", list}};
}

}  // namespace

void print_continuation_scores(const cxxopts::ParseResult& given, const Warn& warn) {
  check<InputError>(given.count("split") == 0, "--split: --loglikelihood scores the texts of its file, not a split");
  ModelFile file = given_model_file(given, warn);
  check<InputError>(file.config.model.kind == ModelKind::decoder, "--loglikelihood: ", file.weights.string(),
                    " is no decoder; expected model.kind = \"decoder\"");
  const std::shared_ptr<const Tokenizer> tokenizer = tokenizer_of(file, warn);
  const std::unique_ptr<Task> task = make_language_modeling(file.config, tokenizer);
  const std::unique_ptr<Model> model = make_model(file, task->complete(file.config.model));

  const std::string path = given["loglikelihood"].as<std::string>();
  const std::vector<ContinuationRequest> requests = read_continuation_requests(path);
  const auto scores = score_continuations(*model, *tokenizer, requests, path);
  std::int64_t cut = 0;
  for (std::size_t i = 0; i < scores.size(); ++i) {
    if (given.count("json")) std::cout << to_json(i + 1, scores[i]).dump() << '\n';
    for (std::size_t k = 0; k < scores[i].size(); ++k) {
      const ContinuationScore& score = scores[i][k];
      cut += score.left_out > 0 ? 1 : 0;
      if (given.count("json")) continue;
      std::cout << fmt::format("{:>6} {:>3}  {:>12.4f}  {:>9.4f} per byte  {:>4} token{}{}\n", i + 1, k,
                               score.log_probability, per_byte(score), score.tokens, score.tokens == 1 ? " " : "s",
                               score.is_greedy ? "  greedy" : "");
    }
  }
  std::cout << std::flush;
  if (cut > 0)
    warn(concat(cut, cut == 1 ? " continuation has" : " continuations have",
                " a context that the model's window holds the end of only"));
}

}  // namespace cosformer

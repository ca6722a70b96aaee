#include "train/tasks/loglikelihood.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "core/parallel.h"
#include "data/strict_json.h"
#include "train/store/file_system.h"
#include "train/tasks/execution.h"
#include "train/tasks/generator.h"

namespace cosformer {

namespace {

constexpr std::uint64_t kMaxFileBytes = std::uint64_t{1} << 30;
constexpr std::string_view kSpaces = " \t\n\r\f\v";

const std::string& text_of(const nlohmann::json& object, const char* key, const std::string& where) {
  check<InputError>(object.contains(key), where, ": no \"", key, "\"");
  check<InputError>(object[key].is_string(), where, ": \"", key, "\" is no text");
  return object[key].get_ref<const std::string&>();
}

ContinuationRequest parse_request(std::string_view line, const std::string& where) {
  const nlohmann::json object = parse_strict_json(line, where);
  check<InputError>(object.is_object(), where, ": expected an object with \"context\" and \"continuations\"");
  ContinuationRequest request{text_of(object, "context", where), {}};
  if (!object.contains("continuations")) {
    request.continuations = {text_of(object, "continuation", where)};
    return request;
  }
  const nlohmann::json& list = object["continuations"];
  check<InputError>(list.is_array() && !list.empty(), where, ": \"continuations\" is no array of texts");
  for (const nlohmann::json& text : list) {
    check<InputError>(text.is_string(), where, ": \"continuations\" is no array of texts");
    request.continuations.push_back(text.get<std::string>());
  }
  return request;
}

/// One continuation in tokens: inputs, and what is to follow the last of them.
struct Sequence {
  std::vector<std::int32_t> tokens;
  std::size_t scored = 0;  ///< tokens at the end
  ContinuationScore score;
};

Sequence make_sequence(const Tokenizer& tokenizer, const std::string& context, const std::string& continuation,
                       std::optional<std::int64_t> window) {
  const std::size_t kept = context.find_last_not_of(kSpaces) + 1;  // 0 if there is nothing else
  const std::string head = context.substr(0, kept);
  const std::size_t head_tokens = tokenizer.encode(head).size();
  check<InputError>(head_tokens > 0, "the context has no token");
  Sequence sequence{tokenizer.encode(context + continuation), 0, {}};
  check<InputError>(sequence.tokens.size() > head_tokens && !continuation.empty(), "a continuation has no token");
  sequence.scored = sequence.tokens.size() - head_tokens;
  sequence.score.tokens = static_cast<std::int64_t>(sequence.scored);
  sequence.score.bytes = std::ssize(continuation);
  if (!window) return sequence;
  check<InputError>(sequence.score.tokens <= *window, "a continuation of ", sequence.scored, " tokens, but the model sees ",
                    *window);
  sequence.score.left_out = std::max<std::int64_t>(std::ssize(sequence.tokens) - 1 - *window, 0);
  sequence.tokens.erase(sequence.tokens.begin(), sequence.tokens.begin() + sequence.score.left_out);
  return sequence;
}

ContinuationScore score(const Model& model, std::int64_t vocab_size, const Sequence& sequence) {
  const auto length = static_cast<std::int64_t>(sequence.tokens.size()) - 1;
  const Tensor ids = Tensor::from<std::int32_t>({1, length}, std::span(sequence.tokens).first(sequence.tokens.size() - 1));
  const Pass pass;
  const Variable hidden = model.decode(ids, nullptr, {}, pass);
  const auto scored = static_cast<std::int64_t>(sequence.scored);
  const Tensor rows = hidden.value().narrow(1, length - scored, scored).contiguous();
  ContinuationScore result = sequence.score;
  result.is_greedy = true;
  // A row at a time: a long continuation over a large vocabulary would need much memory.
  for (std::int64_t i = 0; i < scored; ++i) {
    const Tensor logits = model.logits(Variable(rows.narrow(1, i, 1).contiguous()), pass).value().contiguous();
    const auto row = logits.span<float>();
    const auto target = static_cast<std::size_t>(sequence.tokens[static_cast<std::size_t>(length - scored + i + 1)]);
    const double largest = *std::ranges::max_element(row);
    double sum = 0;
    for (const float logit : row) sum += std::exp(static_cast<double>(logit) - largest);
    result.log_probability += static_cast<double>(row[target]) - largest - std::log(sum);
    const auto known = row.first(static_cast<std::size_t>(vocab_size));
    if (static_cast<std::size_t>(std::ranges::max_element(known) - known.begin()) != target) result.is_greedy = false;
  }
  return result;
}

}  // namespace

std::vector<ContinuationRequest> read_continuation_requests(const std::filesystem::path& path) {
  const std::string text = read_text_file(path, kMaxFileBytes);
  std::vector<ContinuationRequest> requests;
  std::size_t number = 0;
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = std::min(text.find('\n', begin), text.size());
    const std::string_view line = std::string_view(text).substr(begin, end - begin);
    ++number;
    if (line.find_first_not_of(kSpaces) != std::string_view::npos)
      requests.push_back(parse_request(line, concat(path.string(), ':', number)));
    begin = end + 1;
  }
  check<InputError>(!requests.empty(), path.string(), ": holds no request");
  return requests;
}

std::vector<std::vector<ContinuationScore>> score_continuations(const Model& model, const Tokenizer& tokenizer,
                                                                std::span<const ContinuationRequest> requests,
                                                                const std::string& source) {
  const std::optional<std::int64_t> window = text_window(model.config(), 0);
  std::vector<std::vector<ContinuationScore>> scores;
  std::vector<Sequence> sequences;
  for (std::size_t i = 0; i < requests.size(); ++i) {
    scores.emplace_back(requests[i].continuations.size());
    for (const std::string& continuation : requests[i].continuations) {
      try {
        sequences.push_back(make_sequence(tokenizer, requests[i].context, continuation, window));
      } catch (const InputError& error) {
        throw InputError(concat(source, ": request ", i + 1, ": ", error.what()));
      }
    }
  }
  const std::int64_t vocab_size = std::min(tokenizer.vocab_size(), model.config().vocab_size);
  std::vector<ContinuationScore> results(sequences.size());
  const auto score_one = [&](std::int64_t i) {
    results[static_cast<std::size_t>(i)] = score(model, vocab_size, sequences[static_cast<std::size_t>(i)]);
  };
  const std::int64_t count = std::ssize(sequences);
  if (shard_count(model.config(), 0, count) > 1) {
    parallel_for(count, score_one);
  } else {
    for (std::int64_t i = 0; i < count; ++i) score_one(i);
  }
  std::size_t next = 0;
  for (auto& of_request : scores) {
    for (ContinuationScore& one : of_request) one = results[next++];
  }
  return scores;
}

}  // namespace cosformer

#include <spdlog/spdlog.h>

#include <algorithm>
#include <iostream>
#include <nlohmann/json.hpp>
#include <sstream>
#include <utility>

#include "core/error.h"
#include "core/median.h"
#include "train/cli/model_argument.h"
#include "train/cli/options.h"
#include "train/cli/verbs.h"
#include "train/store/logging.h"
#include "train/tasks/generator.h"
#include "train/tasks/language_modeling.h"
#include "train/tasks/text_stream.h"
#include "train/tasks/translation.h"
#include "train/tasks/translation/translator.h"

namespace cosformer {

namespace {

/// The median time of a token in each tenth of the text: shows whether it grows with the context.
nlohmann::ordered_json times_by_context(const std::vector<double>& milliseconds, std::size_t prompt_tokens) {
  nlohmann::ordered_json rows = nlohmann::ordered_json::array();
  const std::size_t count = milliseconds.size(), parts = std::min<std::size_t>(10, count);
  for (std::size_t part = 0; part < parts; ++part) {
    const std::size_t begin = count * part / parts, end = count * (part + 1) / parts;
    rows.push_back({{"context", prompt_tokens + (begin + end) / 2},
                    {"milliseconds", median({milliseconds.begin() + static_cast<std::ptrdiff_t>(begin),
                                             milliseconds.begin() + static_cast<std::ptrdiff_t>(end)})}});
  }
  return rows;
}

/// Writes a translation for each line: of the prompt, or of standard input if there is no prompt.
int translate_lines(const cxxopts::ParseResult& given, const ModelFile& file,
                    const std::shared_ptr<const Tokenizer>& tokenizer, const std::vector<std::string>& warnings) {
  for (const char* option : {"tokens", "temperature", "top-k", "top-p", "seed", "stop", "samples", "window"}) {
    check<InputError>(given.count(option) == 0, "--", option,
                      ": a translation is searched for, not drawn; --set decoding.beam=… and the like say how");
  }
  const std::unique_ptr<Task> task = make_translation(file.config, tokenizer);
  const std::unique_ptr<Model> model = make_model(file, task->complete(file.config.model));
  const Translator translator(*model, *tokenizer, file.config.decoding, file.config.task.seq_len);
  std::istringstream prompt(given.count("prompt") ? given["prompt"].as<std::string>() : std::string());
  std::istream& input = given.count("prompt") ? static_cast<std::istream&>(prompt) : std::cin;
  constexpr std::size_t kLinesAtOnce = 1024;
  nlohmann::ordered_json pairs = nlohmann::ordered_json::array();
  std::vector<std::string> sources;
  const auto flush = [&] {
    const std::vector<std::string> translations = translator.translate(sources);
    for (std::size_t i = 0; i < sources.size(); ++i) {
      if (given.count("json")) {
        pairs.push_back({{"source", sources[i]}, {"translation", translations[i]}});
      } else {
        std::cout << translations[i] << '\n';
      }
    }
    std::cout.flush();
    sources.clear();
  };
  for (std::string text; std::getline(input, text);) {
    if (text.ends_with('\r')) text.pop_back();
    sources.push_back(text);
    if (sources.size() == kLinesAtOnce) flush();
  }
  flush();
  if (given.count("json")) {
    nlohmann::ordered_json json{{"translations", pairs}};
    if (!warnings.empty()) json["warnings"] = warnings;
    print_json(json);
  }
  return 0;
}

constexpr std::int64_t kMaxSamples = 10'000;

/// How texts are written, from the flags.
struct WritingRequest {
  SamplingOptions sampling;
  std::int64_t samples = 1;
  std::string prompt;
  std::vector<std::string> stops;
  bool json = false;
};

SamplingOptions given_sampling(const cxxopts::ParseResult& given) {
  const SamplingOptions options{.tokens = given["tokens"].as<std::int64_t>(),
                                .temperature = given["temperature"].as<double>(),
                                .top_k = given["top-k"].as<std::int64_t>(),
                                .top_p = given["top-p"].as<double>(),
                                .seed = given["seed"].as<std::uint64_t>(),
                                .window = given.count("window") ? given["window"].as<std::int64_t>() : 0};
  check<InputError>(options.tokens >= 0, "--tokens: expected at least 0, found ", options.tokens);
  check<InputError>(options.temperature >= 0, "--temperature: expected at least 0, found ", options.temperature);
  check<InputError>(options.top_k >= 0, "--top-k: expected at least 0, found ", options.top_k);
  check<InputError>(options.top_p > 0 && options.top_p <= 1, "--top-p: expected above 0 and at most 1, found ",
                    options.top_p);
  check<InputError>(given.count("window") == 0 || options.window >= 1, "--window: expected at least 1, found ",
                    options.window);
  return options;
}

WritingRequest given_request(const cxxopts::ParseResult& given) {
  WritingRequest request{.sampling = given_sampling(given),
                         .samples = given["samples"].as<std::int64_t>(),
                         .prompt = given.count("prompt") ? given["prompt"].as<std::string>() : "\n",
                         .stops = {},
                         .json = given.count("json") > 0};
  check<InputError>(request.samples >= 1 && request.samples <= kMaxSamples, "--samples: expected 1 to ", kMaxSamples,
                    ", found ", request.samples);
  if (given.count("stop")) request.stops = given["stop"].as<std::vector<std::string>>();
  for (const std::string& stop : request.stops) check<InputError>(!stop.empty(), "--stop: expected a text, found none");
  return request;
}

/// Writes one text, shown as it is made unless JSON was asked for; the text with what was measured.
nlohmann::ordered_json write_text(const WritingRequest& request, const Model& model, const Tokenizer& tokenizer,
                                  const SamplingOptions& sampling, spdlog::logger& log) {
  const std::vector<std::int32_t> ids = tokenizer.encode(request.prompt);
  TextStream stream(tokenizer, ids.empty() ? std::nullopt : std::optional(ids.back()), request.stops);
  std::string text;
  bool is_first = true;
  const auto show = [&](const std::string& piece) {
    text += piece;
    if (request.json) return;
    // Not before: a prompt that the model refuses leaves no text behind.
    if (std::exchange(is_first, false)) std::cout << request.prompt;
    std::cout << piece << std::flush;
  };
  const GeneratedText generated = generate(model, ids, sampling, [&](std::int32_t token) {
    show(stream.add(token));
    return !stream.has_stopped() && std::cout.good();
  });
  show(stream.finish());
  if (!request.json) std::cout << std::endl;
  nlohmann::ordered_json json{{"seed", sampling.seed},
                              {"prompt", request.prompt},
                              {"text", text},
                              {"tokens", generated.tokens.size()},
                              {"stopped_by", stream.has_stopped() ? "stop" : "tokens"},
                              {"window_slides", generated.slides}};
  if (!generated.milliseconds.empty()) json["milliseconds_per_token"] = median(generated.milliseconds);
  json["milliseconds_by_context"] = times_by_context(generated.milliseconds, ids.size());
  if (!request.json && !generated.milliseconds.empty()) {
    log.info("{} tokens, {:.3g} ms per token{}", generated.tokens.size(), median(generated.milliseconds),
             generated.slides > 0 ? fmt::format("; the window was full {} time{} and went on from its last half",
                                                generated.slides, generated.slides == 1 ? "" : "s")
                                  : std::string());
  }
  return json;
}

}  // namespace

int run_generate(int argc, char** argv) {
  CommandLine line("cosformer generate",
                   "Writes text from a decoder, or with an encoder-decoder the translation of each line of the prompt.");
  line.positional("model", "RUN|CHECKPOINT",
                  "a run folder (its best checkpoint), a checkpoint folder or a .safetensors file");
  line.options()("prompt", "the text to continue (default: a line break) or to translate (default: standard input)",
                 cxxopts::value<std::string>(), "TEXT");
  line.options()("tokens", "how many tokens to write", cxxopts::value<std::int64_t>()->default_value("200"), "N");
  line.options()("temperature", "above 1 more varied, below 1 safer, 0 the likeliest token",
                 cxxopts::value<double>()->default_value("0.8"), "T");
  line.options()("top-k", "draw from the K likeliest tokens; 0 = all", cxxopts::value<std::int64_t>()->default_value("0"),
                 "K");
  line.options()("top-p", "draw from the likeliest tokens that together have this share; 1 = all",
                 cxxopts::value<double>()->default_value("1"), "P");
  line.options()("stop", "end the text in front of this one (repeatable)", cxxopts::value<std::vector<std::string>>(),
                 "TEXT");
  line.options()("samples", "how many texts; the seed of each is one more than that of the one before",
                 cxxopts::value<std::int64_t>()->default_value("1"), "N");
  line.options()("window",
                 "tokens in view; a full window goes on from its last half (default: model.max_length with learned "
                 "positions, else no limit)",
                 cxxopts::value<std::int64_t>(), "N");
  line.options()("seed", "of the random numbers", cxxopts::value<std::uint64_t>()->default_value("1"), "S");
  line.options()("config", "a config for weights that hold none", cxxopts::value<std::string>(), "CONFIG.toml");
  add_set_option(line);
  add_json_option(line);
  const auto given = line.parse(argc, argv);
  if (!given) return 0;
  WritingRequest request = given_request(*given);

  Console console(std::cerr, terminal_features(STDERR_FILENO));
  const auto log = make_logger(console);
  std::vector<std::string> warnings;
  const Warn warn = [&](const std::string& message) {
    warnings.push_back(message);
    log->warn(message);
  };
  ModelFile file = given_model_file(*given, warn);
  const std::shared_ptr<const Tokenizer> tokenizer = tokenizer_of(file, warn);
  request.sampling.vocab_size = tokenizer->vocab_size();
  if (file.config.model.kind == ModelKind::encoder_decoder) return translate_lines(*given, file, tokenizer, warnings);
  const std::unique_ptr<Task> task = make_language_modeling(file.config, tokenizer);
  const std::unique_ptr<Model> model = make_model(file, task->complete(file.config.model));

  const std::optional<std::int64_t> window = text_window(model->config(), request.sampling.window);
  const std::size_t prompt_tokens = tokenizer->encode(request.prompt).size();
  if (window && std::cmp_greater(prompt_tokens, *window))
    log->warn("the prompt has {} tokens; its last {} fit into the window and are read", prompt_tokens, *window);
  nlohmann::ordered_json texts = nlohmann::ordered_json::array();
  for (std::int64_t i = 0; i < request.samples && std::cout.good(); ++i) {
    SamplingOptions sampling = request.sampling;
    sampling.seed += static_cast<std::uint64_t>(i);
    if (request.samples > 1 && !request.json)
      std::cout << fmt::format("{}--- {} of {}, seed {} ---\n", i > 0 ? "\n" : "", i + 1, request.samples, sampling.seed);
    texts.push_back(write_text(request, *model, *tokenizer, sampling, *log));
  }
  if (!request.json) log->info("written by {}", file.weights.string());
  if (request.json) {
    nlohmann::ordered_json json = texts.front();
    if (request.samples > 1) json["samples"] = texts;
    if (!warnings.empty()) json["warnings"] = warnings;
    print_json(json);
  }
  return 0;
}

}  // namespace cosformer

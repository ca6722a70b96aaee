#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <iostream>
#include <limits>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "core/error.h"
#include "core/named_table.h"
#include "data/corpus/text_files.h"
#include "data/labelled_sequences.h"
#include "data/lra/listops.h"
#include "data/lra/listops_value.h"
#include "data/texts/tokenized_texts.h"
#include "data/tokenizers/byte_tokenizer.h"
#include "train/cli/data_verb.h"
#include "train/cli/options.h"
#include "train/cli/parallel_text_check.h"
#include "train/cli/plain_text_check.h"

namespace cosformer {

namespace {

using nlohmann::ordered_json;

struct PartName {
  const char* name;
  Split part;
};
constexpr PartName kParts[] = {{"train", Split::train}, {"valid", Split::valid}, {"test", Split::test}};

struct Lengths {
  std::int64_t shortest = std::numeric_limits<std::int64_t>::max();
  std::int64_t longest = 0;
  std::int64_t sum = 0;
};

/// Reads every example of a part. Throws InputError.
ordered_json describe(const LabelledSequences& sequences) {
  std::vector<std::int64_t> classes(static_cast<std::size_t>(sequences.num_classes()));
  std::vector<bool> used(static_cast<std::size_t>(sequences.vocab_size()));
  std::vector<Lengths> lengths(static_cast<std::size_t>(sequences.texts()));
  std::vector<std::int32_t> tokens;
  for (std::int64_t example = 0; example < sequences.size(); ++example) {
    ++classes.at(static_cast<std::size_t>(sequences.label(example)));
    for (int text = 0; text < sequences.texts(); ++text) {
      sequences.read(example, text, std::numeric_limits<std::int64_t>::max(), tokens);
      for (const std::int32_t id : tokens) used.at(static_cast<std::size_t>(id)) = true;
      Lengths& of_text = lengths[static_cast<std::size_t>(text)];
      const auto length = static_cast<std::int64_t>(tokens.size());
      of_text.shortest = std::min(of_text.shortest, length);
      of_text.longest = std::max(of_text.longest, length);
      of_text.sum += length;
    }
  }
  ordered_json json{{"examples", sequences.size()},
                    {"skipped", sequences.skipped()},
                    {"classes", classes},
                    {"ids_used", std::ranges::count(used, true)},
                    {"lengths", ordered_json::array()}};
  for (const Lengths& of_text : lengths) {
    json["lengths"].push_back({{"min", of_text.shortest},
                               {"mean", static_cast<double>(of_text.sum) / static_cast<double>(sequences.size())},
                               {"max", of_text.longest}});
  }
  return json;
}

void print(const ordered_json& json) {
  std::cout << fmt::format("{}\nformat      {}\nvocabulary  {} ids, padding {}\n", json["path"].get<std::string>(),
                           json["format"].get<std::string>(), json["vocab_size"].dump(), json["padding_id"].dump());
  for (const auto& [name, part] : json["parts"].items()) {
    std::cout << fmt::format("{:<11} {} examples, {} skipped, {} ids used\n  by class  {}\n", name, part["examples"].dump(),
                             part["skipped"].dump(), part["ids_used"].dump(), part["classes"].dump());
    for (const auto& lengths : part["lengths"]) {
      std::cout << fmt::format("  length    {} to {}, mean {:.1f}\n", lengths["min"].dump(), lengths["max"].dump(),
                               lengths["mean"].get<double>());
    }
  }
}

/// Expressions whose value is not their label, or that have none.
struct ListopsFaults {
  std::int64_t wrong = 0, malformed = 0;
  std::string first;  ///< "FILE:ROW: …" of the first one
};

/// Evaluates every expression of a part.
ListopsFaults check_listops(const LabelledSequences& sequences, const std::filesystem::path& path, Split part) {
  ListopsFaults faults;
  std::vector<std::int32_t> tokens;
  for (std::int64_t example = 0; example < sequences.size(); ++example) {
    sequences.read(example, 0, std::numeric_limits<std::int64_t>::max(), tokens);
    const ListopsValue found = evaluate_listops(tokens);
    if (found.value == sequences.label(example)) continue;
    ++(found.value < 0 ? faults.malformed : faults.wrong);
    if (!faults.first.empty()) continue;
    faults.first =
        listops_row(path, part, example) +
        (found.value < 0 ? found.fault
                         : concat("the expression comes to ", found.value, ", the row says ", sequences.label(example)));
  }
  return faults;
}

std::string format_names() {
  std::string names;
  for (const LabelledFormat& format : labelled_formats()) names += concat(names.empty() ? "" : ", ", format.name);
  for (const LabelledTextFormat& format : labelled_text_formats()) names += concat(", ", format.name);
  return names + ", parallel, plain";
}

std::string guess_format(const std::filesystem::path& path) {
  if (is_pattern(path.string())) return "plain";
  if (const LabelledTextFormat* format = guess_labelled_text_format(path)) return format->name;
  if (const std::string_view format = guess_labelled_format(path); !format.empty()) return std::string(format);
  check<InputError>(!plain_texts(path).empty(), path.string(), ": looks like none of the known formats: ", format_names());
  return "plain";
}

/// A part of a data set; texts as bytes. Throws InputError.
std::unique_ptr<LabelledSequences> load_part(const std::string& name, const std::filesystem::path& path, Split part) {
  const LabelledTextFormat* format = find_labelled_text_format(name);
  if (format == nullptr) return load_labelled_sequences(name, path, part);
  const LabelledTextOptions options;
  return tokenize_texts(format->load(path, part, options), ByteTokenizer(), {format->num_classes(options), format->pairs},
                        path.string());
}

bool holds_all_parts(const std::string& name) {
  const LabelledTextFormat* format = find_labelled_text_format(name);
  return format != nullptr && format->one_file_holds_all_parts;
}

}  // namespace

int run_data_check(int argc, char** argv) {
  CommandLine line(
      "cosformer data check",
      "Reads every example of a data set, or a plain text, and says what is in it; of labelled texts, lengths are bytes and "
      "special tokens.");
  line.positional("path", "PATH", "a data set's folder or one of its files");
  line.options()("format", format_names() + " (default: what PATH looks like)", cxxopts::value<std::string>(), "F");
  line.options()("part", "train, valid or test (default: all; of a single file, the whole file)",
                 cxxopts::value<std::string>(), "PART");
  line.options()("languages", "ends of a parallel text's files, NAME.SRC and NAME.TGT (default: src,tgt)",
                 cxxopts::value<std::string>(), "SRC,TGT");
  line.options()("train-text", "of a plain text: the text whose vocabulary counts as known (default: PATH's own train part)",
                 cxxopts::value<std::string>(), "FILE");
  line.options()("text-key", "the texts are lines of JSON, objects that hold the text under this key",
                 cxxopts::value<std::string>(), "KEY");
  add_json_option(line);
  const auto given = line.parse(argc, argv);
  if (!given) return 0;
  const std::filesystem::path path = (*given)["path"].as<std::string>();
  const LanguagePair languages =
      given->count("languages") ? parse_languages((*given)["languages"].as<std::string>()) : LanguagePair();
  const bool is_parallel = given->count("format") ? (*given)["format"].as<std::string>() == "parallel"
                                                  : given->count("languages") || !parallel_prefixes(path, languages).empty();
  const auto refuse_part = [&](const char* kind) {
    check<InputError>(given->count("part") == 0, "--part: a ", kind, " text is read whole");
  };
  if (is_parallel) refuse_part("parallel");
  if (is_parallel) return check_parallel_text(path, languages, given->count("json") > 0);
  const std::string format = given->count("format")     ? (*given)["format"].as<std::string>()
                             : given->count("text-key") ? "plain"
                                                        : guess_format(path);
  const bool is_plain = format == "plain";
  check<InputError>(is_plain || given->count("train-text") == 0,
                    "--train-text: only plain texts are compared with one, not ", format);
  if (is_plain) {
    refuse_part("plain");
    PlainTextOptions options;
    if (given->count("train-text")) options.train_text = (*given)["train-text"].as<std::string>();
    if (given->count("text-key")) options.text_key = (*given)["text-key"].as<std::string>();
    return check_plain_text(path, options, given->count("json") > 0);
  }
  std::vector<PartName> parts(std::begin(kParts), std::end(kParts));
  std::error_code ignored;
  if (given->count("part")) {
    parts = {find_named(kParts, (*given)["part"].as<std::string>(), "--part")};
  } else if (std::filesystem::is_regular_file(path, ignored) && !holds_all_parts(format)) {
    // Every format takes a single file whole as its test part.
    parts = {{"file", Split::test}};
  }
  ordered_json json{{"path", path.string()}, {"format", format}};
  std::int64_t wrong = 0;
  std::string first_fault;
  for (const PartName& part : parts) {
    const auto sequences = load_part(format, path, part.part);
    json["vocab_size"] = sequences->vocab_size();
    json["num_classes"] = sequences->num_classes();
    json["padding_id"] = sequences->padding_id();
    json["parts"][part.name] = describe(*sequences);
    if (format != "listops") continue;
    const ListopsFaults faults = check_listops(*sequences, path, part.part);
    json["parts"][part.name]["wrong_answers"] = faults.wrong;
    json["parts"][part.name]["malformed"] = faults.malformed;
    if (first_fault.empty()) first_fault = faults.first;
    wrong += faults.wrong + faults.malformed;
  }
  if (given->count("json")) {
    print_json(json);
  } else {
    print(json);
  }
  check<InputError>(wrong == 0, first_fault, wrong > 1 ? concat(" (", wrong, " such rows in all)") : "");
  return 0;
}

}  // namespace cosformer

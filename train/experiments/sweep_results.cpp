#include "train/experiments/sweep_results.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>
#include <set>

#include "core/error.h"
#include "train/store/file_system.h"
#include "train/store/sealed_json.h"

namespace cosformer {

namespace {

using nlohmann::json;

constexpr const char* kFormat = "cosformer sweep";
constexpr std::size_t kMaxPoints = 100000, kMaxStages = 64;
constexpr std::uint64_t kMaxFailureBytes = std::uint64_t{1} << 16;

/// One object of a file, with errors that name the file and the key.
class Reader {
 public:
  Reader(const json& object, std::string where) : object_(object), where_(std::move(where)) {
    check<InputError>(object.is_object(), where_, ": expected an object, found ", object.type_name());
  }

  const json* find(const char* key) const {
    const auto found = object_.find(key);
    return found == object_.end() ? nullptr : &*found;
  }

  std::string text(const char* key) const {
    const json& value = required(key);
    check<InputError>(value.is_string(), where_, ": ", key, ": expected a string, found ", value.type_name());
    return value.get<std::string>();
  }
  std::string text(const char* key, const std::string& absent) const { return find(key) ? text(key) : absent; }

  double number(const char* key) const {
    const json& value = required(key);
    check<InputError>(value.is_number(), where_, ": ", key, ": expected a number, found ", value.type_name());
    return value.get<double>();
  }

  std::int64_t integer(const char* key) const {
    const json& value = required(key);
    const bool fits =
        value.is_number_integer() && (!value.is_number_unsigned() || value.get<std::uint64_t>() <= std::uint64_t{INT64_MAX});
    check<InputError>(fits, where_, ": ", key, ": expected an integer");
    return value.get<std::int64_t>();
  }

  bool boolean(const char* key, bool absent) const {
    const json* value = find(key);
    if (!value) return absent;
    check<InputError>(value->is_boolean(), where_, ": ", key, ": expected true or false, found ", value->type_name());
    return value->get<bool>();
  }

  /// The objects of an array, at most `limit`.
  std::vector<Reader> objects(const char* key, std::size_t limit) const {
    const json& value = required(key);
    check<InputError>(value.is_array(), where_, ": ", key, ": expected an array, found ", value.type_name());
    check<InputError>(value.size() <= limit, where_, ": ", key, ": expected at most ", limit, " entries, found ",
                      value.size());
    std::vector<Reader> readers;
    for (std::size_t i = 0; i < value.size(); ++i) readers.emplace_back(value[i], concat(where_, ": ", key, '[', i, ']'));
    return readers;
  }

  /// A text that names one folder inside another.
  std::string folder_name(const char* key) const {
    std::string name = text(key);
    const bool safe = !name.empty() && name != "." && name != ".." && name.size() <= 255 &&
                      std::ranges::none_of(name, [](char c) { return c == '/' || c == '\0'; });
    check<InputError>(safe, where_, ": ", key, ": expected the name of a folder");
    return name;
  }

 private:
  const json& required(const char* key) const {
    const json* value = find(key);
    check<InputError>(value != nullptr, where_, ": \"", key, "\" is missing");
    return *value;
  }

  const json& object_;
  std::string where_;
};

/// What `read` returns, with the way out in the message of an error.
template <class Read>
json refused_with_advice(const Read& read) {
  try {
    return read();
  } catch (const InputError& error) {
    throw InputError(concat(error.what(), "; `cosformer sweep` with --resume makes it again"));
  }
}

NamedValues numbers_of(const json& object) {
  NamedValues values;
  for (const auto& [name, value] : object.items()) {
    if (value.is_number()) values.emplace_back(name, value.get<double>());
    // A score that is not finite.
    if (value.is_null()) values.emplace_back(name, std::numeric_limits<double>::quiet_NaN());
  }
  return values;
}

}  // namespace

bool is_sweep_folder(const std::filesystem::path& folder) {
  std::error_code ignored;
  return std::filesystem::exists(folder / "sweep.json", ignored);
}

Experiment read_sweep_description(const std::filesystem::path& folder) {
  const std::filesystem::path file = folder / "sweep.json";
  const json document = refused_with_advice([&] { return read_sealed_json(file); });
  const Reader reader(document, file.string());
  const std::string format = reader.text("format");
  check<InputError>(format == kFormat, file.string(), ": format: expected \"", kFormat, "\"");
  Experiment experiment;
  experiment.is_sweep = true;
  experiment.name = reader.text("name");
  experiment.question = reader.text("question", "");
  for (const Reader& stage : reader.objects("stages", kMaxStages)) {
    experiment.stages.push_back({stage.folder_name("name"), stage.text("metric", "loss"), stage.text("split", "valid"),
                                 stage.boolean("higher_is_better", false)});
  }
  check<InputError>(!experiment.stages.empty(), file.string(), ": stages: expected at least one");
  std::set<std::string> names, groups;
  for (const Reader& point : reader.objects("points", kMaxPoints)) {
    const std::string name = point.folder_name("name"), group = point.text("group");
    check<InputError>(names.insert(name).second, file.string(), ": points: a name occurs twice");
    if (groups.insert(group).second) experiment.groups.push_back(group);
    for (std::size_t stage = 0; stage < experiment.stages.size(); ++stage) {
      ReportedRun run;
      run.name = name;
      run.group = group;
      run.seed = point.integer("seed");
      run.stage = stage;
      run.folder = folder / "runs" / name / experiment.stages[stage].name;
      experiment.runs.push_back(std::move(run));
    }
  }
  if (reader.find("published")) {
    for (const Reader& figure : reader.objects("published", kMaxPoints)) {
      experiment.published.push_back({figure.text("group"), figure.text("stage", experiment.stages.front().name),
                                      figure.number("value"), figure.text("source", "")});
    }
  }
  if (reader.find("floors")) {
    for (const Reader& floor : reader.objects("floors", kMaxPoints)) {
      experiment.floors.push_back({floor.text("name"), floor.text("stage", experiment.stages.front().name),
                                   floor.number("value"), floor.text("source", "")});
    }
  }
  return experiment;
}

bool read_result(ReportedRun& run) {
  const std::filesystem::path file = run.folder / "result.json";
  std::error_code ignored;
  if (!std::filesystem::exists(file, ignored)) return false;
  const json document = refused_with_advice([&] { return read_sealed_json(file); });
  run.values = numbers_of(document);
  for (const auto& [name, value] : document.items()) {
    if (value.is_object()) run.scores[name] = numbers_of(value);
  }
  return true;
}

std::string read_failure(const std::filesystem::path& run) {
  const std::filesystem::path file = run.string() + ".failed";
  std::error_code ignored;
  if (!std::filesystem::exists(file, ignored)) return {};
  const std::string text = read_text_file(file, kMaxFailureBytes);
  const std::string line = text.substr(0, text.find('\n'));
  return line.empty() ? "failed without a reason" : line;
}

}  // namespace cosformer

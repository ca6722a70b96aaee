#include "train/experiments/sweep/sweep_file.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "core/error.h"
#include "core/nearest_name.h"
#include "core/printable.h"
#include "train/config/schema.h"
#include "train/experiments/sweep/sweep_file_reader.h"
#include "train/tasks/task.h"

namespace cosformer {

namespace {

constexpr std::int64_t kMaxSeed = std::int64_t{1} << 53;
constexpr std::size_t kMaxStages = 16;

/// A key that is varied in two places would have two values.
class VariedKeys {
 public:
  explicit VariedKeys(const SweepFileReader& reader) : reader_(reader) {}
  void add(const std::string& key, TomlPosition position) {
    if (!keys_.insert(key).second) reader_.fail(position, concat(key, " is varied already, in [grid], [zip] or [[list]]"));
  }
  /// Keys of a file that is extended; that file has been checked.
  void add_inherited(const SweepChoice& choice) {
    for (const SweepSetting& setting : choice.settings) keys_.insert(setting.key);
  }

 private:
  const SweepFileReader& reader_;
  std::set<std::string> keys_;
};

void check_run_value(const SweepFileReader& reader, const std::string& metric, TomlPosition position) {
  const std::vector<std::string_view> names(std::begin(kRunValues), std::end(kRunValues));
  if (std::ranges::find(names, metric) != names.end()) return;
  reader.fail(position, concat("metric must be a value of the run where split is \"\", not ", printable(metric),
                               name_hint(metric, names)));
}

/// `stage` with the keys that `table` has.
SweepStage read_stage(const SweepFileReader& reader, const TomlTable& table, SweepStage stage,
                      const std::filesystem::path& folder) {
  if (const TomlValue* base = SweepFileReader::find(table, "base"))
    stage.base = (folder / reader.required_text(table, "base", base->position)).lexically_normal();
  stage.metric = reader.text(table, "metric", stage.metric);
  if (const TomlValue* metric = SweepFileReader::find(table, "metric")) {
    stage.metric_source = reader.source();
    stage.metric_position = metric->position;
  }
  stage.split = reader.text(table, "split", stage.split);
  const TomlValue* split = SweepFileReader::find(table, "split");
  constexpr std::string_view kSplits[] = {"valid", "test", "train", ""};
  if (std::ranges::find(kSplits, stage.split) == std::end(kSplits) || stage.split == "train")
    reader.fail(split->position, concat("split must be \"valid\", \"test\" or \"\", not \"", stage.split, '"'));
  if (stage.split.empty()) {
    const TomlValue* metric = SweepFileReader::find(table, "metric");
    check_run_value(reader, stage.metric, metric ? metric->position : split ? split->position : TomlPosition{});
  }
  return stage;
}

bool is_folder_name(const std::string& name) {
  return !name.empty() && name.size() <= 64 && name.front() != '.' && std::ranges::all_of(name, [](unsigned char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-' || c == '.';
  });
}

/// The only stage of a file without [[stages]], whose name nobody gives.
constexpr const char* kOnlyStage = "train";

std::vector<SweepStage> read_stages(const SweepFileReader& reader, const TomlTable& root, std::vector<SweepStage> inherited,
                                    const std::filesystem::path& folder) {
  const std::vector<SweepFileReader::Item> items = reader.tables(root, "stages");
  const bool has_stages =
      !items.empty() || inherited.size() > 1 || (inherited.size() == 1 && inherited[0].name != kOnlyStage);
  if (!has_stages) {
    if (inherited.empty()) inherited.push_back({.name = kOnlyStage, .split = "valid"});
    return {read_stage(reader, root, inherited[0], folder)};
  }
  for (const char* key : {"base", "metric", "split"}) {
    if (const TomlValue* value = SweepFileReader::find(root, key))
      reader.fail(value->position, concat(key, " belongs into each of the [[stages]] if there are any"));
  }
  if (items.empty()) return inherited;
  if (items.size() > kMaxStages) reader.fail(items[kMaxStages].position, concat("more than ", kMaxStages, " stages"));
  std::vector<SweepStage> stages;
  for (const auto& [table, position] : items) {
    reader.check_keys(table, {"name", "base", "metric", "split", "init_from", "set"});
    const std::string name = reader.required_text(table, "name", position);
    const TomlPosition name_position = SweepFileReader::find(table, "name")->position;
    if (!is_folder_name(name)) {
      reader.fail(name_position, "the name of a stage must be letters, digits and _ - . (it becomes the name of a folder)");
    }
    if (std::ranges::find(stages, name, &SweepStage::name) != stages.end())
      reader.fail(name_position, concat("the stage ", printable(name), " occurs twice"));
    reader.required_text(table, "base", position);
    SweepStage stage = read_stage(reader, table, {.name = name, .split = "valid"}, folder);
    stage.init_from = reader.text(table, "init_from", "");
    std::vector<std::string_view> earlier;
    earlier.reserve(stages.size());
    for (const SweepStage& other : stages) earlier.push_back(other.name);
    if (!stage.init_from.empty() && std::ranges::find(earlier, stage.init_from) == earlier.end()) {
      reader.fail(SweepFileReader::find(table, "init_from")->position,
                  concat("init_from must be the name of an earlier stage, not ", printable(stage.init_from),
                         earlier.empty() ? "" : name_hint(stage.init_from, earlier)));
    }
    stage.settings = reader.settings(reader.table(table, "set"));
    stages.push_back(std::move(stage));
  }
  return stages;
}

std::vector<std::int64_t> read_seeds(const SweepFileReader& reader, const TomlTable& root) {
  std::vector<std::int64_t> seeds;
  const TomlValue* value = SweepFileReader::find(root, "seeds");
  if (!value) return seeds;
  for (const TomlValue& element : reader.as<TomlArray>(*value, "seeds", "an array of integers")) {
    const std::int64_t seed = reader.as<std::int64_t>(element, "a seed", "an integer");
    if (seed < 0 || seed > kMaxSeed) reader.fail(element.position, concat("a seed must be 0 to ", kMaxSeed, ", not ", seed));
    if (std::ranges::find(seeds, seed) != seeds.end())
      reader.fail(element.position, concat("the seed ", seed, " occurs twice"));
    seeds.push_back(seed);
  }
  if (seeds.empty()) reader.fail(value->position, "seeds must have at least one");
  return seeds;
}

void read_grid(const SweepFileReader& reader, const TomlTable& root, VariedKeys& varied, SweepFile& sweep) {
  reader.for_each_key(reader.table(root, "grid"), "", [&](const std::string& key, const TomlEntry& entry) {
    varied.add(key, entry.position);
    sweep.grid.push_back(reader.axis(key, entry));
  });
}

void read_zip(const SweepFileReader& reader, const TomlTable& root, VariedKeys& varied, SweepFile& sweep) {
  reader.for_each_key(reader.table(root, "zip"), "", [&](const std::string& key, const TomlEntry& entry) {
    varied.add(key, entry.position);
    const std::vector<SweepChoice> choices = reader.axis(key, entry);
    if (sweep.zip.empty()) sweep.zip.resize(choices.size());
    if (sweep.zip.size() != choices.size()) {
      reader.fail(entry.value.position, concat("the arrays of [zip] must have one length: ", key, " has ", choices.size(),
                                               ", ", sweep.zip.front().settings.front().key, " has ", sweep.zip.size()));
    }
    for (std::size_t i = 0; i < choices.size(); ++i) sweep.zip[i].settings.push_back(choices[i].settings.front());
  });
}

void read_list(const SweepFileReader& reader, const TomlTable& root, VariedKeys& varied, SweepFile& sweep) {
  std::set<std::string> keys;
  for (auto& [table, position] : reader.tables(root, "list")) {
    SweepChoice choice;
    choice.name = reader.required_text(table, "name", position);
    const TomlPosition name_position = SweepFileReader::find(table, "name")->position;
    if (std::ranges::find(sweep.list, choice.name, &SweepChoice::name) != sweep.list.end())
      reader.fail(name_position, concat("the name ", printable(choice.name), " occurs twice in [[list]]"));
    TomlTable rest = table;
    std::erase_if(rest, [](const TomlEntry& entry) { return entry.key == "name"; });
    choice.settings = reader.settings(rest);
    for (const SweepSetting& setting : choice.settings) {
      if (keys.insert(setting.key).second) varied.add(setting.key, position);
    }
    sweep.list.push_back(std::move(choice));
  }
}

/// Each of [grid], [zip] and [[list]] that the file has stands in the place of the one that it extends.
void read_axes(const SweepFileReader& reader, const TomlTable& root, SweepFile& sweep) {
  const auto has = [&](const char* key) { return SweepFileReader::find(root, key) != nullptr; };
  VariedKeys varied(reader);
  if (has("grid")) sweep.grid.clear();
  if (has("zip")) sweep.zip.clear();
  if (has("list")) sweep.list.clear();
  for (const auto& axis : sweep.grid) varied.add_inherited(axis.front());
  if (!sweep.zip.empty()) varied.add_inherited(sweep.zip.front());
  for (const SweepChoice& choice : sweep.list) varied.add_inherited(choice);
  if (has("grid")) read_grid(reader, root, varied, sweep);
  if (has("zip")) read_zip(reader, root, varied, sweep);
  if (has("list")) read_list(reader, root, varied, sweep);
}

/// `settings` with the values of `later`, which win.
void set_all(std::vector<SweepSetting>& settings, const std::vector<SweepSetting>& later) {
  for (const SweepSetting& setting : later) {
    const auto found = std::ranges::find(settings, setting.key, &SweepSetting::key);
    found == settings.end() ? settings.push_back(setting) : void(*found = setting);
  }
}

/// The tables `name`: figures of `subject`, a key, in a stage.
std::vector<CitedFigure> read_figures(const SweepFileReader& reader, const TomlTable& root, const char* name,
                                      const char* subject, const std::vector<SweepStage>& stages) {
  std::vector<CitedFigure> figures;
  std::vector<std::string_view> names;
  names.reserve(stages.size());
  for (const SweepStage& stage : stages) names.push_back(stage.name);
  for (const auto& [table, position] : reader.tables(root, name)) {
    reader.check_keys(table, {subject, "stage", "value", "source"});
    CitedFigure figure;
    figure.name = reader.required_text(table, subject, position);
    figure.stage = reader.text(table, "stage", stages.front().name);
    if (std::ranges::find(names, figure.stage) == names.end()) {
      reader.fail(SweepFileReader::find(table, "stage")->position,
                  concat("there is no stage ", printable(figure.stage), name_hint(figure.stage, names)));
    }
    const TomlValue* value = SweepFileReader::find(table, "value");
    if (!value) reader.fail(position, "expected the key 'value'");
    const auto* integer = std::get_if<std::int64_t>(&value->data);
    figure.value = integer ? static_cast<double>(*integer) : reader.as<double>(*value, "value", "a number");
    if (!std::isfinite(figure.value)) reader.fail(value->position, "value must be finite");
    figure.source = reader.required_text(table, "source", position);
    figures.push_back(std::move(figure));
  }
  return figures;
}

/// The files that `root` extends, in order; relative to `folder`.
std::vector<std::filesystem::path> extended_files(const SweepFileReader& reader, const TomlTable& root,
                                                  const std::filesystem::path& folder) {
  const TomlValue* value = SweepFileReader::find(root, "extends");
  if (!value) return {};
  if (const auto* one = std::get_if<std::string>(&value->data)) return {(folder / *one).lexically_normal()};
  std::vector<std::filesystem::path> files;
  for (const TomlValue& element : reader.as<TomlArray>(*value, "extends", "a string or an array of strings"))
    files.push_back((folder / reader.as<std::string>(element, "extends", "a string")).lexically_normal());
  return files;
}

/// `path`, and below it the files that it extends, on top of `sweep`; `open` are the files that wait for it.
SweepFile read_on_top(SweepFile sweep, const std::filesystem::path& path, std::vector<std::filesystem::path>& open) {
  const TomlTable root = read_toml(path);
  const SweepFileReader reader(path.string());
  reader.check_keys(root, {"extends", "question", "base", "seeds", "metric", "split", "set", "grid", "zip", "list", "stages",
                           "published", "floors"});
  const std::filesystem::path folder = path.parent_path();
  open.push_back(path.lexically_normal());
  for (const std::filesystem::path& file : extended_files(reader, root, folder)) {
    const TomlPosition position = SweepFileReader::find(root, "extends")->position;
    if (std::ranges::find(open, file) != open.end()) reader.fail(position, concat(file.string(), " extends itself"));
    if (!std::filesystem::exists(file)) reader.fail(position, concat("extends ", file.string(), ", which does not exist"));
    sweep = read_on_top(std::move(sweep), file, open);
  }
  open.pop_back();
  sweep.path = path;
  sweep.name = path.stem().string();
  if (SweepFileReader::find(root, "question")) sweep.question = reader.required_text(root, "question", {});
  sweep.stages = read_stages(reader, root, std::move(sweep.stages), folder);
  if (SweepFileReader::find(root, "seeds")) sweep.seeds = read_seeds(reader, root);
  set_all(sweep.settings, reader.settings(reader.table(root, "set")));
  read_axes(reader, root, sweep);
  if (SweepFileReader::find(root, "published")) {
    sweep.published = read_figures(reader, root, "published", "group", sweep.stages);
  }
  if (SweepFileReader::find(root, "floors")) {
    sweep.floors = read_figures(reader, root, "floors", "name", sweep.stages);
  }
  return sweep;
}

}  // namespace

SweepFile read_sweep_file(const std::filesystem::path& path) {
  std::vector<std::filesystem::path> open;
  SweepFile sweep = read_on_top({}, path, open);
  const SweepFileReader reader(path.string());
  if (sweep.question.empty()) reader.fail({}, "expected the key 'question'");
  for (const SweepStage& stage : sweep.stages) {
    if (stage.base.empty()) reader.fail({}, "expected the key 'base'");
  }
  return sweep;
}

}  // namespace cosformer

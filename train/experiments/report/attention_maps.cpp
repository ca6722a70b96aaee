#include "train/experiments/report/attention_maps.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>

#include "core/error.h"
#include "layers/attention/attention_weights.h"
#include "train/experiments/group_labels.h"
#include "train/experiments/text.h"
#include "train/tasks/loaded_model.h"

namespace cosformer {

namespace {

constexpr std::size_t kMostModels = 8, kMostHeads = 16, kShownText = 160;

HeatMap matrix_of(const Tensor& weights, std::int64_t head) {
  const Tensor matrix = weights.narrow(0, 0, 1).narrow(1, head, 1).to(DType::float32);
  const auto values = matrix.span<float>();
  return {.rows = weights.dim(2), .columns = weights.dim(3), .values = {values.begin(), values.end()}};
}

std::string describe_spread(const HeatMap& map) {
  if (std::ranges::any_of(map.values, [](float value) { return value < 0; })) {
    return "has negative weights, which are shown as 0";
  }
  const AttentionSpread spread = measure_spread(map);
  return fmt::format("mean distance {:.1f} tokens, entropy {:.2f} nats", spread.distance, spread.entropy);
}

/// The records of the run's best checkpoint on a sample.
struct LookedAt {
  AttentionRecords records;
  SampleSequence sample;
  Split split = Split::valid;
  std::string checkpoint;
  std::vector<std::string> warnings;  ///< of checkpoints that cannot be used
};

LookedAt look_at(const ReportedRun& run, std::int64_t length) {
  LookedAt result;
  ModelFile file =
      read_model_file(run.folder, {}, {}, [&](const std::string& message) { result.warnings.push_back(message); });
  result.checkpoint = file.weights.filename().string();
  result.split = file.config.task.valid.empty() ? Split::train : Split::valid;
  keep_needed_texts(file.config.task, result.split);
  const std::unique_ptr<Task> task = make_task(file.config);
  warn_of_other_contents(file, identity_of(*task), [&](const std::string& message) { result.warnings.push_back(message); });
  const std::unique_ptr<Model> model = make_model(file, task->complete(file.config.model));
  result.sample = task->sample(result.split, length);
  check<InputError>(!result.sample.ids.empty(), "its task gives no sequence to look at");
  const Tensor ids = Tensor::from<std::int32_t>({1, static_cast<std::int64_t>(result.sample.ids.size())},
                                                std::span<const std::int32_t>(result.sample.ids));
  const Pass pass{.attention_records = &result.records};
  if (model->config().kind == ModelKind::decoder) {
    model->decode(ids, nullptr, {}, pass);
  } else {
    model->encode(ids, nullptr, pass);
  }
  return result;
}

void check_heads(const ReportedRun& run, const std::vector<HeadChoice>& heads) {
  const ModelConfig& model = run.config->model;
  for (const HeadChoice& choice : heads) {
    check<InputError>(choice.layer < model.num_layers && choice.head < model.num_heads, "--heads ", choice.layer, '.',
                      choice.head, ": ", run.name, " has layers 0 to ", model.num_layers - 1, " with heads 0 to ",
                      model.num_heads - 1);
  }
}

void add_model(ReportSection& section, const ReportedRun& run, const std::vector<HeadChoice>& heads, std::int64_t length) {
  const LookedAt seen = look_at(run, length);
  for (const std::string& warning : seen.warnings) section.notes.push_back(fmt::format("{}: {}.", run.name, warning));
  const std::string name = fmt::format("{}, {}", run_label(section.experiment, run), seen.checkpoint);
  const std::string stack = run.config->model.kind == ModelKind::decoder ? "decoder" : "encoder";
  const AttentionRecord* any = nullptr;
  std::int64_t shown_head = 0;
  const auto add = [&](HeatMap map, const std::string& title, const std::string& caption) {
    map.section = name;
    map.title = title;
    map.caption = caption;
    section.heat_maps.push_back(std::move(map));
  };
  for (const HeadChoice& choice : heads) {
    const auto found = seen.records.find(fmt::format("{}.layers.{}.self_attn", stack, choice.layer));
    if (found == seen.records.end()) continue;
    any = &found->second;
    shown_head = choice.head;
    const std::string head = fmt::format("layer {}, head {}", choice.layer, choice.head);
    const HeatMap weights = matrix_of(any->weights, choice.head);
    add(weights, head, describe_spread(weights));
    if (!any->plain_weights.defined()) continue;
    const HeatMap plain = matrix_of(any->plain_weights, choice.head);
    add(plain, "… without re-weighting", describe_spread(plain));
  }
  if (any && !any->reweighting.name.empty()) {
    const ReweightingMatrix& reweighting = any->reweighting;
    const std::int64_t row = reweighting.weights.dim(0) > 1 ? shown_head : 0;
    const Tensor matrix = reweighting.weights.narrow(0, row, 1).contiguous();
    const auto values = matrix.span<float>();
    add({.rows = matrix.dim(1), .columns = matrix.dim(2), .values = {values.begin(), values.end()}},
        reweighting.name + " distance matrix",
        fmt::format("{} alone, not normalised; {} = {:.6g}{}", reweighting.formula, reweighting.parameter,
                    reweighting.parameters[static_cast<std::size_t>(row)],
                    reweighting.weights.dim(0) > 1 ? fmt::format(" of head {}", row) : ""));
  }
  const std::string text = seen.sample.text.empty() ? "" : ": “" + shorten(seen.sample.text, kShownText) + "”";
  const std::string note = fmt::format("Read are the first {} tokens of the {} data{}", seen.sample.ids.size(),
                                       split_name(seen.split), text.empty() ? "." : text);
  if (std::ranges::find(section.notes, note) == section.notes.end()) section.notes.push_back(note);
}

}  // namespace

std::vector<HeadChoice> parse_heads(std::string_view text) {
  std::vector<HeadChoice> heads;
  const std::string given(text);
  const auto fail = [&] {
    throw InputError(concat("--heads: expected LAYER.HEAD,… such as 0.0,3.1, found \"", given, '"'));
  };
  while (true) {
    HeadChoice choice;
    const char* const end = text.data() + text.size();
    const auto layer = std::from_chars(text.data(), end, choice.layer);
    if (layer.ec != std::errc() || layer.ptr == end || *layer.ptr != '.') fail();
    const auto head = std::from_chars(layer.ptr + 1, end, choice.head);
    if (head.ec != std::errc() || choice.layer < 0 || choice.head < 0) fail();
    heads.push_back(choice);
    check<InputError>(heads.size() <= kMostHeads, "--heads: expected at most ", kMostHeads, " heads");
    if (head.ptr == end) return heads;
    if (*head.ptr != ',') fail();
    text.remove_prefix(static_cast<std::size_t>(head.ptr + 1 - text.data()));
  }
}

AttentionSpread measure_spread(const HeatMap& map) {
  AttentionSpread spread;
  for (std::int64_t i = 0; i < map.rows; ++i) {
    for (std::int64_t j = 0; j < map.columns; ++j) {
      const double weight = map.values[static_cast<std::size_t>(i * map.columns + j)];
      spread.distance += weight * static_cast<double>(std::abs(i - j));
      if (weight > 0) spread.entropy -= weight * std::log(weight);
    }
  }
  const auto rows = static_cast<double>(std::max<std::int64_t>(map.rows, 1));
  return {spread.distance / rows, spread.entropy / rows};
}

void add_attention_maps(ReportSection& section, const std::vector<HeadChoice>& heads, std::int64_t length) {
  const Experiment& experiment = section.experiment;
  std::size_t models = 0;
  for (const std::string& group : experiment.groups) {
    const auto runs = experiment.runs_of(group, experiment.stages.size() - 1);
    auto run =
        std::ranges::find_if(runs, [](const ReportedRun* own) { return own->status == RunStatus::finished && own->config; });
    if (run == runs.end()) run = std::ranges::find_if(runs, [](const ReportedRun* own) { return own->config.has_value(); });
    if (run == runs.end()) continue;
    if (++models > kMostModels) {
      section.notes.push_back(fmt::format("Shown are the first {} groups.", kMostModels));
      return;
    }
    std::vector<HeadChoice> chosen = heads;
    if (chosen.empty()) {
      chosen.push_back({0, 0});
      if ((*run)->config->model.num_layers > 1) chosen.push_back({(*run)->config->model.num_layers - 1, 0});
    }
    check_heads(**run, chosen);
    try {
      add_model(section, **run, chosen, length);
    } catch (const InputError& error) {
      section.notes.push_back(fmt::format("The attention of {} cannot be shown: {}", (*run)->name, error.what()));
    }
  }
}

}  // namespace cosformer

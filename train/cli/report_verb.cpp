#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <iostream>
#include <thread>

#include "core/error.h"
#include "core/named_table.h"
#include "core/nearest_name.h"
#include "core/printable.h"
#include "train/cli/options.h"
#include "train/cli/verbs.h"
#include "train/experiments/group_labels.h"
#include "train/experiments/report/attention_maps.h"
#include "train/experiments/report/collect.h"
#include "train/experiments/report/export.h"
#include "train/experiments/report/page.h"
#include "train/experiments/run_log.h"
#include "train/store/atomic_file.h"
#include "train/store/console.h"
#include "train/store/signals.h"

namespace cosformer {

namespace {

namespace fs = std::filesystem;

constexpr const char* kDefaultFile = "report.html";

std::vector<Experiment> experiments_of(std::vector<ReportSection>& sections) {
  std::vector<Experiment> experiments;
  experiments.reserve(sections.size());
  for (ReportSection& section : sections) experiments.push_back(std::move(section.experiment));
  return experiments;
}

struct Format {
  const char* name;
  std::string (*write)(std::vector<ReportSection>& sections, int reload_seconds);
  bool has_pictures;
};
constexpr Format kFormats[] = {
    {"html",
     [](std::vector<ReportSection>& sections, int reload) { return write_page(sections, COSFORMER_VERSION, reload); }, true},
    {"md", [](std::vector<ReportSection>& sections, int) { return write_markdown(experiments_of(sections)); }, false},
    {"csv", [](std::vector<ReportSection>& sections, int) { return write_csv(experiments_of(sections)); }, false},
    {"json", [](std::vector<ReportSection>& sections, int) { return write_json(experiments_of(sections)); }, false},
};

constexpr std::int64_t kMaxWatchSeconds = 86'400;

/// What a report is made of, from the flags.
struct ReportRequest {
  const Format& format;
  std::vector<std::string> paths;
  std::string baseline;
  std::vector<HeadChoice> heads;
  std::int64_t attention_length = 0;
};

/// `group` is a name or a label as tables show it. Throws InputError if no experiment has the group.
void set_baseline(std::vector<Experiment>& experiments, const std::string& group) {
  if (group.empty()) return;
  std::vector<std::string> shown;
  bool found = false;
  for (Experiment& experiment : experiments) {
    const std::vector<std::string> labels = label_groups(experiment.groups).labels;
    shown.insert(shown.end(), labels.begin(), labels.end());
    for (std::size_t i = 0; i < labels.size(); ++i) {
      if (experiment.groups[i] == group || labels[i] == group) experiment.baseline = experiment.groups[i];
    }
    found = found || !experiment.baseline.empty();
  }
  const std::vector<std::string_view> known(shown.begin(), shown.end());
  check<InputError>(found, "--baseline: there is no group \"", group, '"', name_hint(group, known));
}

/// The report as it is now. While runs go on, attention matrices wait: a model would be loaded for each page.
std::string make_report(const ReportRequest& request, int reload_seconds) {
  std::vector<Experiment> experiments = collect_experiments(request.paths);
  set_baseline(experiments, request.baseline);
  std::vector<ReportSection> sections;
  for (Experiment& experiment : experiments) {
    for (const ReportedRun& run : experiment.runs) {
      // While runs go on, they are said with the last page.
      for (const std::string& warning : run.warnings) {
        if (reload_seconds == 0) std::cerr << "warning: " << visible(run.name + ": " + warning) << '\n';
      }
    }
    sections.push_back({std::move(experiment), {}, {}});
    if (!request.format.has_pictures || request.attention_length == 0) continue;
    if (reload_seconds > 0) {
      sections.back().notes.emplace_back("Attention matrices are drawn when the runs have ended.");
    } else {
      add_attention_maps(sections.back(), request.heads, request.attention_length);
    }
  }
  return request.format.write(sections, reload_seconds);
}

/// Whether a process is writing one of the runs or sweeps.
bool is_at_work(const std::vector<std::string>& paths) {
  return std::ranges::any_of(paths, [](const std::string& path) { return is_being_written(path); });
}

/// Writes the page again and again while runs go on, then once more. A page that cannot be made just now is tried again.
int watch(const ReportRequest& request, const fs::path& file, int seconds) {
  const SignalScope signals;
  FileSystem files;
  Console console(std::cerr, terminal_features(STDERR_FILENO));
  std::string before;
  for (std::int64_t round = 0; is_at_work(request.paths) && signals.received() == 0; ++round) {
    try {
      const std::string page = make_report(request, seconds);
      if (page != before) replace_file(files, file, page);
      before = page;
      if (round == 0) console.print(file.string() + ": written; Ctrl-C ends the watch, not the runs");
    } catch (const InputError& error) {
      if (round == 0) throw;
      console.print(std::string("warning: ") + error.what());
    }
    const auto next = std::chrono::steady_clock::now() + std::chrono::seconds(seconds);
    while (signals.received() == 0 && std::chrono::steady_clock::now() < next)
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
  replace_file(files, file, make_report(request, 0));
  console.print(file.string() + (signals.received() == 0 ? ": written, nothing is running" : ": written"));
  return signals.received() == 0 ? 0 : 128 + signals.received();
}

}  // namespace

int run_report(int argc, char** argv) {
  CommandLine line("cosformer report",
                   "Tables, curves and attention matrices of runs and sweeps, in one page that needs no network.");
  line.positional_list("run", "RUN|SWEEP", "run folders and sweep folders", 1);
  line.options()("o,output", "the file to write (default: report.html; other formats: standard output)",
                 cxxopts::value<std::string>(), "FILE");
  line.options()("format", "html, md, csv or json", cxxopts::value<std::string>()->default_value("html"), "FORMAT");
  line.options()("baseline", "the group that the others are compared with (default: the first)",
                 cxxopts::value<std::string>(), "GROUP");
  line.options()("watch", "while runs or sweeps go on, write the page again every so many seconds, 10 if none are given",
                 cxxopts::value<std::int64_t>()->implicit_value("10"), "SECONDS");
  line.options()("heads", "attention heads to show, LAYER.HEAD from 0 (default: 0.0 and the last layer's head 0)",
                 cxxopts::value<std::string>(), "LAYER.HEAD,...");
  line.options()("attention-length", "tokens of the validation data whose attention is shown; 0 = no attention matrices",
                 cxxopts::value<std::int64_t>()->default_value("64"), "N");
  const auto given = line.parse(argc, argv);
  if (!given) return 0;
  const Format& format = find_named(kFormats, (*given)["format"].as<std::string>(), "--format");
  const std::vector<HeadChoice> heads =
      given->count("heads") > 0 ? parse_heads((*given)["heads"].as<std::string>()) : std::vector<HeadChoice>();
  const auto length = (*given)["attention-length"].as<std::int64_t>();
  check<InputError>(length >= 0 && length <= kLongestShownSequence, "--attention-length: expected 0 to ",
                    kLongestShownSequence, ", found ", length);

  const ReportRequest request{.format = format,
                              .paths = (*given)["run"].as<std::vector<std::string>>(),
                              .baseline = given->count("baseline") ? (*given)["baseline"].as<std::string>() : std::string(),
                              .heads = heads,
                              .attention_length = length};
  const std::int64_t seconds = given->count("watch") ? (*given)["watch"].as<std::int64_t>() : 1;
  check<InputError>(seconds >= 1 && seconds <= kMaxWatchSeconds, "--watch: expected 1 to ", kMaxWatchSeconds,
                    " seconds, found ", seconds);
  if (given->count("output") == 0 && !format.has_pictures) {
    check<InputError>(given->count("watch") == 0, "--watch: name the file to write with --output");
    std::cout << make_report(request, 0);
    return 0;
  }
  const fs::path file = given->count("output") ? fs::path((*given)["output"].as<std::string>()) : fs::path(kDefaultFile);
  std::error_code ignored;
  check<InputError>(!fs::is_directory(file, ignored), file.string(), ": is a folder; expected a file to write");
  const fs::path folder = file.has_parent_path() ? file.parent_path() : fs::path(".");
  check<InputError>(fs::is_directory(folder, ignored), file.string(), ": its folder does not exist");
  if (given->count("watch") > 0) return watch(request, file, static_cast<int>(seconds));
  FileSystem files;
  replace_file(files, file, make_report(request, 0));
  std::cerr << visible(file.string()) << ": written\n";
  return 0;
}

}  // namespace cosformer

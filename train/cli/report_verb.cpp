#include <fcntl.h>

#include <iostream>

#include "core/error.h"
#include "core/printable.h"
#include "core/named_table.h"
#include "train/cli/options.h"
#include "train/cli/verbs.h"
#include "train/report/attention_maps.h"
#include "train/report/collect.h"
#include "train/report/export.h"
#include "train/report/page.h"
#include "train/run/atomic_file.h"

namespace cosformer {

namespace {

namespace fs = std::filesystem;

constexpr const char* kDefaultFile = "report.html";

std::vector<Experiment> experiments_of(std::vector<ReportSection> sections) {
  std::vector<Experiment> experiments;
  for (ReportSection& section : sections) experiments.push_back(std::move(section.experiment));
  return experiments;
}

struct Format {
  const char* name;
  std::string (*write)(std::vector<ReportSection> sections);
  bool has_pictures;
};
constexpr Format kFormats[] = {
    {"html", [](std::vector<ReportSection> sections) { return write_page(sections, COSFORMER_VERSION); }, true},
    {"md", [](std::vector<ReportSection> sections) { return write_markdown(experiments_of(std::move(sections))); }, false},
    {"csv", [](std::vector<ReportSection> sections) { return write_csv(experiments_of(std::move(sections))); }, false},
    {"json", [](std::vector<ReportSection> sections) { return write_json(experiments_of(std::move(sections))); }, false},
};

}  // namespace

int run_report(int argc, char** argv) {
  CommandLine line("cosformer report",
                   "Tables, curves and attention matrices of runs and sweeps, in one page that needs no network.");
  line.positional_list("run", "RUN|SWEEP", "run folders and sweep folders", 1);
  line.options()("o,output", "the file to write (default: report.html; other formats: standard output)",
                 cxxopts::value<std::string>(), "FILE");
  line.options()("format", "html, md, csv or json", cxxopts::value<std::string>()->default_value("html"), "FORMAT");
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

  std::vector<ReportSection> sections;
  for (Experiment& experiment : collect_experiments((*given)["run"].as<std::vector<std::string>>())) {
    for (const ReportedRun& run : experiment.runs) {
      for (const std::string& warning : run.warnings) std::cerr << "warning: " << run.name << ": " << warning << '\n';
    }
    sections.push_back({std::move(experiment), {}, {}});
    if (format.has_pictures && length > 0) add_attention_maps(sections.back(), heads, length);
  }
  const std::string text = format.write(std::move(sections));
  if (given->count("output") == 0 && !format.has_pictures) {
    std::cout << text;
    return 0;
  }
  const fs::path file = given->count("output") ? fs::path((*given)["output"].as<std::string>()) : fs::path(kDefaultFile);
  std::error_code ignored;
  check<InputError>(!fs::is_directory(file, ignored), file.string(), ": is a folder; expected a file to write");
  const fs::path folder = file.has_parent_path() ? file.parent_path() : fs::path(".");
  check<InputError>(fs::is_directory(folder, ignored), file.string(), ": its folder does not exist");
  FileSystem files;
  replace_file(files, file, text);
  std::cerr << visible(file.string()) << ": written\n";
  return 0;
}

}  // namespace cosformer

#include "train/experiments/report/page.h"

#include <algorithm>
#include <set>

#include "core/error.h"
#include "train/experiments/group_labels.h"
#include "train/experiments/report/curves.h"
#include "train/experiments/report/overview.h"
#include "train/experiments/report/page_style.h"
#include "train/experiments/report/tables.h"
#include "train/experiments/statistics.h"
#include "train/experiments/text.h"

namespace cosformer {

namespace {

constexpr std::size_t kLongCell = 60;

std::string element(const char* name, const std::string& text) {
  return concat('<', name, '>', escape_html(text), "</", name, ">\n");
}

/// The class that colours a cell which is the name of a status.
std::string status_class(const std::string& text) {
  for (const RunStatus status :
       {RunStatus::finished, RunStatus::running, RunStatus::stopped, RunStatus::failed, RunStatus::not_started}) {
    if (text != status_name(status)) continue;
    std::string name = text;
    std::ranges::replace(name, ' ', '-');
    return name;
  }
  return {};
}

std::string cell_html(const TableCell& cell, const TableColumn& column, bool is_head) {
  std::string classes = column.is_figure ? "f" : "";
  if (column.name == "status") classes = status_class(cell.text);
  if (!column.is_figure && cell.text.size() > kLongCell) classes = "long";
  const std::string name = is_head ? "th scope=\"row\"" : "td";
  std::string html = concat('<', name, classes.empty() ? "" : concat(" class=\"", classes, '"'), '>');
  std::string text = escape_html(cell.text);
  // Names of grid groups wrap between their keys; other text wraps at its spaces.
  for (std::size_t at = text.find(','); is_head && at != std::string::npos; at = text.find(',', at + 1)) {
    if (at + 1 < text.size() && text[at + 1] != ' ') text.insert(at + 1, "<wbr>");
  }
  html += cell.is_best ? "<strong>" + text + "</strong>" : text;
  if (!cell.note.empty()) html += "<small>" + escape_html(cell.note) + "</small>";
  return html + (is_head ? "</th>" : "</td>");
}

std::string table_html(const ReportTable& table, const char* heading = "h2") {
  if (table.empty()) return {};
  std::string html = element(heading, table.title);
  if (!table.note.empty()) html += "<p class=\"note\">" + escape_html(table.note) + "</p>\n";
  html += "<div class=\"scroll\" tabindex=\"0\"><table><thead><tr>";
  for (const TableColumn& column : table.columns) {
    html += concat("<th scope=\"col\"", column.is_figure ? " class=\"f\"" : "", '>', escape_html(column.name), "</th>");
  }
  html += "</tr></thead><tbody>\n";
  for (const auto& row : table.rows) {
    html += "<tr>";
    for (std::size_t i = 0; i < row.size(); ++i) html += cell_html(row[i], table.columns[i], i == 0);
    html += "</tr>\n";
  }
  return html + "</tbody></table></div>\n";
}

std::string curves_html(const Experiment& experiment) {
  std::string charts;
  for (std::size_t stage = 0; stage < experiment.stages.size(); ++stage) {
    for (const LineChart& chart : course_charts(experiment, stage)) charts += draw_line_chart(chart);
  }
  if (charts.empty()) return {};
  return element("h2", "Curves") +
         "<p class=\"note\">Full lines: validation, one per run; pale lines: training loss, a running mean over a twentieth "
         "of the "
         "run.</p>\n<div class=\"charts\">" +
         charts + "</div>\n";
}

/// What the first run of each group with samples wrote: first, in the middle and last; of many groups only the last.
std::string samples_html(const Experiment& experiment) {
  constexpr std::size_t kMostCourses = 4;
  std::string html;
  for (std::size_t stage = 0; stage < experiment.stages.size(); ++stage) {
    for (const std::string& group : experiment.groups) {
      const std::vector<const ReportedRun*> runs = experiment.runs_of(group, stage);
      const auto run = std::ranges::find_if(runs, [](const ReportedRun* own) { return !own->samples.empty(); });
      if (run == runs.end()) continue;
      html += element("h3", run_label(experiment, **run));
      const std::size_t last = (*run)->samples.size() - 1;
      const bool is_one_of_many = experiment.groups.size() > kMostCourses;
      for (const std::size_t i : is_one_of_many ? std::set{last} : std::set<std::size_t>{0, last / 2, last}) {
        const TextSample& sample = (*run)->samples[i];
        html += concat("<p class=\"note\">Step ", sample.step, "</p>\n<div class=\"sample\"><b>", escape_html(sample.prompt),
                       "</b>", escape_html(sample.text), "</div>\n");
      }
    }
  }
  if (html.empty()) return html;
  return element("h2", "Sample text") +
         "<p class=\"note\">What the model wrote behind the prompt (bold) when it was evaluated.</p>\n" + html;
}

std::string heat_maps_html(const ReportSection& section) {
  if (section.heat_maps.empty() && section.notes.empty()) return {};
  std::string html = element("h2", "Attention matrices");
  if (!section.heat_maps.empty()) {
    html += concat(
        "<p class=\"note\">Each row is one query and shows how its weight is divided among the keys (columns), first token "
        "at the top left; rows sum to one. Colour goes with the square root of the weight.</p>\n<div class=\"bar\">0 <img "
        "alt=\"\" "
        "src=\"",
        color_bar_uri(), "\"> largest weight of the matrix</div>\n");
  }
  std::string open;
  bool is_open = false;
  for (const HeatMap& map : section.heat_maps) {
    if (!is_open || map.section != open) {
      html += (is_open ? "</div>\n" : "") + element("h3", map.section) + "<div class=\"maps\">";
      open = map.section;
      is_open = true;
    }
    html += concat("<figure class=\"map\"><figcaption>", escape_html(map.title), "</figcaption><img alt=\"",
                   escape_html(map.title), ", ", map.rows, " queries by ", map.columns, " keys\" src=\"", heat_map_uri(map),
                   "\"><p>", escape_html(map.caption), "</p></figure>\n");
  }
  if (is_open) html += "</div>\n";
  for (const std::string& note : section.notes) html += "<p class=\"note\">" + escape_html(note) + "</p>\n";
  return html;
}

/// The config of the first run of each group, folded.
std::string configs_html(const Experiment& experiment) {
  std::string html;
  for (std::size_t stage = 0; stage < experiment.stages.size(); ++stage) {
    for (const std::string& group : experiment.groups) {
      for (const ReportedRun* run : experiment.runs_of(group, stage)) {
        if (!run->config) continue;
        const std::string label = group_label(experiment, group);
        const std::string name = experiment.stages.size() > 1 ? concat(label, ", ", experiment.stages[stage].name) : label;
        html += concat("<details><summary>", escape_html(name), " <span class=\"quiet\">(", escape_html(run->name),
                       ")</span></summary><pre>", escape_html(to_toml(*run->config)), "</pre></details>\n");
        break;
      }
    }
  }
  return html.empty() ? html : element("h2", "Configs") + html;
}

std::string section_html(const ReportSection& section, bool is_only) {
  const Experiment& experiment = section.experiment;
  const bool asks = !experiment.question.empty();
  std::string html = "<section class=\"experiment\">\n";
  html += concat("<p class=\"eyebrow\">", experiment.is_sweep ? concat("Sweep ", escape_html(experiment.name)) : "Runs",
                 "</p>\n");
  const std::string title = escape_html(asks ? experiment.question : experiment.name);
  html += is_only ? concat("<h1>", title, "</h1>\n") : concat("<h2 class=\"title\">", title, "</h2>\n");
  html += "<p class=\"quiet\">" + escape_html(describe(experiment)) + "</p>\n";
  std::string warned;
  for (std::size_t stage = 0; stage < experiment.stages.size(); ++stage) {
    for (const std::string& warning : warnings(experiment, stage)) {
      warned += "<li>" + escape_html(warning) + "</li>";
    }
  }
  if (!warned.empty()) html += "<ul class=\"warnings\">" + warned + "</ul>\n";
  html += table_html(results_table(experiment));
  html += table_html(differences_table(experiment));
  html += table_html(two_runs_table(experiment));
  html += curves_html(experiment);
  html += samples_html(experiment);
  html += heat_maps_html(section);
  html += table_html(varied_keys_table(experiment));
  html += table_html(runs_table(experiment));
  html += configs_html(experiment);
  html += table_html(environment_table(experiment));
  return html + "</section>\n";
}

}  // namespace

std::string write_page(const std::vector<ReportSection>& sections, const std::string& version, int reload_seconds) {
  const bool is_only = sections.size() == 1;
  std::string title = "Report";
  if (is_only) {
    const Experiment& experiment = sections.front().experiment;
    title = experiment.question.empty() ? experiment.name : experiment.question;
  }
  std::string html = concat(
      "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" "
      "content=\"width=device-width,initial-scale=1\">\n",
      reload_seconds > 0 ? concat("<meta http-equiv=\"refresh\" content=\"", reload_seconds, "\">\n") : "",
      "<meta name=\"color-scheme\" content=\"light dark\">\n"
      "<title>",
      escape_html(title), "</title>\n<style>", kPageStyle, "</style>\n</head>\n<body>\n<main>\n");
  if (reload_seconds > 0) {
    html += concat("<p class=\"warnings\">Runs go on: this page is written anew, and loaded again every ", reload_seconds,
                   " seconds.</p>\n");
  }
  if (!is_only) html += concat("<h1>", sections.size(), " experiments</h1>\n");
  for (const ReportSection& section : sections) html += section_html(section, is_only);
  return html + concat("<footer>Written by cosformer ", escape_html(version), ".</footer>\n</main>\n</body>\n</html>\n");
}

}  // namespace cosformer

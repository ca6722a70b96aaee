// Hostile text in each format, figures, charts and pictures.
#include "train/experiments/text.h"

#include <png.h>

#include "tests/catch.h"
#include "tests/train/experiments/report/report_support.h"
#include "train/experiments/report/attention_maps.h"
#include "train/experiments/report/export.h"
#include "train/experiments/report/line_chart.h"
#include "train/experiments/report/page.h"

namespace cosformer {
namespace {

TEST_CASE("text is escaped for HTML, Markdown and CSV") {
  CHECK(escape_html("<script>\"a\" & 'b'") == "&lt;script&gt;&quot;a&quot; &amp; &#39;b&#39;");
  CHECK(escape_html(std::string("a\x01\xff", 3) + "ä") == "a\xEF\xBF\xBD\xEF\xBF\xBDä");
  CHECK(escape_markdown("a|b\n<i>*c*") == "a\\|b &lt;i&gt;\\*c\\*");
  CHECK(escape_csv("plain") == "plain");
  CHECK(escape_csv("a,\"b\"") == "\"a,\"\"b\"\"\"");
  for (const char* formula : {"=1+1", "+1", "-1", "@x"}) CHECK(escape_csv(formula) == std::string("'") + formula);
  CHECK(shorten("äöüß", 3) == "äö…");
  CHECK(shorten("äöü", 3) == "äöü");
}

TEST_CASE("figures have the decimals that their spread makes meaningful") {
  CHECK(format_summary({3, 2.40364, 0.0146, 0, 0}) == "2.404 ± 0.015");
  CHECK(format_summary({1, 2.40364, {}, 0, 0}) == "2.4036");
  CHECK(format_figure(-1.5) == "−1.5000");
  CHECK(format_figure(0.00001234) == "1.234e-05");
  CHECK(format_difference({3, 2, 1.0, 1.5, 2.5}) == "2.00 [1.50, 2.50]");
  CHECK(format_value_of("parameters", 1234567) == "1,234,567");
  CHECK(format_value_of("parameters", -123) == "-123");
  CHECK(format_value_of("seconds", 200) == "3 min 20 s");
  CHECK(format_value_of("seconds", 7300) == "2 h 01 min");
  CHECK(format_value_of("peak_memory_bytes", 1048576) == "1.0 MiB");
}

TEST_CASE("a hostile name is text in every format") {
  const std::string name = "<script>alert(1)</script>|`x`,\"=1\n";
  Experiment experiment = test::experiment_of({{name, {1, 2, 3}}, {"=cmd|' /C calc'!A0", {2, 3, 4}}});
  experiment.question = name;
  experiment.name = name;
  experiment.runs[0].reason = name;
  experiment.runs[0].environment = {name + "  " + name};
  experiment.published.push_back({name, "train", 1, name});
  experiment.runs[0].config.emplace().task.train = name;
  for (ReportedRun& run : experiment.runs) {
    run.metrics = {{10, "valid", {{"loss", 2.0}}}, {20, "valid", {{"loss", 1.0}}}};
  }
  HeatMap map{.title = name, .caption = name, .section = name, .rows = 1, .columns = 2, .values = {0.5F, 0.5F}};
  const std::string page = write_page({{experiment, {map}, {name}}}, name);
  CHECK(page.find("<script") == std::string::npos);
  CHECK(page.find("&lt;script&gt;") != std::string::npos);
  const std::string markdown = write_markdown({experiment});
  CHECK(markdown.find("<script") == std::string::npos);
  CHECK(markdown.find("\\|\\`x\\`") != std::string::npos);
  const std::string csv = write_csv({experiment});
  CHECK(csv.find(",'=cmd") != std::string::npos);
  CHECK(csv.find(",=cmd") == std::string::npos);
  CHECK(nlohmann::json::parse(write_json({experiment}))["experiments"][0]["question"] == name);
}

TEST_CASE("the page needs nothing from elsewhere and has no script") {
  Experiment experiment = test::experiment_of({{"a", {1, 2, 3}}, {"b", {2, 3, 4}}});
  for (ReportedRun& run : experiment.runs) {
    run.metrics = {{10, "valid", {{"loss", 2.0}, {"wall_seconds", 1.0}}},
                   {20, "valid", {{"loss", 1.0}, {"wall_seconds", 2.0}}}};
  }
  const HeatMap map{.title = "m", .caption = "c", .section = "s", .rows = 1, .columns = 2, .values = {0.5F, 0.5F}};
  const std::string page = write_page({{experiment, {map}, {}}}, "0");
  for (const char* text : {"<script", "http:", "https:", "<link", "@import", "url(", "<iframe"}) {
    INFO(text);
    CHECK(page.find(text) == std::string::npos);
  }
  for (const char* text : {"<meta name=\"color-scheme\" content=\"light dark\">", "prefers-color-scheme:dark",
                           "Loss by step", "Loss by time", "data:image/png;base64,", "Paired differences"}) {
    INFO(text);
    CHECK(page.find(text) != std::string::npos);
  }
}

TEST_CASE("a chart has a line for each with two points, and none without") {
  LineChart chart{.title = "t",
                  .x_label = "x",
                  .y_label = "y",
                  .legend_title = {},
                  .series = {"a", "b"},
                  .lines = {{{{0, 1}, {1, 2}}, 0, false}, {{{0, 3}}, 1, false}}};
  const std::string svg = draw_line_chart(chart);
  const auto count = [&](const std::string& text, const std::string& part) {
    std::size_t found = 0;
    for (std::size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++found;
    return found;
  };
  CHECK(count(svg, "<polyline") == 1);
  // The legend stands outside of the picture, if names wrap, and has the series with a line.
  const std::string legend = svg.substr(svg.rfind("</svg><ul class=\"legend\">"));
  CHECK(count(legend, "</svg>a</li>") == 1);
  CHECK(count(legend, "</svg>b</li>") == 0);
  chart.legend_title = "k<ey";
  CHECK(count(draw_line_chart(chart), "<li class=\"keys\">k&lt;ey:</li>") == 1);
  CHECK(count(svg, "(log)") == 0);
  chart.lines[0].points = {{0, 1}, {1, 2}, {2, std::nan("")}, {3, 100}};
  CHECK(count(draw_line_chart(chart), "(log)") == 1);
  CHECK(count(draw_line_chart(chart), "nan") == 0);
  chart.lines = {{{{0, std::nan("")}, {1, 1}}, 0, false}};
  CHECK(draw_line_chart(chart).empty());
  CHECK(round_ticks(0, 10, 5) == std::vector<double>{0, 2, 4, 6, 8, 10});
  const auto means = smoothed({{0, 2}, {1, 4}, {2, 9}}, 2);
  CHECK(means == std::vector<std::pair<double, double>>{{0, 2}, {1, 3}, {2, 6.5}});
}

TEST_CASE("a heat map is a PNG with one pixel an element, the largest in the last colour") {
  const std::string bytes = encode_palette_png(3, 2, {0, 10, 255, 255, 10, 0});
  png_image image{};
  image.version = PNG_IMAGE_VERSION;
  REQUIRE(png_image_begin_read_from_memory(&image, bytes.data(), bytes.size()) != 0);
  image.format = PNG_FORMAT_RGB;
  REQUIRE(image.width == 3);
  REQUIRE(image.height == 2);
  std::vector<png_byte> pixels(PNG_IMAGE_SIZE(image));
  REQUIRE(png_image_finish_read(&image, nullptr, pixels.data(), 0, nullptr) != 0);
  CHECK(std::vector<int>(pixels.begin(), pixels.begin() + 3) == std::vector<int>{68, 1, 84});
  CHECK(std::vector<int>(pixels.begin() + 6, pixels.begin() + 9) == std::vector<int>{253, 231, 37});
  // RFC 4648, section 10.
  for (const auto& [plain, text] : std::vector<std::pair<std::string, std::string>>{
           {"", ""}, {"f", "Zg=="}, {"fo", "Zm8="}, {"foo", "Zm9v"}, {"foob", "Zm9vYg=="}, {"foobar", "Zm9vYmFy"}}) {
    CHECK(encode_base64(plain) == text);
  }
  const HeatMap odd{.rows = 1, .columns = 3, .values = {-1.0F, std::nanf(""), 2.0F}};
  CHECK(heat_map_uri(odd) == heat_map_uri({.rows = 1, .columns = 3, .values = {0, 0, 1}}));
  CHECK_THROWS_AS(heat_map_uri({.rows = 2, .columns = 3, .values = {0}}), ShapeError);
}

TEST_CASE("attention's spread is its mean distance and entropy") {
  const HeatMap map{.rows = 2, .columns = 2, .values = {1, 0, 0.5F, 0.5F}};
  CHECK(measure_spread(map).distance == Approx(0.25));
  CHECK(measure_spread(map).entropy == Approx(0.5 * std::log(2)));
}

TEST_CASE("heads are read as LAYER.HEAD") {
  const auto heads = parse_heads("0.1,12.3");
  REQUIRE(heads.size() == 2);
  CHECK(heads[1].layer == 12);
  CHECK(heads[1].head == 3);
  for (const char* text : {"", "1", "1.", ".1", "-1.0", "1.0,", "a.b", "1.0;2.0", "1.0.0", "99999999999999999999.0"}) {
    INFO(text);
    CHECK_THROWS_AS(parse_heads(text), InputError);
  }
}

}  // namespace
}  // namespace cosformer

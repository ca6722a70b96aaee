#include "train/store/samples.h"

#include <fstream>
#include <nlohmann/json.hpp>

#include "train/store/atomic_file.h"

namespace cosformer {

namespace {

using nlohmann::ordered_json;

constexpr std::size_t kMaxLineBytes = std::size_t{1} << 24;

std::string encode(const TextSample& sample) {
  const ordered_json line{{"step", sample.step}, {"prompt", sample.prompt}, {"text", sample.text}};
  return line.dump(-1, ' ', false, ordered_json::error_handler_t::replace) + "\n";
}

}  // namespace

void add_sample(FileSystem& files, const std::filesystem::path& path, const TextSample& sample) {
  std::string lines;
  for (const TextSample& earlier : read_samples(path)) {
    if (earlier.step < sample.step) lines += encode(earlier);
  }
  replace_file(files, path, lines + encode(sample));
}

std::vector<TextSample> read_samples(const std::filesystem::path& path) {
  std::vector<TextSample> samples;
  std::ifstream stream(path, std::ios::binary);
  for (std::string line; std::getline(stream, line);) {
    if (line.size() > kMaxLineBytes) continue;
    // One flat object: the parser builds nothing deeper.
    const auto is_flat = [](int depth, ordered_json::parse_event_t, ordered_json&) { return depth <= 1; };
    const ordered_json json = ordered_json::parse(line, is_flat, /*allow_exceptions=*/false);
    if (!json.is_object() || !json.contains("step") || !json["step"].is_number_integer()) continue;
    if (!json.contains("prompt") || !json["prompt"].is_string() || !json.contains("text") || !json["text"].is_string())
      continue;
    samples.push_back(
        {json["step"].get<std::int64_t>(), json["prompt"].get<std::string>(), json["text"].get<std::string>()});
  }
  return samples;
}

}  // namespace cosformer

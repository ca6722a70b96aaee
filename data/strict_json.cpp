#include "data/strict_json.h"

#include <nlohmann/json.hpp>
#include <string>
#include <unordered_set>
#include <vector>

#include "core/error.h"
#include "data/mapped_file.h"
#include "data/utf8.h"

namespace cosformer {

namespace {

/// `text` cut to what fits an error message.
std::string excerpt(std::string text) {
  constexpr std::size_t kLongest = 160;
  if (text.size() > kLongest) text = text.substr(0, kLongest) + "...";
  return text;
}

/// The library's message from its third colon on: without exception name and position.
std::string syntax_error(const std::string& message) {
  const std::size_t position = message.find("column ");
  const std::size_t colon = position == std::string::npos ? position : message.find(": ", position);
  return excerpt(colon == std::string::npos ? message : message.substr(colon + 2));
}

}  // namespace

nlohmann::json parse_strict_json(std::string_view text, std::string_view source) {
  using nlohmann::json;
  check<InputError>(text.size() <= kMaxJsonBytes, source, ": JSON of ", text.size(), " bytes, at most ", kMaxJsonBytes,
                    " are read");
  int depth = 0;
  std::vector<std::unordered_set<std::string>> keys_of_open_objects;
  const auto on_event = [&](int, json::parse_event_t event, json& parsed) {
    switch (event) {
      case json::parse_event_t::object_start:
        keys_of_open_objects.emplace_back();
        [[fallthrough]];
      case json::parse_event_t::array_start:
        check<InputError>(++depth <= kMaxJsonDepth, source, ": JSON nested deeper than ", kMaxJsonDepth, " levels");
        break;
      case json::parse_event_t::object_end:
        keys_of_open_objects.pop_back();
        [[fallthrough]];
      case json::parse_event_t::array_end:
        --depth;
        break;
      case json::parse_event_t::key:
        if (!keys_of_open_objects.back().insert(parsed.get_ref<const std::string&>()).second) {
          throw InputError(concat(source, ": the key ", excerpt(parsed.dump()), " appears twice in one object"));
        }
        break;
      case json::parse_event_t::value:
        break;
    }
    return true;
  };
  try {
    return json::parse(text, on_event);
  } catch (const json::parse_error& error) {
    const std::size_t offset = error.byte == 0 ? 0 : error.byte - 1;
    throw InputError(concat(source, ":", line_and_column(text, offset), ": ", syntax_error(error.what())));
  } catch (const json::exception& error) {
    throw InputError(concat(source, ": ", excerpt(error.what())));
  }
}

nlohmann::json read_strict_json(const std::filesystem::path& path) {
  return parse_strict_json(MappedFile(path).bytes(), path.string());
}

}  // namespace cosformer

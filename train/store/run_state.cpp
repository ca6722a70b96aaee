#include "train/store/run_state.h"

#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>
#include <set>
#include <string>

#include "core/error.h"
#include "train/store/file_system.h"

namespace cosformer {

namespace {

using nlohmann::json;

/// The one list of names: calls `field(name, member)` for each member of a state, const or not. A member that came with a
/// later format says with which, as a third argument.
template <class State, class Field>
void for_each_field(State& state, Field&& field) {
  field("step", state.step);
  field("epoch", state.epoch);
  field("position", state.position);
  field("seed", state.seed);
  field("tokens_seen", state.tokens_seen);
  field("wall_seconds", state.wall_seconds);
  field("metric", state.metric);
  field("best_metric", state.best_metric);
  field("best_step", state.best_step);
  field("higher_is_better", state.higher_is_better);
  field("evaluations_since_best", state.evaluations_since_best);
  field("nonfinite_total", state.nonfinite_total);
  field("nonfinite_streak", state.nonfinite_streak);
  field("nonfinite_steps", state.nonfinite_steps);
}

json encode(std::int64_t value) { return value; }
json encode(std::uint64_t value) { return value; }
json encode(bool value) { return value; }
json encode(const std::vector<std::int64_t>& values) { return values; }
json encode(double value) {
  if (std::isnan(value)) return "nan";
  if (std::isinf(value)) return value > 0 ? "inf" : "-inf";
  return value;
}
json encode(const std::optional<double>& value) { return value ? encode(*value) : json(nullptr); }

// Each `decode` says whether the value is of its kind.
bool decode(const json& value, std::uint64_t& result) {
  // A number that was built and not parsed may be non-negative and yet of the signed kind.
  if (!value.is_number_unsigned() && !(value.is_number_integer() && value.get<std::int64_t>() >= 0)) return false;
  result = value.get<std::uint64_t>();
  return true;
}
bool decode(const json& value, std::int64_t& result) {
  std::uint64_t magnitude = 0;
  if (!decode(value, magnitude) || magnitude > static_cast<std::uint64_t>(INT64_MAX)) return false;
  result = static_cast<std::int64_t>(magnitude);
  return true;
}
bool decode(const json& value, bool& result) {
  if (!value.is_boolean()) return false;
  result = value.get<bool>();
  return true;
}
bool decode(const json& value, double& result) {
  if (value.is_number()) {
    result = value.get<double>();
    return true;
  }
  if (value == "inf" || value == "-inf") {
    result = value == "inf" ? std::numeric_limits<double>::infinity() : -std::numeric_limits<double>::infinity();
    return true;
  }
  result = std::numeric_limits<double>::quiet_NaN();
  return value == "nan";
}
bool decode(const json& value, std::optional<double>& result) {
  if (value.is_null()) {
    result.reset();
    return true;
  }
  return decode(value, result.emplace());
}
bool decode(const json& value, std::vector<std::int64_t>& result) {
  if (!value.is_array()) return false;
  result.clear();
  for (const json& element : value) {
    if (!decode(element, result.emplace_back())) return false;
  }
  return true;
}

}  // namespace

bool note_metric(RunState& state, double metric, bool counts) {
  const bool best =
      std::isfinite(metric) && state.nonfinite_streak == 0 &&
      (!state.best_metric || (state.higher_is_better ? metric > *state.best_metric : metric < *state.best_metric));
  state.metric = metric;
  state.evaluations_since_best = best ? 0 : state.evaluations_since_best + (counts ? 1 : 0);
  if (best) {
    state.best_metric = metric;
    state.best_step = state.step;
  }
  return best;
}

json to_json(const RunState& state) {
  json result = json::object();
  for_each_field(state, [&](const char* name, const auto& member, std::uint64_t = 1) { result[name] = encode(member); });
  return result;
}

RunState run_state_from_json(const json& source, const std::string& where, std::uint64_t version) {
  check<InputError>(source.is_object(), where, ": state: expected an object");
  RunState state;
  std::set<std::string> known;
  for_each_field(state, [&](const char* name, auto& member, std::uint64_t since = 1) {
    if (since > version) return;
    known.insert(name);
    const auto found = source.find(name);
    check<InputError>(found != source.end(), where, ": state: the key ", name, " is missing");
    check<InputError>(decode(*found, member), where, ": state: ", name,
                      ": not a value of this key: ", printable(found->dump()));
  });
  for (const auto& [name, value] : source.items()) {
    check<InputError>(known.contains(name), where, ": state: unknown key ", printable(name));
  }
  return state;
}

}  // namespace cosformer

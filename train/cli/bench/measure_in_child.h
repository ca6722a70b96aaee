#pragma once
/// \file
/// Measurements in a process of their own.

#include <functional>
#include <nlohmann/json.hpp>

namespace cosformer {

/// What `measure` returns, called in a child process: its peak memory is that of this measurement alone. The calling process
/// must not have run any loop on several threads yet, for threads do not survive the fork. Exceptions come through as
/// InputError or Error with the same message; a child that dies is an Error.
nlohmann::ordered_json measure_in_child(const std::function<nlohmann::ordered_json()>& measure);

}  // namespace cosformer

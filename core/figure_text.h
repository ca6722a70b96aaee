#pragma once
/// \file
/// Measured values in lines for people.

#include <string>

namespace cosformer {

/// What stands for infinity and NaN, which are no numbers that anyone should read on.
inline constexpr const char* kNotFinite = "not finite";

/// The value with `digits` significant digits, or `kNotFinite`.
std::string figure_text(double value, int digits);

}  // namespace cosformer

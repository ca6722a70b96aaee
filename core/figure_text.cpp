#include "core/figure_text.h"

#include <array>
#include <cmath>
#include <cstdio>

namespace cosformer {

std::string figure_text(double value, int digits) {
  if (!std::isfinite(value)) return kNotFinite;
  std::array<char, 64> text;
  std::snprintf(text.data(), text.size(), "%.*g", digits, value);
  return text.data();
}

}  // namespace cosformer

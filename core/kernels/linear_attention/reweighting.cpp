#include "core/kernels/linear_attention/reweighting.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace cosformer {

namespace {

/// Positions that share one directly computed angle; those between follow by the sum formulas, in double.
constexpr std::int64_t kAngleBlock = 64;

/// cos and sin of (first + i + 1) · step.
template <class T>
void cosines_and_sines(double step, std::int64_t first, std::int64_t length, T* const* rows) {
  double block_cos[kAngleBlock], block_sin[kAngleBlock];
  for (std::int64_t i = 0; i < std::min(kAngleBlock, length); ++i) {
    block_cos[i] = std::cos(static_cast<double>(i) * step);
    block_sin[i] = std::sin(static_cast<double>(i) * step);
  }
  for (std::int64_t begin = 0; begin < length; begin += kAngleBlock) {
    const double angle = static_cast<double>(first + begin + 1) * step, c = std::cos(angle), s = std::sin(angle);
    for (std::int64_t i = 0; i < std::min(kAngleBlock, length - begin); ++i) {
      rows[0][begin + i] = static_cast<T>(c * block_cos[i] - s * block_sin[i]);
      rows[1][begin + i] = static_cast<T>(s * block_cos[i] + c * block_sin[i]);
    }
  }
}

constexpr ReweightingKind kReweightings[] = {
    {.name = "none",
     .value = Reweighting::none,
     .description = "similarities as they are",
     .formula = "1",
     .parameter = "",
     .parts = 0,
     .of_heads = false,
     .linear_form = true,
     .weight = nullptr,
     .factors_in_float = nullptr,
     .factors_in_double = nullptr,
     .parameter_of = nullptr},
    {.name = "cos",
     .value = Reweighting::cos,
     .description = "falls with the distance, to 0 at M: cosFormer's (Qin et al., 2022)",
     .formula = "cos(π/2 · (i − j)/M)",
     .parameter = "M",
     .parts = 2,
     .of_heads = false,
     .linear_form = true,
     .weight = [](double x) { return std::cos(x); },
     .factors_in_float = cosines_and_sines<float>,
     .factors_in_double = cosines_and_sines<double>,
     .parameter_of = [](double step) { return std::numbers::pi / (2 * step); }},
    {.name = "decay",
     .value = Reweighting::decay,
     .description = "a power of γ for each head, causal: RetNet's (Sun et al., 2023)",
     .formula = "γ^(i − j)",
     .parameter = "γ",
     .parts = 0,
     .of_heads = true,
     .linear_form = false,
     .weight = [](double x) { return std::exp(-x); },
     .factors_in_float = nullptr,
     .factors_in_double = nullptr,
     .parameter_of = [](double step) { return std::exp(-step); }},
};
static_assert(std::ranges::all_of(kReweightings,
                                  [](const ReweightingKind& kind) {
                                    return kind.weight == nullptr || kind.parts > 0 || kind.of_heads;
                                  }),
              "what is carried has a step for each head");

static_assert(
    [] {
      for (std::size_t i = 0; i < std::size(kReweightings); ++i) {
        if (kReweightings[i].value != static_cast<Reweighting>(i)) return false;
      }
      return true;
    }(),
    "the rows stand in the order of the enumeration");

}  // namespace

std::span<const ReweightingKind> reweightings() { return kReweightings; }

const ReweightingKind& reweighting_kind(Reweighting reweighting) {
  return kReweightings[static_cast<std::size_t>(reweighting)];
}

}  // namespace cosformer

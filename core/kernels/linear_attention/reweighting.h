#pragma once
/// \file
/// Re-weightings of linear attention: what a similarity is multiplied by, a function r of x = (i − j) · step.
///
/// Sums over keys can be taken before the query is known if r comes apart into factors of the two. There are two ways:
///
///     in parts    r(θ_i − θ_j) = Σ_p f_p(θ_i) f_p(θ_j), θ_i = (i + 1) · step: a sum holds for the whole text (cos)
///     carried     r(a + b) = r(a) r(b): a sum over earlier keys is multiplied by r(n · step) if it moves on by n positions
///                 (decay). Factors never exceed 1, so no length overflows.

#include <cstdint>
#include <span>
#include <vector>

namespace cosformer {

enum class Reweighting : std::uint8_t { none, cos, decay };

/// A re-weighting is one row of the table in reweighting.cpp.
struct ReweightingKind {
  const char* name;
  Reweighting value;
  const char* description;
  const char* formula;    ///< r as a function of i − j, for people
  const char* parameter;  ///< the formula's letter
  std::int64_t parts;     ///< f_p beside each other in a rotated row; 0: rows are not rotated
  bool of_heads;          ///< the step is one for each head, else one for each item
  bool linear_form;       ///< it comes apart without causality as well
  /// r(x), x = distance · step; null: 1.
  double (*weight)(double x);
  /// Writes f_p((i + 1) · step) for i from first to first + length - 1 to rows[p]; null if `parts` is 0.
  void (*factors_in_float)(double step, std::int64_t first, std::int64_t length, float* const* rows);
  void (*factors_in_double)(double step, std::int64_t first, std::int64_t length, double* const* rows);
  /// The formula's parameter of a step.
  double (*parameter_of)(double step);

  bool is_carried() const { return weight != nullptr && parts == 0; }
};

/// All re-weightings, in the order of the enumeration.
std::span<const ReweightingKind> reweightings();
const ReweightingKind& reweighting_kind(Reweighting reweighting);

/// Steps of x between neighbouring positions, of queries and of keys: one for each of the B items, or one for each of the H
/// heads (ReweightingKind::of_heads). Causal attention and what is carried need both equal.
struct ReweightingSteps {
  std::vector<double> query, key;
};

}  // namespace cosformer

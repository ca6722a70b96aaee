#pragma once
/// \file
/// Student's t distribution (Student, 1908).

namespace cosformer {

/// The t that a variable with `degrees` >= 1 degrees of freedom exceeds with probability 1 - p, for p in [0.5, 1). For
/// p >= 0.9 and up to 1e6 degrees the relative error is below 2e-9. Throws Error for other arguments.
double student_t_quantile(double p, double degrees);

}  // namespace cosformer

#pragma once
/// \file
/// The ceiling that a run's speed is compared with.

namespace cosformer {

/// Floating-point operations a second of a large float32 matrix product on all threads, measured for about `seconds`: the
/// best of several runs.
double measure_matmul_peak(double seconds);

}  // namespace cosformer

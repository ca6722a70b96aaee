#pragma once
/// \file
/// The ceilings that a run's speed is compared with.

namespace cosformer {

/// Floating-point operations a second of a large float32 matrix product on all threads, measured for about `seconds`: the
/// best of several runs.
double measure_matmul_peak(double seconds);

/// Floating-point operations a second of multiply-adds on registers with the processor's widest instruction set that there
/// are loops for (whatever COSFORMER_ISA asks for), on all threads, measured for about `seconds`: the best of several runs.
/// No program is faster.
double measure_fma_peak(double seconds);

}  // namespace cosformer

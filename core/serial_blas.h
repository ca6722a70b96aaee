#pragma once
/// \file
/// OpenBLAS on the calling thread alone.

namespace cosformer {

/// While it lives, OpenBLAS computes each product of the calling thread on that thread. Left to itself it splits large ones
/// over threads of OpenMP, and the split changes bits. Costs a few nanoseconds. The number of threads that OpenMP has for
/// the caller's own regions is as before afterwards.
class SerialBlas {
 public:
  SerialBlas();
  ~SerialBlas();
  SerialBlas(const SerialBlas&) = delete;
  SerialBlas& operator=(const SerialBlas&) = delete;

 private:
  int threads_before_;
};

}  // namespace cosformer

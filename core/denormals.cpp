#include "core/denormals.h"

#include <cstdint>

#ifdef __x86_64__
#include <xmmintrin.h>
#endif

namespace cosformer {

namespace {

// The other bits (rounding, exceptions) stay the caller's.
#if defined(__x86_64__)
constexpr unsigned kFlush = 0x8040;  // MXCSR: flush to zero, denormals are zero
unsigned control() { return _mm_getcsr(); }
void set_control(unsigned value) { _mm_setcsr(value); }
#elif defined(__aarch64__)
constexpr std::uint64_t kFlush = std::uint64_t{1} << 24;  // FPCR.FZ: operands and results
std::uint64_t control() {
  std::uint64_t value = 0;
  asm volatile("mrs %0, fpcr" : "=r"(value));
  return value;
}
void set_control(std::uint64_t value) { asm volatile("msr fpcr, %0" : : "r"(value)); }
#else
constexpr unsigned kFlush = 0;
unsigned control() { return 0; }
void set_control(unsigned) {}
#endif

bool is_set() { return (control() & kFlush) == kFlush; }

}  // namespace

void flush_denormals() {
  // Reading is cheap; writing waits for the operations under way.
  if (!is_set()) set_control(control() | kFlush);
}

DenormalFlushing::DenormalFlushing() : was_set_(is_set()) { flush_denormals(); }

DenormalFlushing::~DenormalFlushing() {
  if (!was_set_) set_control(control() & ~kFlush);
}

}  // namespace cosformer

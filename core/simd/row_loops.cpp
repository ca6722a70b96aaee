#include "core/simd/row_loops.h"

#include <algorithm>
#include <cstdlib>
#include <string_view>

#include "core/error.h"
#include "core/simd/instruction_set.h"

namespace cosformer {

namespace simd {

namespace {

/// The best set of this processor, or what COSFORMER_ISA asks for.
const RowLoops<float>& choose_row_loops() {
  if (const char* wanted = std::getenv("COSFORMER_ISA"); wanted != nullptr && *wanted != '\0') {
    const std::string_view name = wanted;
    check<InputError>(std::ranges::find(kInstructionSets, name) != std::end(kInstructionSets),
                      "COSFORMER_ISA: expected baseline, avx2, avx512 or neon, found '", name, "'");
    const RowLoops<float>* loops = row_loops(wanted);
    check<InputError>(loops != nullptr, "COSFORMER_ISA: this processor or build does not support ", name);
    return *loops;
  }
  return *row_loops(widest_instruction_set());
}

}  // namespace

const char* widest_instruction_set() {
  return *std::ranges::find_if(kInstructionSets, [](const char* name) { return row_loops(name) != nullptr; });
}

const RowLoops<float>* row_loops(const char* instruction_set) {
  const std::string_view name = instruction_set;
  if (name == "baseline") return &baseline_row_loops();
#ifdef COSFORMER_X86_ROW_LOOPS
  // What x86-64-v3 and v4 consist of, as far as it does not come with these.
  const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi") &&
                    __builtin_cpu_supports("bmi2");
  if (name == "avx2" && avx2) return &avx2_row_loops();
  if (name == "avx512" && avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
      __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl")) {
    return &avx512_row_loops();
  }
#endif
#ifdef __aarch64__
  if (name == "neon") return &neon_row_loops();  // every 64-bit Arm processor has it
#endif
  return nullptr;
}

}  // namespace simd

template <>
const RowLoops<float>& loops<float>() {
  static const RowLoops<float>& chosen = simd::choose_row_loops();
  return chosen;
}

const char* instruction_set() { return loops<float>().name; }

std::string upcoming_instruction_set() { return simd::choose_row_loops().name; }

std::string common_instruction_set(const std::string& a, const std::string& b) {
  if (a == b) return a;
  // x86's sets contain one another; Arm's shares nothing with them.
  const bool x86 = a.starts_with("avx") && b.starts_with("avx");
  return x86 ? "avx2" : "baseline";
}

}  // namespace cosformer

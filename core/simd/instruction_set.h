#pragma once
/// \file
/// Which instruction set the loops will use, before they do.

#include <string>

namespace cosformer {

/// What `instruction_set()` (core/simd/row_loops.h) will say at its first call, which then holds; until then the variable
/// COSFORMER_ISA may still be set. Throws InputError as that does.
std::string upcoming_instruction_set();

/// The weaker of two ("baseline", "avx2", "avx512"), which a processor with the other one has, too.
std::string common_instruction_set(const std::string& a, const std::string& b);

}  // namespace cosformer

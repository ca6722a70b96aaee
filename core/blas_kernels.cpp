#include "core/blas_kernels.h"

#include <algorithm>
#include <array>
#include <cstdlib>

#include "core/error.h"

namespace cosformer {

namespace {

struct Kernels {
  std::string_view name;
  VectorLevel needs;
};
/// Those that OpenBLAS's openblas_get_corename() may give on x86-64 (driver/others/dynamic.c, 0.3.5 to 0.3.28).
constexpr Kernels kKnown[] = {
    {"Prescott", VectorLevel::sse},    {"Atom", VectorLevel::sse},          {"Core2", VectorLevel::sse},
    {"Penryn", VectorLevel::sse},      {"Dunnington", VectorLevel::sse},    {"Nehalem", VectorLevel::sse},
    {"Opteron", VectorLevel::sse},     {"Opteron_SSE3", VectorLevel::sse},  {"Barcelona", VectorLevel::sse},
    {"Nano", VectorLevel::sse},        {"Bobcat", VectorLevel::sse},        {"Sandybridge", VectorLevel::avx},
    {"Bulldozer", VectorLevel::avx},   {"Piledriver", VectorLevel::avx},    {"Steamroller", VectorLevel::avx},
    {"Excavator", VectorLevel::avx2},  {"Haswell", VectorLevel::avx2},      {"Zen", VectorLevel::avx2},
    {"SkylakeX", VectorLevel::avx512}, {"Cooperlake", VectorLevel::avx512}, {"SapphireRapids", VectorLevel::avx512},
};

/// What to ask for, best first. Cooperlake and SapphireRapids have the same float32 and float64 products as SkylakeX, but
/// 0.3.21 does not take their names.
constexpr Kernels kCandidates[] = {{"SkylakeX", VectorLevel::avx512},
                                   {"Haswell", VectorLevel::avx2},
                                   {"Sandybridge", VectorLevel::avx},
                                   {"Prescott", VectorLevel::sse}};

bool contains(const std::vector<std::string>& names, std::string_view name) {
  return std::ranges::find(names, name) != names.end();
}

std::string joined(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "" : ", ") + name;
  return text;
}

[[noreturn]] void refuse(const BlasKernels& kernels) {
  if (kernels.asked.empty()) {
    throw Error(concat("OpenBLAS computes wrong products on this processor with each of its kernels (",
                       joined(kernels.wrong), "): another version is needed"));
  }
  const std::optional<VectorLevel> needs = vectors_of_blas_kernels(kernels.name);
  if (needs && kernels.processor && *needs > *kernels.processor) {
    throw InputError(concat("OPENBLAS_CORETYPE: ", kernels.asked, " needs ", name_of(*needs),
                            ", which this processor lacks; it has ", name_of(*kernels.processor), " (unset the variable)"));
  }
  throw InputError(
      concat("OPENBLAS_CORETYPE: ", kernels.asked, " computes wrong products on this processor (unset the ", "variable)"));
}

}  // namespace

const char* name_of(VectorLevel level) {
  constexpr std::array kNames = {"SSE", "AVX", "AVX2", "AVX-512"};
  return kNames[static_cast<std::size_t>(level)];
}

std::optional<VectorLevel> vectors_of_blas_kernels(std::string_view kernels) {
  const auto known = std::ranges::find(kKnown, kernels, &Kernels::name);
  return known == std::end(kKnown) ? std::nullopt : std::optional(known->needs);
}

std::optional<VectorLevel> processor_vectors() {
#ifdef __x86_64__
  // GCC and Clang ask the system too whether it saves the registers.
  if (!__builtin_cpu_supports("avx")) return VectorLevel::sse;
  if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma")) return VectorLevel::avx;
  const bool avx512 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                      __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq") &&
                      __builtin_cpu_supports("avx512vl");
  return avx512 ? VectorLevel::avx512 : VectorLevel::avx2;
#else
  return std::nullopt;
#endif
}

BlasChoice choose_blas_kernels(const BlasSituation& situation) {
  const std::optional<VectorLevel> has = vectors_of_blas_kernels(situation.kernels);
  const bool runs = !has || !situation.processor || *has <= *situation.processor;
  const bool usable = runs && situation.right;
  if (situation.by_user) return {usable ? BlasAction::keep : BlasAction::refuse};
  if (situation.processor && (!usable || has)) {
    for (const auto& [name, needs] : kCandidates) {
      const bool better = !usable || needs > *has;
      if (needs <= *situation.processor && better && name != situation.kernels && !contains(situation.tried, name))
        return {BlasAction::take, std::string(name)};
    }
  }
  return {usable ? BlasAction::keep : BlasAction::refuse};
}

bool BlasKernels::weak() const {
  const std::optional<VectorLevel> has = vectors_of_blas_kernels(name);
  return has && processor && *has < *processor;
}

std::string describe(const BlasKernels& kernels) {
  std::string text = kernels.name + " (";
  if (!kernels.asked.empty()) {
    text += "OPENBLAS_CORETYPE=" + kernels.asked;
  } else if (kernels.name == kernels.found) {
    text += "OpenBLAS's choice";
  } else {
    text += "OpenBLAS chose " + kernels.found;
    if (!contains(kernels.wrong, kernels.found) && kernels.processor) {
      const std::optional<VectorLevel> has = vectors_of_blas_kernels(kernels.found);
      text +=
          concat(has && *has > *kernels.processor ? ", which needs more than " : ", without ", name_of(*kernels.processor));
    }
  }
  if (!kernels.wrong.empty()) text += "; wrong products: " + joined(kernels.wrong);
  return text + ')';
}

BlasKernels settle_blas_kernels(const BlasLibrary& library, std::optional<VectorLevel> processor, const std::string& asked) {
  BlasSituation situation{.processor = processor, .kernels = library.kernels(), .by_user = !asked.empty()};
  BlasKernels result{.name = {}, .found = situation.kernels, .asked = asked, .processor = processor};
  while (true) {
    result.name = situation.kernels;
    const std::optional<VectorLevel> needs = vectors_of_blas_kernels(result.name);
    const bool runs = !needs || !processor || *needs <= *processor;
    situation.right = !runs || library.computes_right();
    if (!situation.right && !contains(result.wrong, result.name)) result.wrong.push_back(result.name);
    const BlasChoice choice = choose_blas_kernels(situation);
    if (choice.action == BlasAction::keep) return result;
    if (choice.action == BlasAction::refuse) refuse(result);
    // Weak ones that compute right products may be come back to.
    if (!situation.right || !runs) situation.tried.push_back(situation.kernels);
    situation.tried.push_back(choice.kernels);
    library.take(choice.kernels);
    situation.kernels = library.kernels();
  }
}

const BlasKernels& blas_kernels() {
  static const BlasKernels settled = [] {
    const char* const asked = std::getenv("OPENBLAS_CORETYPE");
    return settle_blas_kernels(linked_blas(), processor_vectors(), asked == nullptr ? "" : asked);
  }();
  return settled;
}

}  // namespace cosformer

#pragma once
/// \file
/// The forms of synthesizer by name.

#include <cstdint>
#include <span>

namespace cosformer {

/// Where the scores of a query come from.
enum class SynthesizerForm : std::uint8_t {
  dense,             ///< its own token: W₂ relu(q) + b₂, a row of W₂ for each position of a key; q is q_proj's
  factorized_dense,  ///< its own token: the products of two short vectors of that kind
  random,            ///< its position: a row of a matrix of parameters
  factorized_random  ///< its position: that matrix as a product of two narrow ones
};

struct SynthesizerKind {
  const char* name;
  SynthesizerForm form;

  bool reads_query() const { return form == SynthesizerForm::dense || form == SynthesizerForm::factorized_dense; }
};
std::span<const SynthesizerKind> synthesizer_forms();

}  // namespace cosformer

#pragma once
/// \file
/// Tokens of two parts of texts, one behind the other.

#include "autograd/ops.h"

namespace cosformer {

/// a [B, m, ..] above b [B, n, ..] -> [B, m + n, ..]; one of them may have no rows, or be undefined.
inline Variable stack_rows(const Variable& a, const Variable& b) {
  if (!a.defined() || a.dim(1) == 0) return b;
  if (!b.defined() || b.dim(1) == 0) return a;
  const auto flat = [](const Variable& x) { return reshape(x, {x.dim(0), x.value().size() / x.dim(0)}); };
  return reshape(concatenate(flat(a), flat(b)), a.shape().with_dim(1, a.dim(1) + b.dim(1)));
}

}  // namespace cosformer

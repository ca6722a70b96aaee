#pragma once
/// \file
/// The operators that `cosformer bench operators` times.

#include <functional>
#include <span>

namespace cosformer {

/// What one call has to do at least: arithmetic if products dominate, else bytes read and written in memory. The other is
/// 0.
struct OperatorWork {
  double flops = 0;
  double bytes = 0;
};

/// One operator in one shape, ready to be called.
struct PreparedOperator {
  std::function<void()> forward;           ///< without a graph
  std::function<void()> forward_backward;  ///< empty if there is no backward pass
  OperatorWork forward_work, forward_backward_work;
};

struct OperatorRow {
  const char* name;
  const char* shape;
  PreparedOperator (*prepare)();
};

std::span<const OperatorRow> operator_rows();

}  // namespace cosformer

#pragma once
/// \file
/// Functions whose activations are not kept for the backward pass but computed once more in it (Chen et al., Training Deep
/// Nets with Sublinear Memory Cost, 2016).

#include <functional>
#include <span>
#include <vector>

#include "autograd/variable.h"

namespace cosformer {

/// A function of variables and of leaves that it knows, which gives the same value whenever it is called.
using RecomputedFunction = std::function<Variable(std::span<const Variable> inputs)>;

/// f(inputs) as one operation, which keeps the inputs alone. Its backward pass calls `f` again, and the gradients have the
/// bits that they would have without it: those of the function's own leaves are added to what has come so far in the same
/// places. `inputs` may hold undefined variables, which are handed through, but none of them twice.
Variable recompute(std::vector<Variable> inputs, RecomputedFunction f);

/// The leaves that `output` was computed from, without those of `inputs`, in an order that depends on the graph alone.
std::vector<Node::Edge> leaves_of(const Variable& output, std::span<const Variable> inputs);

/// Copies that a function can be given instead: new leaves for what takes part in a graph, constants for the others.
std::vector<Variable> as_leaves(std::span<const Variable> inputs);

/// What an operation of `inputs`, and of a function's own leaves behind them, was computed from.
std::vector<Node::Edge> edges_of(std::span<const Variable> inputs, std::span<const Node::Edge> leaves);

}  // namespace cosformer

#pragma once
/// \file
/// Rows of a table by their numbers, and the gradient of the table.

#include <cstdint>

#include "core/kernels/gradient.h"

namespace cosformer {

/// Throws ShapeError if one of `count` ids lies outside [0, vocab).
void check_ids(const std::int32_t* ids, std::int64_t count, std::int64_t vocab);

/// y_i = table row ids_i: table [vocab, width], y [count, width]. Throws ShapeError for an id outside the table.
template <class T>
void embedding_forward(const T* table, std::int64_t vocab, std::int64_t width, const std::int32_t* ids, std::int64_t count,
                       T* y);

/// dtable [vocab, width]: row v is the sum of dy_i with ids_i = v, in the order of i on any number of threads. The ids have
/// passed `embedding_forward`.
template <class T>
void embedding_backward(std::int64_t vocab, std::int64_t width, const std::int32_t* ids, std::int64_t count, const T* dy,
                        const Gradient<T>& dtable);

/// y row rows_i = x_i: x [count, width], y with the rows that `rows` names, none of them twice; other rows of y stay as they
/// are. The inverse of `embedding_forward`.
template <class T>
void scatter_rows(const T* x, std::int64_t width, const std::int32_t* rows, std::int64_t count, T* y);

}  // namespace cosformer

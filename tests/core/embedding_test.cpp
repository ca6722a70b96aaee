#include "core/kernels/embedding.h"

#include <cstdint>
#include <string>
#include <vector>

#include "core/error.h"
#include "tests/catch.h"
#include "tests/support/random_values.h"
#include "tests/support/require_close.h"
#include "tests/support/thread_counts.h"

using namespace cosformer;
using namespace cosformer::test;

namespace {

std::vector<std::int32_t> some_ids(std::int64_t count, std::int32_t vocab) {
  std::vector<std::int32_t> ids;
  for (const double value : random_values<double>(count, 1, 0, vocab)) ids.push_back(static_cast<std::int32_t>(value));
  return ids;
}

}  // namespace

TEST_CASE("Embedding copies rows and adds their gradients, also of repeated ids") {
  for (const std::int64_t width : {1, 3, 64, 130}) {
    for (const std::int64_t count : {0, 1, 40, 700}) {
      CAPTURE(width, count);
      constexpr std::int32_t kVocab = 11;
      const auto ids = some_ids(count, kVocab);
      const auto table = random_values<float>(kVocab * width, 2), dy = random_values<float>(count * width, 3);
      std::vector<float> y(dy.size()), rows, dtable(table.size(), 1.0F);
      std::vector<double> expected(table.size(), 1.0);
      for (std::size_t i = 0; i < ids.size(); ++i) {
        for (std::size_t j = 0; j < static_cast<std::size_t>(width); ++j) {
          const std::size_t cell = static_cast<std::size_t>(ids[i]) * static_cast<std::size_t>(width) + j;
          rows.push_back(table[cell]);
          expected[cell] += dy[i * static_cast<std::size_t>(width) + j];
        }
      }
      embedding_forward(table.data(), kVocab, width, ids.data(), count, y.data());
      CHECK(y == rows);
      embedding_backward(kVocab, width, ids.data(), count, dy.data(), Gradient<float>{dtable.data(), true});
      require_close("dtable", expected, dtable, {.rel = 1e-5});
    }
  }
}

TEST_CASE("An id outside the table is named with its position") {
  const std::vector<double> table(10);
  std::vector<double> y(6);
  for (const std::int32_t bad : {-1, 5, 2147483647}) {
    const std::vector<std::int32_t> ids = {0, 4, bad};
    try {
      embedding_forward(table.data(), 5, 2, ids.data(), 3, y.data());
      FAIL("an id of " << bad << " was accepted");
    } catch (const ShapeError& error) {
      const std::string message = error.what();
      CAPTURE(message);
      CHECK(message.find(std::to_string(bad) + " at position 2") != std::string::npos);
      CHECK(message.find("5 rows") != std::string::npos);
    }
  }
}

TEST_CASE("The table's gradient has the same bits on any number of threads") {
  constexpr std::int64_t kCount = 2000, kWidth = 200;
  const auto ids = some_ids(kCount, 30);
  const auto dy = random_values<float>(kCount * kWidth, 4);
  require_same_bits_on_any_threads("embedding gradient", [&] {
    std::vector<float> dtable(30 * kWidth, 7.0F);
    embedding_backward(30, kWidth, ids.data(), kCount, dy.data(), Gradient<float>{dtable.data()});
    return dtable;
  });
}

TEST_CASE("Rows that are scattered come back where they were taken from, and other rows stay") {
  for (const std::int64_t width : {1, 3, 70}) {
    for (const int threads : {1, 3}) {
      const ThreadCountScope scope(threads);
      CAPTURE(width, threads);
      const std::vector<std::int32_t> rows = {4, 0, 3, 7};
      const auto x = random_values<double>(4 * width, 5);
      std::vector<double> y(static_cast<std::size_t>(9 * width), -1.0), expected = y;
      for (std::size_t i = 0; i < rows.size(); ++i) {
        for (std::int64_t j = 0; j < width; ++j) {
          expected[static_cast<std::size_t>(rows[i] * width + j)] =
              x[i * static_cast<std::size_t>(width) + static_cast<std::size_t>(j)];
        }
      }
      scatter_rows(x.data(), width, rows.data(), 4, y.data());
      CHECK(y == expected);
    }
  }
}

// Evaluations of sequences that are cut over ranks.
#include <mutex>

#include "tests/catch.h"
#include "tests/support/input_error.h"
#include "tests/support/layer_cases.h"
#include "tests/support/require_close.h"
#include "tests/support/thread_ranks.h"
#include "tests/train/run_support.h"
#include "train/tasks/task.h"

namespace cosformer::test {

namespace {

/// Data of a task whose texts can be cut, and a model in double precision.
struct Problem {
  explicit Problem(const std::string& name) {
    config.task.name = name;
    config.model = small_model(name == "listops" ? ModelKind::encoder : ModelKind::decoder, {}, 0);
    config.model.attention.chunk_size = 2;
    config.model.vocab_size = config.model.num_classes = 0;
    config.task.seq_len = 16;
    config.train.batch_size = 3;
    config.train.accumulation = 2;
    std::string text;
    if (name == "recall") {
      text =
          "Tokens\tTargets\tVocabulary=13\n3 1 2 7 4 4 9 8 7 6 5\t1:5 3:12 10:1\n4 4\t0:1\n9 8 7 6 5\t4:0\n1 2 3 4\t3:9\n";
    } else if (name == "listops") {
      text = "Source\tTarget\n";
      for (int i = 0; i < 7; ++i) {
        text += "[MAX";
        for (int k = 0; k < 1 + 2 * i % 9; ++k) text += concat(' ', (i + k) % 10);
        text += concat(" ]\t", i % 10, '\n');
      }
    } else {
      for (const double x : random_values<double>(100, 5, 0, 26)) text += static_cast<char>('a' + static_cast<int>(x));
    }
    write_bytes(folder / "set", text);
    config.task.train = config.task.valid = (folder / "set").string();
  }

  /// What each of `ranks` ranks finds: all values but the seconds, or nothing if two differ.
  std::vector<double> on(int ranks, std::int64_t sequence_ranks) {
    config.train.sequence_ranks = sequence_ranks;
    const auto task = make_task(config);
    const Model model(task->complete(config.model), 3, DType::float64);
    std::vector<double> values;
    bool all_alike = true;
    std::mutex mutex;
    run_ranks(ranks, [&](Communicator& own) {
      const auto go_on = [](std::int64_t, std::int64_t) { return false; };
      const auto found = task->evaluate(model, Split::valid, 0, go_on, own);
      std::vector<double> here;
      for (const auto& [name, value] : found->values) {
        if (name != "seconds") here.push_back(value);
      }
      const std::lock_guard lock(mutex);
      all_alike = all_alike && (values.empty() || values == here);
      values = here;
    });
    return all_alike ? values : std::vector<double>();
  }

  TemporaryFolder folder;
  Config config;
};

}  // namespace

TEST_CASE(
    "an evaluation of sequences in parts finds what it finds of whole ones, and the same bits on any number of ranks") {
  for (const char* name : {"language_modeling", "recall", "listops"}) {
    Problem problem(name);
    CAPTURE(name);
    const std::vector<double> whole = problem.on(1, 0), alone = problem.on(1, 1);
    REQUIRE(whole.size() == alone.size());
    // Scores of classes are rounded to float.
    require_close("figures", whole, alone, {.rel = 1e-6});
    // Groups of as many ranks as share a sequence in training, if they fit the ranks of the evaluation.
    const std::pair<int, std::int64_t> layouts[] = {{2, 2}, {3, 3}, {4, 2}, {2, 4}, {3, 2}, {1, 4}};
    for (const auto& [ranks, members] : layouts) {
      CAPTURE(ranks, members);
      CHECK(problem.on(ranks, members) == alone);
    }
  }
}

TEST_CASE("an evaluation of what cannot be cut is refused by the key at fault") {
  Problem problem("language_modeling");
  problem.config.model.attention.kind = "softmax";
  CHECK(input_error_of([&] { problem.on(1, 1); }).find("attention.kind: \"softmax\"") == 0);
}

}  // namespace cosformer::test

#include "train/loop/cluster_plan.h"

#include "tests/catch.h"
#include "tests/support/input_error.h"
#include "tests/support/layer_cases.h"

namespace cosformer::test {

namespace {

/// A plan of 8 leaves: a run of 10 steps of 1e12 operations and 1e6 parameters.
struct Problem {
  Problem() {
    config.train.batch_size = config.train.accumulation = 8;
    config.train.shards = 1;
    config.train.max_steps = 10;
    plan.parameters = 1'000'000;
    plan.tokens_per_step = 1000;
    plan.training_flops_per_token = 1e9;
    plan.shards = 1;
    plan.memory.optimizer = 8'000'000;
    plan.memory.parameters = 4'000'000;
  }
  ClusterPlan on(int ranks) const { return make_cluster_plan(config, model, plan, {ranks, 1.0, 1e11}); }

  Config config;
  ModelConfig model;
  RunPlan plan;
};

}  // namespace

TEST_CASE("a rank that is alone computes all leaves and sends nothing") {
  const ClusterPlan plan = Problem().on(1);
  CHECK(plan.leaves_per_rank == 8);
  CHECK(plan.step_seconds == Approx(10.0));
  CHECK(plan.reduce_seconds + plan.gather_seconds == 0);
  CHECK(plan.efficiency == Approx(1.0));
  CHECK(plan.run_seconds == Approx(100.0));
}

TEST_CASE("ranks send each subtree's gradients to their owners, and updated parameters to all") {
  const ClusterPlan plan = Problem().on(4);
  CHECK(plan.leaves_per_rank == 2);
  CHECK(plan.compute_seconds == Approx(2.5));
  // One subtree per rank: three quarters of 32 million bits at 1e9 per second, there and back.
  CHECK(plan.reduce_seconds == Approx(0.024));
  CHECK(plan.gather_seconds == Approx(0.024));
  CHECK(plan.hidden_seconds == Approx(0.024));
  CHECK(plan.step_seconds == Approx(2.524));
  CHECK(plan.efficiency == Approx(10 / (4 * 2.524)));
  CHECK(plan.memory.optimizer == 2'000'000);
  CHECK(plan.memory.parameters == 4'000'000);
}

TEST_CASE("ranks whose number does not divide the leaves wait for the busiest and send more than one subtree") {
  const ClusterPlan plan = Problem().on(3);
  CHECK(plan.leaves_per_rank == 3);
  CHECK(plan.compute_seconds == Approx(3.75));
  // Leaves 0 1 | 2 3 4 | 5 6 7: one, two and two subtrees.
  CHECK(plan.reduce_seconds == Approx(4 * 32e6 / 3 / 1e9));
}

TEST_CASE("leaves of unequal cost are divided as a step divides them, and the heaviest rank counts") {
  Problem problem;
  // Of 1e12 operations: one leaf has half of them.
  const std::vector<double> flops = {5e11, 1e11, 1e11, 1e11, 5e10, 5e10, 5e10, 5e10};
  const ClusterPlan plan = make_cluster_plan(problem.config, problem.model, problem.plan, {2, 1.0, 1e11, flops});
  CHECK(plan.compute_seconds == Approx(5.0));
  CHECK(plan.leaves_per_rank == 7);
  CHECK(make_cluster_plan(problem.config, problem.model, problem.plan, {4, 1.0, 1e11, flops}).compute_seconds ==
        Approx(5.0));
}

TEST_CASE("ranks that share sequences divide each leaf, and the first of them has its gradients") {
  Problem problem;
  problem.config.train.sequence_ranks = 2;
  problem.config.task.seq_len = 16;
  problem.model.attention.chunk_size = 1;
  const ClusterPlan plan = problem.on(4);
  CHECK(plan.members == 2);
  CHECK(plan.leaves_per_rank == 4);
  CHECK(plan.compute_seconds == Approx(2.5));
  // Four leaves, half of whose parts are one subtree elsewhere.
  CHECK(plan.group_seconds == Approx(4 * 0.032));
  // Two groups with a subtree each, which the first rank of each sends to the three others.
  CHECK(plan.reduce_seconds == Approx(0.024));
  CHECK(plan.hidden_seconds == 0);
  CHECK(plan.step_seconds == Approx(2.5 + 0.128 + 0.024 + 0.024));
}

TEST_CASE("more ranks than leaves are refused with the key to raise") {
  Problem problem;
  CHECK(input_error_of([&] { problem.on(16); }).find("train.batch_size") == 0);
  problem.config.train.accumulation = 4;
  CHECK(input_error_of([&] { problem.on(5); }).find("train.accumulation") == 0);
}

}  // namespace cosformer::test

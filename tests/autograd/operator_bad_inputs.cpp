#include "tests/autograd/operator_table.h"

namespace cosformer::test {

std::vector<BadInput> bad_inputs() {
  const auto zeros = [](const Shape& shape) { return Variable(Tensor::zeros(shape)); };
  const auto heads = zeros({2, 3, 2, 4});
  std::vector<BadInput> rows = {
      {"add", "two shapes", [=] { add(zeros({2}), zeros({3})); }},
      {"subtract", "two shapes", [=] { subtract(zeros({2}), zeros({3})); }},
      {"multiply", "two shapes", [=] { multiply(zeros({2}), zeros({3})); }},
      {"concatenate", "other rows",
       [=] {
         concatenate(zeros({2, 3}), zeros({3, 3}));
       }},
      {"concatenate", "another number of axes",
       [=] {
         concatenate(zeros({2, 3}), zeros({3}));
       }},
      {"add_rows", "rows of another width",
       [=] {
         add_rows(zeros({2, 3, 4}), zeros({3, 5}));
       }},
      {"weighted_sum", "weights of another shape", [=] { weighted_sum(zeros({2}), Tensor::zeros({3})); }},
      {"matmul", "inner sizes differ",
       [=] {
         matmul(zeros({2, 3}), zeros({2, 3}));
       }},
      {"reshape", "another size",
       [=] {
         reshape(zeros({2, 3}), {7});
       }},
      {"narrow", "past the end",
       [=] {
         narrow(zeros({2, 3}), 1, 2, 2);
       }},
      {"mean_pool", "a mask of another length",
       [=] {
         mean_pool(zeros({3, 5, 2}), some_mask());
       }},
      {"first_token", "no tokens",
       [=] {
         first_token(zeros({2, 0, 3}));
       }},
      {"bias_activation", "bias of another width",
       [=] {
         bias_activation(zeros({2, 3}), zeros({2}), ScalarFunction::relu);
       }},
      {"dropout", "probability 1", [=] { dropout(zeros({2}), 1.0, Random(1, "test")); }},
      {"linear", "input of another width",
       [=] {
         linear(zeros({2, 3}), zeros({4, 5}), Variable());
       }},
      {"linear", "bias of another width",
       [=] {
         linear(zeros({2, 3}), zeros({4, 3}), zeros({5}));
       }},
      {"layer_norm", "weight of another width",
       [=] {
         layer_norm(zeros({2, 3}), zeros({4}), zeros({4}), 1e-5);
       }},
      {"embedding", "an id past the table",
       [=] {
         embedding(zeros({5, 3}), ids({1}, {5}));
       }},
      {"embedding", "a negative id",
       [=] {
         embedding(zeros({5, 3}), ids({1}, {-1}));
       }},
      {"softmax_attention", "causal with T != S",
       [=] {
         softmax_attention(heads, zeros({2, 4, 2, 4}), zeros({2, 4, 2, 4}), {.causal = true}, {});
       }},
      {"softmax_attention", "head sizes differ",
       [=] {
         softmax_attention(heads, zeros({2, 3, 2, 5}), heads, {}, {});
       }},
      {"softmax_attention", "slopes of other heads",
       [=] {
         softmax_attention(heads, heads, heads, {}, {.distance_slopes = {1, 2, 3}});
       }},
      {"linear_attention", "no steps", [=] { linear_attention(heads, heads, heads, {}, {}); }},
      {"linear_attention", "a mask of another shape",
       [=] { linear_attention(heads, heads, heads, {.key_mask = some_mask()}, {.reweighting = Reweighting::none}); }},
      {"linear_attention", "dropout of weights that it has not",
       [=] {
         AttentionMask mask;
         mask.dropout = dropout_mask(0.1, Random(1, "test"));
         linear_attention(heads, heads, heads, mask, {.reweighting = Reweighting::none});
       }},
      {"favor_features", "another head_dim",
       [=] {
         favor_features(heads, Tensor::zeros({2, 8, 5}));
       }},
      {"cross_entropy", "a target past the classes",
       [=] {
         cross_entropy(zeros({1, 3}), ids({1}, {3}), 1);
       }},
      {"cross_entropy", "too few targets",
       [=] {
         cross_entropy(zeros({2, 3}), ids({1}, {0}), 1);
       }},
      {"linear_cross_entropy", "widths differ",
       [=] {
         linear_cross_entropy(zeros({1, 3}), zeros({4, 2}), Variable(), ids({1}, {0}), 1);
       }},
  };
  for (BadInput& row : bad_sparse_inputs()) rows.push_back(std::move(row));
  for (BadInput& row : bad_synthesized_inputs()) rows.push_back(std::move(row));
  for (BadInput& row : bad_part_inputs()) rows.push_back(std::move(row));
  for (BadInput& row : bad_sinkhorn_inputs()) rows.push_back(std::move(row));
  for (BadInput& row : bad_attention_layer_inputs()) rows.push_back(std::move(row));
  for (BadInput& row : bad_block_inputs()) rows.push_back(std::move(row));
  for (BadInput& row : bad_landmark_inputs()) rows.push_back(std::move(row));
  for (BadInput& row : bad_feature_inputs()) rows.push_back(std::move(row));
  for (BadInput& row : bad_linearize_inputs()) rows.push_back(std::move(row));
  for (BadInput& row : bad_fused_inputs()) rows.push_back(std::move(row));
  for (BadInput& row : bad_adaptive_inputs()) rows.push_back(std::move(row));
  return rows;
}

}  // namespace cosformer::test

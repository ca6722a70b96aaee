#include "layers/attention_transfer.h"

#include "core/error.h"

namespace cosformer {

TransferErrors transfer_errors(const Model& student, const Model& teacher, const Tensor& ids, const Tensor& places,
                               double factor, const Pass& pass) {
  const auto own = student.decoder().layers(), shown = teacher.decoder().layers();
  check<Error>(own.size() == shown.size() && student.config().embed_dim == teacher.config().embed_dim,
               "[transfer] a student of ", own.size(), " layers of ", student.config().embed_dim, " and a teacher of ",
               shown.size(), " layers of ", teacher.config().embed_dim);
  const std::int64_t rows = ids.size(), width = teacher.config().embed_dim;
  // Rows that count, as a table's rows by their numbers.
  const auto counted = [&](const Variable& x) {
    const Variable all = reshape(x, {rows, width});
    return places.defined() ? embedding(all, places) : all;
  };
  const Pass plain;
  const AttentionMask mask{.causal = true};
  TransferErrors errors;
  Variable x = teacher.decoder().embed_part(ids, nullptr, 0, plain);
  for (std::size_t layer = 0; layer < shown.size(); ++layer) {
    const TransformerLayer &student_layer = own[layer], &teacher_layer = shown[layer];
    const MultiHeadAttention::Heads asked = teacher_layer.heads(x, nullptr, 0, plain);
    const Variable attended = teacher_layer.attend(asked.inputs, mask, plain);
    const MultiHeadAttention::Heads tried = student_layer.heads(x, nullptr, 0, pass);
    const Variable given = student_layer.join_heads(student_layer.attend(tried.inputs, mask, pass), tried.gate, pass);
    const Variable wanted = teacher_layer.join_heads(attended, asked.gate, plain);
    errors.layers.push_back(squared_error(counted(given), counted(wanted).value(), factor));
    x = teacher_layer.feed(teacher_layer.close_attention(x, attended, asked.gate, plain), plain);
  }
  errors.teacher_hidden = teacher.decoder().normed(x, plain);
  return errors;
}

}  // namespace cosformer

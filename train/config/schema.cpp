#include "train/config/schema.h"

#include <algorithm>

#include "core/error.h"
#include "core/nearest_name.h"
#include "train/config/schema_sections.h"

namespace cosformer {

namespace {

std::string_view table_of(std::string_view key) { return key.substr(0, key.find('.')); }
std::string_view name_of(std::string_view key) { return key.substr(key.find('.') + 1); }

/// What other programs call a key.
struct OtherName {
  std::string_view name, key;
};
constexpr OtherName kOtherNames[] = {{"lr", "optimizer.learning_rate"},
                                     {"r", "lora.rank"},
                                     {"lora_alpha", "lora.alpha"},
                                     {"target_modules", "lora.targets"},
                                     {"modules_to_save", "train.trainable"},
                                     {"freeze", "train.trainable"},
                                     {"wd", "optimizer.weight_decay"},
                                     {"clip", "optimizer.clip_norm"},
                                     {"grad_clip", "optimizer.clip_norm"},
                                     {"max_grad_norm", "optimizer.clip_norm"},
                                     {"warmup", "schedule.warmup_steps"},
                                     {"scheduler", "schedule.name"},
                                     {"lr_scheduler", "schedule.name"},
                                     {"dropout_rate", "model.dropout"},
                                     {"dropout_prob", "model.dropout"},
                                     {"hidden_dropout_prob", "model.dropout"},
                                     {"attention_dropout", "attention.dropout"},
                                     {"attn_dropout", "attention.dropout"},
                                     {"num_warmup_steps", "schedule.warmup_steps"},
                                     {"eval_interval", "train.eval_every"},
                                     {"log_interval", "train.log_every"},
                                     {"num_train_epochs", "train.max_steps"},
                                     {"per_device_train_batch_size", "train.batch_size"},
                                     {"n_positions", "model.max_length"},
                                     {"max_position_embeddings", "model.max_length"},
                                     {"steps", "train.max_steps"},
                                     {"iterations", "train.max_steps"},
                                     {"max_iters", "train.max_steps"},
                                     {"epochs", "train.max_steps"},
                                     {"num_epochs", "train.max_steps"},
                                     {"bs", "train.batch_size"},
                                     {"batch", "train.batch_size"},
                                     {"gradient_accumulation_steps", "train.accumulation"},
                                     {"save_every", "checkpoint.every"},
                                     {"d_model", "model.embed_dim"},
                                     {"dim", "model.embed_dim"},
                                     {"hidden_size", "model.embed_dim"},
                                     {"n_embd", "model.embed_dim"},
                                     {"layers", "model.num_layers"},
                                     {"n_layer", "model.num_layers"},
                                     {"depth", "model.num_layers"},
                                     {"heads", "model.num_heads"},
                                     {"n_head", "model.num_heads"},
                                     {"nhead", "model.num_heads"},
                                     {"d_ff", "model.ffn_dim"},
                                     {"dim_feedforward", "model.ffn_dim"},
                                     {"intermediate_size", "model.ffn_dim"},
                                     {"context_length", "task.seq_len"},
                                     {"block_size", "task.seq_len"},
                                     {"sequence_length", "task.seq_len"},
                                     {"data", "task.train"},
                                     {"dataset", "task.train"}};

std::vector<Field> all_fields() {
  std::vector<Field> fields;
  for (const auto part :
       {schema::task_fields(), schema::model_fields(), schema::attention_fields(), schema::training_fields()}) {
    fields.insert(fields.end(), part.begin(), part.end());
  }
  return fields;
}

}  // namespace

std::span<const Field> config_fields() {
  static const std::vector<Field> fields = all_fields();
  return fields;
}

std::vector<std::string_view> config_tables() {
  std::vector<std::string_view> tables;
  for (const Field& field : config_fields())
    if (tables.empty() || tables.back() != table_of(field.key)) tables.push_back(table_of(field.key));
  return tables;
}

const Field* find_field(std::string_view key) {
  const auto fields = config_fields();
  const auto found = std::find_if(fields.begin(), fields.end(), [&](const Field& field) { return field.key == key; });
  return found == fields.end() ? nullptr : &*found;
}

std::string unknown_key_hint(std::string_view key) {
  const auto suggest = [](std::string_view name) { return concat("; did you mean \"", name, "\"?"); };
  const std::vector<std::string_view> tables = config_tables();
  const std::string_view table = table_of(key), name = name_of(key);
  const bool names_table = std::find(tables.begin(), tables.end(), key) != tables.end();
  for (const OtherName& other : kOtherNames)
    if (!names_table && other.name == name) return suggest(other.key);
  for (const Field& field : config_fields())
    if (name_of(field.key) == name) return suggest(field.key);
  if (std::find(tables.begin(), tables.end(), table) == tables.end()) {
    const auto nearest = nearest_name(table, tables);
    if (nearest && key == table) return suggest(*nearest);
    if (nearest) return unknown_key_hint(concat(*nearest, ".", name));
  }
  std::vector<std::string_view> names;
  for (const Field& field : config_fields())
    if (table_of(field.key) == table || table == key) names.push_back(name_of(field.key));
  if (const auto nearest = nearest_name(name, names))
    for (const Field& field : config_fields())
      if (name_of(field.key) == *nearest && (table_of(field.key) == table || table == key)) return suggest(field.key);
  return "; \"cosformer config list\" shows all keys";
}

}  // namespace cosformer

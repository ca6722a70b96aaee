#include "train/config/schema.h"

#include "train/config/schema_sections.h"

namespace cosformer {

namespace {

std::vector<Field> all_fields() {
  std::vector<Field> fields;
  for (const auto part : {schema::task_fields(), schema::model_fields(), schema::training_fields()}) {
    fields.insert(fields.end(), part.begin(), part.end());
  }
  return fields;
}

}  // namespace

std::span<const Field> config_fields() {
  static const std::vector<Field> fields = all_fields();
  return fields;
}

}  // namespace cosformer

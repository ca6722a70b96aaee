#pragma once
/// \file
/// The tensors of another program's model, taken one by one under their new names.

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "train/store/safetensors.h"

namespace cosformer {

/// Tensors by the names that their own program gave them. What is taken is checked: it exists, is of a number type and has
/// the expected shape. All functions throw InputError, one line with the file and the tensor.
class ForeignTensors {
 public:
  ForeignTensors(TensorFile contents, std::string source);

  /// A safetensors file, or of a folder its model.safetensors or all shards that model.safetensors.index.json names.
  static ForeignTensors read(const std::filesystem::path& path);

  bool has(const std::string& name) const;
  /// The names that are left, in order; those of unusable types too.
  std::vector<std::string> names() const;
  /// The tensor, which is no longer among those that are left.
  Tensor take(const std::string& name, const Shape& shape);
  /// The same of any shape.
  Tensor take(const std::string& name);
  /// Forgets a tensor that no model needs, such as the buffer of a mask.
  void drop(const std::string& name);

  const std::string& source() const { return source_; }

 private:
  TensorFile contents_;
  std::string source_;
};

/// Names with each number that stands between dots written `*`, and how often each occurs: "h.*.attn.bias (12)".
std::vector<std::string> grouped_names(const std::vector<std::string>& names);

}  // namespace cosformer

#pragma once
/// \file
/// Tensors in safetensors files, as other programs read and write them.

#include <cstddef>
#include <filesystem>
#include <map>
#include <span>
#include <string>

#include "core/tensor.h"
#include "train/store/file_system.h"
#include "train/store/safetensors_header.h"

namespace cosformer {

using TensorMap = std::map<std::string, Tensor>;
using Metadata = std::map<std::string, std::string>;

struct TensorFile {
  TensorMap tensors;
  Metadata metadata;
  std::map<std::string, std::string> unusable;  ///< dtypes, by name, of the tensors that were not read for their dtype
};

/// Names, shapes, dtypes and metadata alone; the elements are not read, any dtype of the format may occur.
/// Throws InputError as `parse_safetensors_header` does, and if the file cannot be read.
SafetensorsHeader read_safetensors_header(const std::filesystem::path& path);

/// All tensors of a file. F32, F64 and I32 keep their type; F16 and BF16 become float32, I64 becomes int32. Tensors of other
/// dtypes are only listed: who needs one refuses it.
/// Throws InputError, one line with file and tensor: a malformed file, an I64 value that int32 cannot hold.
TensorFile read_safetensors(const std::filesystem::path& path);

/// Throws InputError if a file has a tensor of a dtype that cannot be used.
void check_all_usable(const TensorFile& contents, const std::string& file);
/// The message about such a tensor, without the file.
std::string unusable_dtype(std::string_view name, std::string_view dtype);

/// The tensors and metadata of a file whose bytes are in memory; `file` is the name for messages.
TensorFile parse_safetensors(std::span<const std::byte> bytes, const std::string& file);

/// Writes tensors (any strides) and metadata: wider dtypes first, then by name, so that every element is aligned and the
/// same input gives the same bytes. Throws Error.
void write_safetensors(FileWriter& writer, const TensorMap& tensors, const Metadata& metadata);

/// The same into a file of its own, which appears whole or not at all and replaces an older one.
void write_safetensors(FileSystem& files, const std::filesystem::path& path, const TensorMap& tensors,
                       const Metadata& metadata);

}  // namespace cosformer

#include "train/store/safetensors.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <functional>
#include <limits>
#include <vector>

#include "core/error.h"
#include "train/store/atomic_file.h"

namespace cosformer {

namespace {

/// Fills a span with the bytes from an offset of the file.
using ReadBytes = std::function<void(std::uint64_t offset, std::span<std::byte> bytes)>;

float half_to_float(std::uint16_t half) {
  const std::uint32_t sign = (half & 0x8000u) << 16;
  const std::uint32_t exponent = (half >> 10) & 0x1fu;
  const std::uint32_t mantissa = half & 0x3ffu;
  if (exponent == 31) return std::bit_cast<float>(sign | 0x7f800000u | mantissa << 13);
  if (exponent != 0) return std::bit_cast<float>(sign | (exponent + 112) << 23 | mantissa << 13);
  // Subnormal: mantissa · 2^-24, exact in float.
  const float magnitude = static_cast<float>(mantissa) * 0x1p-24f;
  return sign ? -magnitude : magnitude;
}

float bfloat_to_float(std::uint16_t bits) { return std::bit_cast<float>(static_cast<std::uint32_t>(bits) << 16); }

template <class From, class To, class Convert>
Tensor convert_elements(const Shape& shape, std::span<const std::byte> bytes, Convert&& convert) {
  Tensor tensor = Tensor::empty(shape, dtype_of<To>());
  To* out = tensor.data<To>();
  for (std::size_t i = 0; i < static_cast<std::size_t>(shape.size()); ++i) {
    From value;
    std::memcpy(&value, bytes.data() + i * sizeof(From), sizeof(From));
    out[i] = convert(value);
  }
  return tensor;
}

std::span<std::byte> writable_bytes(Tensor& tensor) {
  switch (tensor.dtype()) {
    case DType::float32:
      return std::as_writable_bytes(tensor.span<float>());
    case DType::float64:
      return std::as_writable_bytes(tensor.span<double>());
    case DType::int32:
      return std::as_writable_bytes(tensor.span<std::int32_t>());
  }
  return {};
}

bool is_usable(std::string_view dtype) {
  constexpr std::string_view kUsable[] = {"F32", "F64", "F16", "BF16", "I32", "I64"};
  return std::ranges::find(kUsable, dtype) != std::end(kUsable);
}

/// `info` has a usable dtype.
Tensor read_tensor(const TensorInfo& info, std::uint64_t offset, const ReadBytes& read, const std::string& file) {
  for (const DType dtype : {DType::float32, DType::float64, DType::int32}) {
    if (info.dtype != safetensors_dtype_name(dtype)) continue;
    Tensor tensor = Tensor::empty(info.shape, dtype);
    read(offset, writable_bytes(tensor));
    return tensor;
  }
  std::vector<std::byte> bytes(info.end - info.begin);
  read(offset, bytes);
  if (info.dtype == "F16") return convert_elements<std::uint16_t, float>(info.shape, bytes, half_to_float);
  if (info.dtype == "BF16") return convert_elements<std::uint16_t, float>(info.shape, bytes, bfloat_to_float);
  return convert_elements<std::int64_t, std::int32_t>(info.shape, bytes, [&](std::int64_t value) {
    using Limits = std::numeric_limits<std::int32_t>;
    check<InputError>(value >= Limits::min() && value <= Limits::max(), file, ": tensor ", printable(info.name), ": ", value,
                      " does not fit in int32");
    return static_cast<std::int32_t>(value);
  });
}

SafetensorsHeader read_header(std::uint64_t file_bytes, const ReadBytes& read, const std::string& file) {
  check<InputError>(file_bytes >= 8, file, ": ", file_bytes, " bytes are too few for a safetensors file");
  std::uint64_t length = 0;
  read(0, std::as_writable_bytes(std::span(&length, 1)));
  check<InputError>(length <= file_bytes - 8, file, ": is no safetensors file or a damaged one: its header claims ", length,
                    " bytes, but the file has only ", file_bytes - 8, " more");
  check<InputError>(length <= kMaxSafetensorsHeaderBytes, file, ": a safetensors header of ", length, " bytes, at most ",
                    kMaxSafetensorsHeaderBytes, " are read");
  std::string json(length, '\0');
  read(8, std::as_writable_bytes(std::span(json.data(), json.size())));
  return parse_safetensors_header(json, file_bytes - 8 - length, file);
}

TensorFile read_all(std::uint64_t file_bytes, const ReadBytes& read, const std::string& file) {
  SafetensorsHeader header = read_header(file_bytes, read, file);
  TensorFile result;
  result.metadata = std::move(header.metadata);
  for (const TensorInfo& info : header.tensors) {
    if (!is_usable(info.dtype)) {
      result.unusable.emplace(info.name, info.dtype);
      continue;
    }
    result.tensors.emplace(info.name, read_tensor(info, header.data_begin + info.begin, read, file));
  }
  return result;
}

}  // namespace

SafetensorsHeader read_safetensors_header(const std::filesystem::path& path) {
  const FileReader reader(path);
  return read_header(
      reader.size(), [&](std::uint64_t offset, std::span<std::byte> bytes) { reader.read(offset, bytes); }, path.string());
}

TensorFile read_safetensors(const std::filesystem::path& path) {
  const FileReader reader(path);
  return read_all(
      reader.size(), [&](std::uint64_t offset, std::span<std::byte> bytes) { reader.read(offset, bytes); }, path.string());
}

void check_all_usable(const TensorFile& contents, const std::string& file) {
  if (contents.unusable.empty()) return;
  const auto& [name, dtype] = *contents.unusable.begin();
  throw InputError(concat(file, ": ", unusable_dtype(name, dtype)));
}

std::string unusable_dtype(std::string_view name, std::string_view dtype) {
  return concat("tensor ", printable(name), ": dtype ", dtype, " cannot be used, expected F32, F64, F16, BF16, I32 or I64");
}

TensorFile parse_safetensors(std::span<const std::byte> bytes, const std::string& file) {
  const ReadBytes read = [&](std::uint64_t offset, std::span<std::byte> target) {
    check<InputError>(offset <= bytes.size() && target.size() <= bytes.size() - offset, file, ": ends too early");
    std::ranges::copy(bytes.subspan(offset, target.size()), target.begin());
  };
  return read_all(bytes.size(), read, file);
}

void write_safetensors(FileWriter& writer, const TensorMap& tensors, const Metadata& metadata) {
  SafetensorsHeader header;
  header.metadata = metadata;
  for (const auto& [name, tensor] : tensors) {
    check<Error>(tensor.defined(), "tensor ", printable(name), " has no elements to write");
    header.tensors.push_back({name, std::string(safetensors_dtype_name(tensor.dtype())), tensor.shape(), 0, 0});
  }
  std::ranges::stable_sort(header.tensors, std::greater{},
                           [](const TensorInfo& t) { return safetensors_dtype_bits(t.dtype); });
  std::uint64_t position = 0;
  for (TensorInfo& info : header.tensors) {
    info.begin = position;
    position += static_cast<std::uint64_t>(tensors.at(info.name).bytes());
    info.end = position;
  }
  writer.write(encode_safetensors_header(header));
  for (const TensorInfo& info : header.tensors) {
    Tensor tensor = tensors.at(info.name).contiguous();
    writer.write(writable_bytes(tensor));
  }
}

void write_safetensors(FileSystem& files, const std::filesystem::path& path, const TensorMap& tensors,
                       const Metadata& metadata) {
  replace_file(files, path, [&](FileWriter& writer) { write_safetensors(writer, tensors, metadata); });
}

}  // namespace cosformer

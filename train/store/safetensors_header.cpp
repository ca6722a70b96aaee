#include "train/store/safetensors_header.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <utility>

#include "core/error.h"
#include "train/store/file_system.h"

namespace cosformer {

static_assert(std::endian::native == std::endian::little, "safetensors files are read and written without swapping bytes");

namespace {

struct FormatDType {
  std::string_view name;
  std::uint64_t bits;
};
/// Those of version 0.8 of the reference.
constexpr FormatDType kDTypes[] = {{"F64", 64},    {"F32", 32},    {"F16", 16},        {"BF16", 16},       {"I64", 64},
                                   {"I32", 32},    {"I16", 16},    {"I8", 8},          {"U64", 64},        {"U32", 32},
                                   {"U16", 16},    {"U8", 8},      {"BOOL", 8},        {"C64", 64},        {"F8_E4M3", 8},
                                   {"F8_E5M2", 8}, {"F8_E8M0", 8}, {"F8_E4M3FNUZ", 8}, {"F8_E5M2FNUZ", 8}, {"F6_E2M3", 6},
                                   {"F6_E3M2", 6}, {"F4", 4}};

/// How deep the value of a key that we do not know may be nested.
constexpr int kMaxSkippedDepth = 16;

/// Takes the header's JSON piece by piece and keeps only what a legal header can hold, so that a hostile text costs no
/// memory beyond its own size and no depth of recursion.
class HeaderHandler : public nlohmann::json_sax<nlohmann::json> {
 public:
  explicit HeaderHandler(const std::string& file) : file_(file) {}

  SafetensorsHeader take() { return std::move(header_); }

  bool start_object(std::size_t) override {
    if (skipping_) return enter_skipped();
    ++depth_;
    require(depth_ <= 2 && !in_array_, "nested too deeply");
    if (depth_ == 2 && !in_metadata_) seen_ = {};
    return true;
  }

  bool key(std::string& name) override {
    if (skipping_) return true;
    if (depth_ == 1) {
      in_metadata_ = name == "__metadata__";
      tensor_ = {};
      tensor_.name = name;
      require(name.size() <= kMaxTensorNameBytes, "a name longer than ", kMaxTensorNameBytes, " bytes");
      require(names_.insert(name).second, "the name occurs twice");
      require(names_.size() <= kMaxSafetensorsTensors + 1, "more than ", kMaxSafetensorsTensors, " tensors");
    } else if (in_metadata_) {
      require(!header_.metadata.contains(name), "the key ", printable(name), " occurs twice");
    } else {
      // The reference takes no notice of other keys.
      skipping_ = name != "dtype" && name != "shape" && name != "data_offsets";
      if (skipping_) return true;
      require(seen_.insert(name).second, "the key ", name, " occurs twice");
    }
    key_ = name;
    return true;
  }

  bool string(std::string& value) override {
    if (skipping_) return end_skipped_value();
    require(depth_ == 2 && !in_array_, "expected an object, found a string");
    if (in_metadata_) {
      header_.metadata[key_] = value;
      return true;
    }
    require(key_ == "dtype", key_, ": expected an array, found a string");
    require(safetensors_dtype_bits(value) != 0, "unknown dtype ", printable(value));
    tensor_.dtype = value;
    return true;
  }

  bool start_array(std::size_t) override {
    if (skipping_) return enter_skipped();
    require(depth_ == 2 && !in_metadata_ && !in_array_ && key_ != "dtype", "found an array where none belongs");
    in_array_ = true;
    numbers_.clear();
    return true;
  }

  bool number_unsigned(std::uint64_t value) override {
    if (skipping_) return end_skipped_value();
    require(in_array_, "found a number where none belongs");
    const bool is_shape = key_ == "shape";
    require(numbers_.size() < (is_shape ? Shape::kMaxRank : 2), key_, ": more than ", is_shape ? Shape::kMaxRank : 2,
            " numbers");
    require(value <= INT64_MAX, key_, ": ", value, " is too large");
    numbers_.push_back(static_cast<std::int64_t>(value));
    return true;
  }

  bool end_array() override {
    if (skipping_) return leave_skipped();
    in_array_ = false;
    if (key_ == "shape") {
      try {
        tensor_.shape = Shape(numbers_);
      } catch (const ShapeError& error) {
        require(false, "shape: ", error.what());
      }
    } else {
      require(numbers_.size() == 2 && numbers_[0] <= numbers_[1], "data_offsets: expected two ascending numbers");
      tensor_.begin = static_cast<std::uint64_t>(numbers_[0]);
      tensor_.end = static_cast<std::uint64_t>(numbers_[1]);
    }
    return true;
  }

  bool end_object() override {
    if (skipping_) return leave_skipped();
    --depth_;
    if (depth_ == 1 && !in_metadata_) {
      require(seen_.size() == 3, "dtype, shape or data_offsets is missing");
      require(header_.tensors.size() < kMaxSafetensorsTensors, "more than ", kMaxSafetensorsTensors, " tensors");
      header_.tensors.push_back(std::move(tensor_));
    }
    return true;
  }

  bool null() override {
    // Some writers have nothing to say about the file and say so.
    return (depth_ == 1 && in_metadata_) || refuse("null");
  }
  bool boolean(bool) override { return refuse("a boolean"); }
  bool number_integer(std::int64_t) override { return refuse("a negative number"); }
  bool number_float(double, const std::string&) override { return refuse("a fraction or a number of more than 64 bits"); }
  bool binary(nlohmann::json::binary_t&) override { return refuse("binary data"); }

  bool parse_error(std::size_t position, const std::string&, const nlohmann::json::exception&) override {
    throw InputError(concat(file_, ": malformed JSON at byte ", position, " of the safetensors header"));
  }

 private:
  bool enter_skipped() {
    require(++skipped_depth_ <= kMaxSkippedDepth, "nested too deeply");
    return true;
  }
  bool leave_skipped() {
    --skipped_depth_;
    return end_skipped_value();
  }
  bool end_skipped_value() {
    skipping_ = skipped_depth_ > 0;
    return true;
  }

  bool refuse(std::string_view what) {
    if (skipping_) return end_skipped_value();
    require(false, "found ", what, " where none belongs");
    return false;
  }

  template <class... Parts>
  void require(bool condition, const Parts&... parts) const {
    if (condition) return;
    const std::string where = depth_ == 0    ? "safetensors header"
                              : in_metadata_ ? "__metadata__"
                                             : "tensor " + printable(tensor_.name);
    throw InputError(concat(file_, ": ", where, ": ", parts...));
  }

  const std::string& file_;
  SafetensorsHeader header_;
  std::set<std::string> names_;
  std::set<std::string> seen_;  // keys of the tensor at hand
  std::vector<std::int64_t> numbers_;
  TensorInfo tensor_;
  std::string key_;
  int depth_ = 0;
  bool in_metadata_ = false;
  bool in_array_ = false;
  bool skipping_ = false;  // the value of a key that we do not know
  int skipped_depth_ = 0;
};

/// The tensors' shares must cover the data from end to end, one after the other.
void check_layout(SafetensorsHeader& header, std::uint64_t data_bytes, const std::string& file) {
  std::ranges::stable_sort(header.tensors, {}, [](const TensorInfo& t) { return std::pair(t.begin, t.end); });
  std::uint64_t expected_begin = 0;
  for (const TensorInfo& tensor : header.tensors) {
    const auto where = [&] { return concat(file, ": tensor ", printable(tensor.name), ": "); };
    std::uint64_t bits = 0;
    const bool overflows =
        __builtin_mul_overflow(static_cast<std::uint64_t>(tensor.shape.size()), safetensors_dtype_bits(tensor.dtype), &bits);
    check<InputError>(!overflows && bits % 8 == 0 && tensor.end - tensor.begin == bits / 8, where(), tensor.dtype, ' ',
                      tensor.shape, " does not take the ", tensor.end - tensor.begin, " bytes that data_offsets says");
    check<InputError>(tensor.begin == expected_begin, where(), "data_offsets begin at ", tensor.begin, ", expected ",
                      expected_begin, " (tensors may not overlap or leave holes)");
    check<InputError>(tensor.end <= data_bytes, where(), "data_offsets end at ", tensor.end, ", but the file holds only ",
                      data_bytes, " bytes of data");
    expected_begin = tensor.end;
  }
  check<InputError>(expected_begin == data_bytes, file, ": ", data_bytes, " bytes of data, but the tensors take ",
                    expected_begin);
}

}  // namespace

std::uint64_t safetensors_dtype_bits(std::string_view dtype) {
  for (const auto& [name, bits] : kDTypes) {
    if (name == dtype) return bits;
  }
  return 0;
}

std::string_view safetensors_dtype_name(DType dtype) {
  switch (dtype) {
    case DType::float32:
      return "F32";
    case DType::float64:
      return "F64";
    case DType::int32:
      return "I32";
  }
  return "";
}

SafetensorsHeader parse_safetensors_header(std::string_view json, std::uint64_t data_bytes, const std::string& file) {
  check<InputError>(json.starts_with('{'), file, ": the safetensors header does not begin with {");
  // The JSON library takes this byte for the end of the text, the reference for an error.
  const std::size_t nul = json.find('\0');
  check<InputError>(nul == std::string_view::npos, file, ": the safetensors header holds a NUL at byte ", nul,
                    "; it is padded with blanks");
  HeaderHandler handler(file);
  nlohmann::json::sax_parse(json.begin(), json.end(), &handler);
  SafetensorsHeader header = handler.take();
  header.data_begin = 8 + json.size();
  check_layout(header, data_bytes, file);
  return header;
}

std::string encode_safetensors_header(const SafetensorsHeader& header) {
  check<Error>(header.tensors.size() <= kMaxSafetensorsTensors, "a safetensors file holds at most ", kMaxSafetensorsTensors,
               " tensors, not ", header.tensors.size());
  // An ordered object keeps the tensors in the order of their elements, as other writers do.
  nlohmann::ordered_json json = nlohmann::ordered_json::object();
  if (!header.metadata.empty()) json["__metadata__"] = header.metadata;
  nlohmann::ordered_json::object_t& object = json.get_ref<nlohmann::ordered_json::object_t&>();
  for (const TensorInfo& tensor : header.tensors) {
    check<Error>(tensor.name.size() <= kMaxTensorNameBytes && tensor.name != "__metadata__",
                 "not a name for a tensor: ", printable(tensor.name));
    nlohmann::ordered_json entry;
    entry["dtype"] = tensor.dtype;
    entry["shape"] = tensor.shape.dims();
    entry["data_offsets"] = {tensor.begin, tensor.end};
    // `json[name]` would search all entries before.
    object.emplace_back(tensor.name, std::move(entry));
  }
  std::string text = json.dump();
  text.resize((text.size() + 7) / 8 * 8, ' ');
  check<Error>(text.size() <= kMaxSafetensorsHeaderBytes, "a safetensors header of ", text.size(), " bytes, at most ",
               kMaxSafetensorsHeaderBytes, " are allowed");
  const std::uint64_t length = text.size();
  std::string result(8, '\0');
  std::memcpy(result.data(), &length, 8);
  return result + text;
}

}  // namespace cosformer

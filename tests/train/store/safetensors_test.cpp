#include "train/store/safetensors.h"

#include <array>
#include <bit>
#include <cstring>
#include <limits>
#include <random>

#include "tests/catch.h"
#include "tests/data/data_support.h"
#include "tests/support/require_close.h"
#include "tests/train/run_support.h"
#include "tests/train/store/safetensors_bytes.h"

namespace cosformer::test {

namespace fs = std::filesystem;

namespace {

template <class T>
Tensor tensor_of(const Shape& shape, std::initializer_list<T> values) {
  return Tensor::from<T>(shape, std::span(values.begin(), values.size()));
}

/// A file with several dtypes, to be damaged.
std::string sample_bytes() {
  TemporaryFolder folder;
  FileSystem files;
  write_safetensors(files, folder / "sample.safetensors",
                    {{"a.weight", tensor_of<float>({2, 3}, {1, 2, 3, 4, 5, 6})},
                     {"a.bias", tensor_of<double>({2}, {0.5, -0.25})},
                     {"ids", tensor_of<std::int32_t>({3}, {1, -2, 3})}},
                    {{"format", "cosformer"}, {"step", "7"}});
  return read_bytes(folder / "sample.safetensors");
}

}  // namespace

TEST_CASE("Tensors and metadata come back from a safetensors file as they were") {
  TemporaryFolder folder;
  FileSystem files;
  const Tensor matrix = tensor_of<float>({2, 3}, {1, -0.0F, std::numeric_limits<float>::infinity(), 4, 1e-42F, 6});
  const TensorMap tensors = {{"matrix", matrix},
                             {"strided", matrix.transpose(0, 1)},
                             {"double", tensor_of<double>({2}, {0.1, -1e300})},
                             {"int", tensor_of<std::int32_t>({3}, {1, -2, 3})},
                             {"scalar", Tensor::scalar(2.5)},
                             {"none", Tensor::zeros({0, 4})}};
  const Metadata metadata = {{"config", "{\"a\": \"\\u00e9 \xc3\xa9\\n\"}"}, {"format", "cosformer"}};
  write_safetensors(files, folder / "x.safetensors", tensors, metadata);
  const TensorFile found = read_safetensors(folder / "x.safetensors");
  CHECK(found.metadata == metadata);
  REQUIRE(found.tensors.size() == tensors.size());
  for (const auto& [name, tensor] : tensors) {
    CHECK(found.tensors.at(name).shape() == tensor.shape());
    CHECK(found.tensors.at(name).dtype() == tensor.dtype());
  }
  CHECK(std::memcmp(found.tensors.at("matrix").data<float>(), matrix.data<float>(), 24) == 0);
  require_close("strided", std::array{1.0, 4.0, 0.0, 1e-42, std::numeric_limits<double>::infinity(), 6.0},
                found.tensors.at("strided").span<float>(), {.rel = 1e-7});
  require_close("double", std::array{0.1, -1e300}, found.tensors.at("double").span<double>(), {.rel = 0});
  require_close("int", std::array{1, -2, 3}, found.tensors.at("int").span<std::int32_t>(), {.rel = 0});
  CHECK(found.tensors.at("scalar").item() == 2.5);
}

TEST_CASE("The writer puts wider dtypes first, then names in order, and pads the header with blanks") {
  TemporaryFolder folder;
  FileSystem files;
  write_safetensors(
      files, folder / "x",
      {{"b", tensor_of<float>({1}, {1})}, {"a", tensor_of<std::int32_t>({1}, {2})}, {"c", tensor_of<double>({1}, {1})}},
      {{"k", "v"}});
  const std::string json =
      R"({"__metadata__":{"k":"v"},"c":{"dtype":"F64","shape":[1],"data_offsets":[0,8]},)"
      R"("a":{"dtype":"I32","shape":[1],"data_offsets":[8,12]},"b":{"dtype":"F32","shape":[1],"data_offsets":[12,16]}})";
  const std::string data("\0\0\0\0\0\0\xf0\x3f\2\0\0\0\0\0\x80\x3f", 16);
  const std::string padding((8 - json.size() % 8) % 8, ' ');
  CHECK(read_bytes(folder / "x") == file_of(json + padding, data));
}

TEST_CASE("Half-precision and 64-bit tensors are converted as they are read") {
  // 1, -2, 65504, smallest subnormal, infinity, a NaN, -0 (IEEE 754 binary16, little-endian)
  const std::string half("\x00\x3c\x00\xc0\xff\x7b\x01\x00\x00\x7c\x01\x7e\x00\x80", 14);
  const TensorFile f16 = parse(R"({"t":{"dtype":"F16","shape":[7],"data_offsets":[0,14]}})", half);
  const auto values = f16.tensors.at("t").span<float>();
  require_close("half", std::array{1.0, -2.0, 65504.0, 0x1p-24, std::numeric_limits<double>::infinity()}, values.first(5),
                {.rel = 0});
  CHECK(std::isnan(values[5]));
  CHECK(std::bit_cast<std::uint32_t>(values[6]) == 0x80000000u);

  const TensorFile bf16 =
      parse(R"({"t":{"dtype":"BF16","shape":[2],"data_offsets":[0,4]}})", std::string("\x80\x3f\x49\xc0", 4));
  require_close("bfloat", std::array{1.0, -3.140625}, bf16.tensors.at("t").span<float>(), {.rel = 0});

  const std::string long_json = R"({"t":{"dtype":"I64","shape":[2],"data_offsets":[0,16]}})";
  const TensorFile i64 = parse(long_json, std::string("\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x7f\0\0\0\0", 16));
  require_close("int64", std::array{-1, std::numeric_limits<int>::max()}, i64.tensors.at("t").span<std::int32_t>(),
                {.rel = 0});
  const std::string message =
      message_of<InputError>([&] { parse(long_json, std::string("\0\0\0\0\1\0\0\0\0\0\0\0\0\0\0\0", 16)); });
  CHECK(message == "x.safetensors: tensor \"t\": 4294967296 does not fit in int32");
}

TEST_CASE("Hostile safetensors headers are refused with one line that names file and tensor") {
  struct Case {
    std::string name, json, data, expected;
  };
  const std::string four(4, '\0'), eight(8, '\0');
  const std::vector<Case> cases = {
      {"no JSON", "hello", "", "does not begin with {"},
      {"blank before", " {}", "", "does not begin with {"},
      {"cut JSON", R"({"t":{"dtype":"F32")", "", "malformed JSON"},
      {"text after", R"({} x)", "", "malformed JSON"},
      {"invalid UTF-8", "{\"\xff\":{}}", "", "malformed JSON"},
      {"entry is no object", R"({"t":3})", "", "tensor \"t\""},
      {"entry is a string", R"({"t":"F32"})", "", "tensor \"t\""},
      {"empty entry", R"({"t":{}})", "", "is missing"},
      {"no shape", R"({"t":{"dtype":"F32","data_offsets":[0,4]}})", four, "is missing"},
      {"null in metadata", R"({"__metadata__":{"a":null}})", "", "found null"},
      {"null for a tensor", R"({"t":null})", "", "found null"},
      {"unknown dtype", R"({"t":{"dtype":"F33","shape":[1],"data_offsets":[0,4]}})", four, "unknown dtype \"F33\""},
      {"dtype is a number", R"({"t":{"dtype":3,"shape":[1],"data_offsets":[0,4]}})", four, "found a number"},
      {"tensor twice",
       R"({"t":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"t":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}})",
       eight, "occurs twice"},
      {"key twice", R"({"t":{"dtype":"F32","dtype":"F64","shape":[1],"data_offsets":[0,4]}})", four, "dtype occurs twice"},
      {"metadata twice", R"({"__metadata__":{},"__metadata__":{}})", "", "occurs twice"},
      {"metadata key twice", R"({"__metadata__":{"a":"1","a":"2"}})", "", "\"a\" occurs twice"},
      {"metadata not text", R"({"__metadata__":{"a":1}})", "", "__metadata__: found a number"},
      {"metadata nested", R"({"__metadata__":{"a":{}}})", "", "nested too deeply"},
      {"metadata list", R"({"__metadata__":{"a":[]}})", "", "__metadata__: found an array"},
      {"deep arrays", R"({"t":{"shape":)" + std::string(200'000, '['), "", "found an array"},
      {"deep objects",
       [] {
         std::string text = "{\"t\":";
         for (int i = 0; i < 50'000; ++i) text += "{\"shape\":";
         return text;
       }(),
       "", "nested too deeply"},
      {"rank 9", R"({"t":{"dtype":"F32","shape":[1,1,1,1,1,1,1,1,1],"data_offsets":[0,4]}})", four, "more than 8 numbers"},
      {"product overflows", R"({"t":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,4]}})", four,
       "overflow"},
      {"product overflows beside zero", R"({"t":{"dtype":"F32","shape":[0,4294967296,4294967296],"data_offsets":[0,0]}})",
       "", "overflow"},
      {"product wraps to the size", R"({"t":{"dtype":"F32","shape":[4611686018427387905],"data_offsets":[0,4]}})", four,
       "does not take"},
      {"dimension over 63 bits", R"({"t":{"dtype":"F32","shape":[9223372036854775808],"data_offsets":[0,4]}})", four,
       "too large"},
      {"dimension over 64 bits", R"({"t":{"dtype":"F32","shape":[18446744073709551616],"data_offsets":[0,4]}})", four,
       "more than 64 bits"},
      {"negative dimension", R"({"t":{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}})", four, "a negative number"},
      {"fraction", R"({"t":{"dtype":"F32","shape":[1.0],"data_offsets":[0,4]}})", four, "a fraction"},
      {"negative offset", R"({"t":{"dtype":"F32","shape":[1],"data_offsets":[-4,0]}})", four, "a negative number"},
      {"descending offsets", R"({"t":{"dtype":"F32","shape":[1],"data_offsets":[4,0]}})", four, "ascending"},
      {"one offset", R"({"t":{"dtype":"F32","shape":[1],"data_offsets":[0]}})", four, "two ascending numbers"},
      {"three offsets", R"({"t":{"dtype":"F32","shape":[1],"data_offsets":[0,4,8]}})", four, "more than 2 numbers"},
      {"share too large", R"({"t":{"dtype":"F32","shape":[1],"data_offsets":[0,8]}})", eight, "does not take the 8 bytes"},
      {"share beyond the file", R"({"t":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})", four, "holds only 4 bytes"},
      {"huge share", R"({"t":{"dtype":"F32","shape":[1099511627776],"data_offsets":[0,4398046511104]}})", four,
       "holds only 4"},
      {"hole at the start", R"({"t":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}})", eight, "expected 0"},
      {"hole between",
       R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"b":{"dtype":"F32","shape":[1],"data_offsets":[8,12]}})",
       eight + four, "tensor \"b\": data_offsets begin at 8, expected 4"},
      {"overlap",
       R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}})",
       eight, "tensor \"b\": data_offsets begin at 4, expected 8"},
      {"data left over", R"({"t":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})", eight,
       "8 bytes of data, but the tensors take 4"},
      {"data without tensors", R"({})", four, "the tensors take 0"},
      {"long name", concat("{\"", std::string(513, 'n')) + R"(":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})", four,
       "longer than 512"},
      {"line break in a name", R"({"a\nb":{"dtype":"F32","shape":[1],"data_offsets":[0,8]}})", eight, "tensor \"a\\nb\""},
  };
  for (const Case& item : cases) {
    const std::string message = message_of<InputError>([&] { parse(item.json, item.data); });
    CAPTURE(item.name, message);
    CHECK(message.starts_with("x.safetensors: "));
    CHECK(message.find(item.expected) != std::string::npos);
    CHECK(message.find('\n') == std::string::npos);
    CHECK(message.size() < 400);
  }
}

TEST_CASE("A header length beyond the file or beyond the cap is refused before anything is allocated") {
  const std::string huge = "\xff\xff\xff\xff\xff\xff\xff\x7f{}";
  CHECK(message_of<InputError>([&] { parse(huge); }).find("claims 9223372036854775807 bytes") != std::string::npos);
  CHECK(message_of<InputError>([&] { parse("\xff\xff\xff\xff\xff\xff\xff\xff{}"); }).find("claims") != std::string::npos);
  CHECK(message_of<InputError>([&] { parse("1234567"); }).find("too few") != std::string::npos);
  TemporaryFolder folder;
  const std::uint64_t length = kMaxSafetensorsHeaderBytes + 1;
  write_bytes(folder / "x", std::string(reinterpret_cast<const char*>(&length), 8) + "{}");
  fs::resize_file(folder / "x", 8 + length);
  CHECK(message_of<InputError>([&] { read_safetensors(folder / "x"); }).find("at most 16777216") != std::string::npos);
}

TEST_CASE("More tensors than the limit are refused") {
  std::string json = "{";
  for (std::size_t i = 0; i <= kMaxSafetensorsTensors; ++i) {
    json += i ? ",\"" : "\"";
    json += std::to_string(i);
    json += R"(":{"dtype":"U8","shape":[0],"data_offsets":[0,0]})";
  }
  const std::string message = message_of<InputError>([&] { parse(json + "}", ""); });
  CHECK(message.find("more than 100000 tensors") != std::string::npos);
}

TEST_CASE("A safetensors file cut at any byte is refused") {
  const std::string bytes = sample_bytes();
  REQUIRE(parse(bytes).tensors.size() == 3);
  int refused = 0;
  for (std::size_t length = 0; length < bytes.size(); ++length) {
    refused += !message_of<InputError>([&] { parse(bytes.substr(0, length)); }).empty();
  }
  CHECK(refused == static_cast<int>(bytes.size()));
}

TEST_CASE("Random damage to a safetensors file gives tensors inside it or an InputError, nothing else") {
  const std::string bytes = sample_bytes();
  std::mt19937 random(20240607);
  const std::string alphabet = "0123456789{}[]\",:-.eF32I64 \\u";
  int parsed = 0, refused = 0;
  for (int round = 0; round < 20'000; ++round) {
    std::string damaged = bytes;
    for (unsigned i = random() % 4 + 1; i-- > 0;) {
      const std::size_t at = random() % damaged.size();
      switch (random() % 4) {
        case 0:
          damaged[at] = static_cast<char>(random());
          break;
        case 1:
          damaged[at] = alphabet[random() % alphabet.size()];
          break;
        case 2:
          damaged.erase(at, random() % 8);
          break;
        default:
          damaged.insert(at, 1, alphabet[random() % alphabet.size()]);
      }
      if (damaged.empty()) damaged.push_back('x');
    }
    try {
      std::int64_t elements = 0;
      for (const auto& [name, tensor] : parse(damaged).tensors) elements += tensor.size();
      REQUIRE(elements <= static_cast<std::int64_t>(damaged.size()));
      ++parsed;
    } catch (const InputError&) {
      ++refused;
    }
  }
  CHECK(parsed + refused == 20'000);
  CHECK(parsed > 100);
  CHECK(refused > 10'000);
}

}  // namespace cosformer::test

// Files of other programs: what the reference implementation writes and passes over.
#include <array>
#include <map>
#include <string>
#include <utility>

#include "tests/catch.h"
#include "tests/data/data_support.h"
#include "tests/support/require_close.h"
#include "tests/train/run_support.h"
#include "tests/train/store/safetensors_bytes.h"
#include "train/store/safetensors.h"

namespace cosformer::test {

TEST_CASE("A dtype that cannot be used is listed by the header and by the file, and refused by who needs it") {
  TemporaryFolder folder;
  write_bytes(folder / "x", file_of(R"({"mask":{"dtype":"BOOL","shape":[2],"data_offsets":[0,2]}})", "\1\1"));
  const SafetensorsHeader header = read_safetensors_header(folder / "x");
  REQUIRE(header.tensors.size() == 1);
  CHECK(header.tensors[0].dtype == "BOOL");
  CHECK(header.tensors[0].shape == Shape{2});
  const TensorFile file = read_safetensors(folder / "x");
  CHECK(file.tensors.empty());
  CHECK(file.unusable == std::map<std::string, std::string>{{"mask", "BOOL"}});
  CHECK(message_of<InputError>([&] {
          check_all_usable(file, "x");
        }).starts_with("x: tensor \"mask\": dtype BOOL cannot be used, expected F32"));
}

TEST_CASE("Tensors of every dtype of the reference lie beside those that are read") {
  const std::pair<const char*, int> dtypes[] = {{"BOOL", 8},    {"F4", 4},          {"F6_E2M3", 6},     {"F6_E3M2", 6},
                                                {"U8", 8},      {"I8", 8},          {"F8_E5M2", 8},     {"F8_E4M3", 8},
                                                {"F8_E8M0", 8}, {"F8_E4M3FNUZ", 8}, {"F8_E5M2FNUZ", 8}, {"I16", 16},
                                                {"U16", 16},    {"U32", 32},        {"C64", 64},        {"U64", 64}};
  for (const auto& [dtype, bits] : dtypes) {
    CAPTURE(dtype);
    const int bytes = 4 * bits / 8;
    const std::string json = concat(R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"b":{"dtype":")", dtype,
                                    R"(","shape":[4],"data_offsets":[4,)", 4 + bytes, "]}}");
    const TensorFile file = parse(json, std::string(static_cast<std::size_t>(4 + bytes), '\0'));
    CHECK(file.tensors.size() == 1);
    CHECK(file.unusable == std::map<std::string, std::string>{{"b", dtype}});
  }
  CHECK(message_of<InputError>([&] {
          parse(R"({"t":{"dtype":"F4","shape":[3],"data_offsets":[0,1]}})", "x");
        }).find("does not take the 1 bytes") != std::string::npos);
}

TEST_CASE("What the reference passes over in a header is passed over") {
  const std::string entry = R"("t":{"dtype":"F32","shape":[1],"data_offsets":[0,4])";
  for (const char* extra : {R"("x":1)", R"("x":-1.5)", R"("x":null)", R"("x":true)", R"("x":"s")", R"("x":[])", R"("x":{})",
                            R"("x":[1,{"dtype":[2]},"s"])", R"("x":{"shape":{"dtype":null},"y":[]},"x":2)"}) {
    CAPTURE(extra);
    const TensorFile file = parse("{" + entry + "," + extra + "}}", "abcd");
    CHECK(file.tensors.at("t").shape() == Shape{1});
    CHECK(parse(concat(R"({"t":{)", extra, ',', entry.substr(5), "}}"), "abcd").tensors.size() == 1);
  }
  CHECK(parse(R"({"__metadata__":null,)" + entry + "}}", "abcd").tensors.size() == 1);
  const std::string deep = std::string(17, '[') + std::string(17, ']');
  CHECK(message_of<InputError>([&] { parse("{" + entry + ",\"x\":" + deep + "}}", "abcd"); }).find("too deeply") !=
        std::string::npos);
}

TEST_CASE("A header that the reference refuses for its padding is refused") {
  const std::string json = R"({"t":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})";
  CHECK(parse(json + "  ", "abcd").tensors.size() == 1);
  const std::string message = message_of<InputError>([&] { parse(json + std::string(3, '\0'), "abcd"); });
  CHECK(message ==
        concat("x.safetensors: the safetensors header holds a NUL at byte ", json.size(), "; it is padded with blanks"));
}

TEST_CASE("Files of another program are read") {
  const auto kit = kit_file("safetensors");
  if (!kit) {
    SUCCEED("skipped");
    return;
  }
  CHECK(read_safetensors(*kit / "empty.safetensors").tensors.empty());
  const TensorFile one = read_safetensors(*kit / "test_tensor.safetensors");
  CHECK(one.tensors.at("tensor").shape() == Shape{2, 2});
  require_close("tensor", std::array{-0.99517012, -2.13201523, -0.62120515, 0.52258682},
                one.tensors.at("tensor").span<float>(), {.rel = 1e-7});
  const SafetensorsHeader deep = read_safetensors_header(*kit / "test_deep_struct.safetensors");
  REQUIRE(deep.tensors.size() == 3);
  CHECK(deep.tensors[1].name == "mid.bias");
  const TensorFile adder = read_safetensors(*kit / "adder_2digit_transformer.safetensors");
  CHECK(adder.tensors.size() == 17);
  CHECK(adder.tensors.at("w.w").shape() == Shape{13, 64});
  require_close("w.w", std::array{-0.051, -0.176394, 0.118032, 0.297114}, adder.tensors.at("w.w").span<float>().first(4),
                {.rel = 1e-5});
}

}  // namespace cosformer::test

#include "data/png_image.h"

#include "data/grey.h"
#include "tests/data/data_support.h"
#include "tests/data/plain_png.h"

using namespace cosformer;
using namespace cosformer::test;
using test::Contains;

namespace {

std::string text_of(const GreyImage& image) { return {image.pixels.begin(), image.pixels.end()}; }

std::string refusal(const std::string& bytes) {
  return input_error([&] { decode_png(bytes); });
}

}  // namespace

TEST_CASE("a grey PNG is its bytes, row by row") {
  const std::string samples("\x00\x01\x02\xFD\xFE\xFF", 6);
  const GreyImage image = decode_png(plain_png({.width = 3, .height = 2}, samples));
  CHECK(image.width == 3);
  CHECK(image.height == 2);
  CHECK(text_of(image) == samples);
}

TEST_CASE("an RGB PNG turns grey") {
  const GreyImage image = decode_png(plain_png({.width = 2, .height = 1, .color = 2}, "\x10\x80\xF0\x05\x06\x07"));
  CHECK(image.pixels == std::vector<std::uint8_t>{grey_of(0x10, 0x80, 0xF0), grey_of(5, 6, 7)});
}

TEST_CASE("what is encoded is decoded again") {
  std::mt19937_64 random(3);
  for (const auto& [width, height] : {std::pair{1, 1}, {1, 5}, {32, 32}, {129, 3}}) {
    const std::string bytes = random_bytes(random, static_cast<std::size_t>(width * height));
    const GreyImage image{width, height, {bytes.begin(), bytes.end()}};
    const GreyImage again = decode_png(encode_png(image));
    CHECK(again.width == width);
    CHECK(again.height == height);
    CHECK(again.pixels == image.pixels);
  }
  CHECK_THROWS_AS(encode_png({2, 2, {1, 2, 3}}), Error);
  CHECK_THROWS_AS(encode_png({0, 0, {}}), Error);
}

TEST_CASE("PNGs of other kinds, too large, damaged or cut off are refused") {
  const std::string kinds = "expected a PNG of 8 bits a channel, grey or RGB, not interlaced";
  CHECK(refusal(plain_png({.width = 1, .height = 1, .depth = 16}, "ab")) == kinds);
  CHECK(refusal(plain_png({.width = 8, .height = 1, .depth = 1}, "a")) == kinds);
  CHECK(refusal(plain_png({.width = 1, .height = 1, .color = 4}, "ab")) == kinds);
  CHECK(refusal(plain_png({.width = 1, .height = 1, .color = 6}, "abcd")) == kinds);
  CHECK(refusal(plain_png({.width = 1, .height = 1, .interlace = 1}, "a")) == kinds);
  CHECK(refusal("") == "is no PNG");
  CHECK(refusal("GIF89a and more") == "is no PNG");
  // 16 GB of pixels are promised; none may be allocated.
  CHECK_THAT(refusal(plain_png({.width = 131'072, .height = 131'072}, "")), Contains("damaged PNG"));
  CHECK_THAT(refusal(plain_png({.width = 4097, .height = 1}, std::string(4097, 'a'))), Contains("damaged PNG"));
  CHECK(decode_png(plain_png({.width = 4096, .height = 1}, std::string(4096, 'a'))).width == 4096);

  const std::string good = plain_png({.width = 3, .height = 2}, "abcdef");
  REQUIRE(text_of(decode_png(good)) == "abcdef");
  for (std::size_t size = 8; size < good.size(); ++size) {
    CAPTURE(size);
    CHECK_THAT(refusal(good.substr(0, size)), Contains("damaged PNG: "));
  }
  // Every byte after the signature is covered by a checksum or is one.
  for (std::size_t place = 8; place < good.size(); ++place) {
    std::string flipped = good;
    flipped[place] = static_cast<char>(flipped[place] ^ 0x20);
    CAPTURE(place);
    CHECK_FALSE(refusal(flipped).empty());
  }
}

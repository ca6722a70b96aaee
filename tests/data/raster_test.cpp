// Expected pictures are what Pillow 9.5 draws.
#include "data/generators/raster.h"

#include "tests/catch.h"

using namespace cosformer;

namespace {

/// Rows of '#' and '.', of which only what lies in `width` x `height` is shown.
std::vector<std::string> shown(const Raster& raster, int height, int width) {
  std::vector<std::string> rows;
  for (int y = 0; y < height; ++y) {
    rows.emplace_back();
    for (int x = 0; x < width; ++x) rows.back() += raster.at(y, x) == 255 ? '#' : '.';
  }
  return rows;
}

std::vector<std::string> line(Place to, int width) {
  Raster raster(12);
  draw_line(raster, {2, 2}, to, width);
  return shown(raster, 10, 12);
}

}  // namespace

TEST_CASE("lines are drawn as Pillow draws them") {
  CHECK(line({6, 9}, 2) == std::vector<std::string>{"............", "............", "..#.........", "..###.......",
                                                    "....##......", "......##....", ".......###..", ".........#..",
                                                    "............", "............"});
  CHECK(line({8, 1}, 3) == std::vector<std::string>{"............", "............", ".###........", ".###........",
                                                    ".###........", ".##.........", "###.........", "###.........",
                                                    "###.........", "............"});
  CHECK(line({5, 10}, 3) == std::vector<std::string>{"............", "..#.........", "..####......", "..######....",
                                                     ".....######.", ".......####.", "..........#.", "............",
                                                     "............", "............"});
  CHECK(line({2, 2}, 3)[2] == "..#.........");
  Raster raster(5);
  draw_line(raster, {2, 2}, {-9, 2}, 1);
  CHECK(shown(raster, 5, 5) == std::vector<std::string>{"..#..", "..#..", "..#..", ".....", "....."});
}

TEST_CASE("a picture is reduced as Pillow reduces it") {
  Raster raster(9);
  draw_line(raster, {4, 4}, {2, 8}, 1);
  REQUIRE(shown(raster, 9, 9) == std::vector<std::string>{".........", ".........", ".......##", ".....##..", "....#....",
                                                          ".........", ".........", ".........", "........."});
  CHECK(reduce(raster, 5).pixels ==
        std::vector<std::uint8_t>{0, 0, 0, 0, 16, 1, 1, 24, 106, 137, 1, 0, 100, 68, 0, 0, 0, 0, 0, 3, 0, 0, 1, 3, 0});
  Raster white(8);
  for (std::uint8_t& pixel : white.pixels) pixel = 255;
  CHECK(reduce(white, 4).pixels == std::vector<std::uint8_t>(16, 255));
}

TEST_CASE("dilation spreads a pixel over a disc, and not from outside") {
  CHECK(disc(1).size() == 5);
  CHECK(disc(2).size() == 13);
  Raster raster(5);
  raster.at(0, 1) = 255;
  CHECK(shown(dilate(raster, disc(2)), 5, 5) == std::vector<std::string>{"####.", "###..", ".#...", ".....", "....."});
  CHECK(shown(dilate(raster, {{-1, 0}}), 5, 5) == std::vector<std::string>{".....", ".#...", ".....", ".....", "....."});
}

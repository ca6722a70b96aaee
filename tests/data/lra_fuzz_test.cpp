// Damaged files of labelled data sets: one line of InputError, or sequences that keep their promises.
#include "data/png_image.h"
#include "tests/data/lra_support.h"
#include "tests/data/plain_png.h"
#include "tests/support/thread_counts.h"

using namespace cosformer;
using namespace cosformer::test;

namespace {

/// A copy with a few bytes replaced, inserted, removed, repeated or cut off.
std::string damaged(std::string bytes, std::mt19937_64& random) {
  static constexpr std::string_view kPieces[] = {"\t",   "\n", "\r", " ", "0",    "1.0",
                                                 "\xFF", "..", "/",  "]", "[MAX", std::string_view("\0", 1)};
  for (std::uint64_t changes = 1 + random() % 3; changes > 0 && !bytes.empty(); --changes) {
    const std::size_t place = random() % bytes.size();
    switch (random() % 6) {
      case 0:
        bytes[place] = static_cast<char>(static_cast<unsigned char>(random() & 0xFF));
        break;
      case 1:
        bytes.insert(place, kPieces[random() % std::size(kPieces)]);
        break;
      case 2:
        bytes.erase(place, random() % 8);
        break;
      case 3:
        bytes.insert(random() % bytes.size(), bytes.substr(place, random() % 30));
        break;
      case 4:
        if (random() % 4 == 0) bytes.resize(place);
        break;
      default:
        bytes[place] = static_cast<char>(bytes[place] ^ (1 << (random() % 8)));
    }
  }
  return bytes;
}

struct Counts {
  int refused = 0;
  int accepted = 0;
};

/// Damages `good`, writes it as `name` and loads `path` inside the folder.
Counts load_damaged(std::string_view format, const ScratchFolder& folder, const std::string& name, const std::string& good,
                    const std::string& path, int repetitions) {
  // Starting threads for a handful of rows would take longer than all else.
  const ThreadCountScope scope(1);
  std::mt19937_64 random(0x5eed);
  Counts counts;
  for (int i = 0; i < repetitions; ++i) {
    folder.write(name, damaged(good, random));
    try {
      const auto sequences = load_labelled_sequences(format, folder.path() / path, Split::train);
      REQUIRE(sequences->size() > 0);
      check_promises(*sequences);
      ++counts.accepted;
    } catch (const InputError& error) {
      const std::string_view message = error.what();
      REQUIRE(message.find('\n') == std::string_view::npos);
      REQUIRE(message.starts_with(folder.path().string()));
      ++counts.refused;
    }
  }
  return counts;
}

}  // namespace

TEST_CASE("damaged TSV files are refused in one line or give sequences") {
  const ScratchFolder folder;
  std::string listops = "Source\tTarget\r\n", pairs;
  for (int i = 0; i < 4; ++i) {
    listops += "( ( ( [SM 8 ) ( ( ( [MED 1 ) 2 ) ] ) ) ] )\t9\r\n";
    pairs += "1.0\tP00\tP01\tsome \"text\tanother text\n";
  }
  const Counts of_listops = load_damaged("listops", folder, "rows.tsv", listops, "rows.tsv", 250);
  CHECK(of_listops.refused > 80);
  CHECK(of_listops.accepted > 10);
  const Counts of_pairs = load_damaged("retrieval", folder, "rows.tsv", pairs, "rows.tsv", 250);
  CHECK(of_pairs.refused > 80);
  CHECK(of_pairs.accepted > 10);
}

TEST_CASE("damaged CIFAR-10 files are refused in one line or give sequences") {
  const ScratchFolder folder;
  const Counts counts = load_damaged("image", folder, "a.bin", std::string(3 * 3073, '\1'), "a.bin", 150);
  CHECK(counts.refused > 20);
  CHECK(counts.accepted > 10);
}

TEST_CASE("damaged metadata and pictures of Pathfinder are refused in one line or give sequences") {
  const ScratchFolder folder;
  std::string metadata;
  const std::string png = plain_png({.width = 4, .height = 4}, "0123456789abcdef");
  for (int i = 0; i < 5; ++i) {
    const std::string name = concat("s", i, ".png");
    folder.write(concat("imgs/0/", name), png);
    metadata += concat("imgs/0 ", name, " 0 1 1.0 14 4 2 0.5 1 1\n");
  }
  const Counts of_metadata = load_damaged("pathfinder", folder, "metadata/0.npy", metadata, "", 150);
  CHECK(of_metadata.refused > 50);
  CHECK(of_metadata.accepted > 10);
  folder.write("metadata/0.npy", metadata);
  const Counts of_pictures = load_damaged("pathfinder", folder, "imgs/0/s1.png", png, "", 150);
  CHECK(of_pictures.refused > 50);
}

TEST_CASE("no bytes make the PNG reader do anything but refuse or decode") {
  std::mt19937_64 random(0xfeed);
  GreyImage image{16, 16, {}};
  for (int i = 0; i < 256; ++i) image.pixels.push_back(static_cast<std::uint8_t>(i * i));
  const std::string encoded = encode_png(image);
  int refused = 0;
  for (int i = 0; i < 3000; ++i) {
    // Checksums made good again let the damage reach the decoder.
    std::string content = damaged(encoded.substr(41, encoded.size() - 41 - 16), random);
    const std::string bytes =
        i % 2 ? damaged(encoded, random) : concat(encoded.substr(0, 33), png_chunk("IDAT", content), png_chunk("IEND", ""));
    try {
      const GreyImage decoded = decode_png(bytes);
      REQUIRE(decoded.pixels.size() == static_cast<std::size_t>(decoded.width * decoded.height));
    } catch (const InputError&) {
      ++refused;
    }
  }
  CHECK(refused > 1000);
}

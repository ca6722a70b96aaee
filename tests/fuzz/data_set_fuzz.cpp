/// \file
/// libFuzzer: a byte that chooses the reader of a data set, and the file (of a parallel text: source, 0xFF, target). Any
/// bytes are examples inside their bounds, or an InputError of one line.

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

#include "data/labelled_sequences.h"
#include "data/parallel_text.h"
#include "data/png_image.h"
#include "data/text_corpus.h"
#include "data/texts/labelled_texts.h"
#include "data/tokenizers/byte_tokenizer.h"
#include "tests/fuzz/fuzz_file.h"

namespace cosformer::fuzz {
namespace {

constexpr std::int64_t kMostTokens = 64;

void read_all(const LabelledSequences& sequences) {
  std::vector<std::int32_t> tokens;
  for (std::int64_t i = 0; i < sequences.size(); ++i) {
    if (sequences.label(i) < 0 || sequences.label(i) >= sequences.num_classes()) fail("a label outside the classes");
    for (int text = 0; text < sequences.texts(); ++text) {
      sequences.read(i, text, kMostTokens, tokens);
      if (tokens.empty() || std::ssize(tokens) > kMostTokens) fail("a sequence without a legal length");
      for (const std::int32_t id : tokens) {
        if (id < 0 || id >= sequences.vocab_size()) fail("an id outside the vocabulary");
      }
    }
  }
}

std::filesystem::path file_of(std::string_view bytes) {
  const std::filesystem::path path = folder() / "file";
  write(path, bytes);
  return path;
}

template <const auto& Name, Split Part>
void labelled(std::string_view bytes) {
  read_all(*load_labelled_sequences(Name, file_of(bytes), Part));
}

template <const auto& Name>
void texts(std::string_view bytes) {
  find_labelled_text_format(Name)->load(file_of(bytes), Split::train, {});
}

void picture(std::string_view bytes) {
  const GreyImage image = decode_png(bytes);
  if (static_cast<std::int64_t>(image.pixels.size()) != image.width * image.height) fail("a picture of another size");
}

void pathfinder(std::string_view bytes) {
  const std::filesystem::path root = folder() / "pathfinder";
  std::filesystem::create_directories(root / "metadata");
  std::filesystem::create_directories(root / "imgs" / "0");
  write(root / "metadata" / "0.npy", bytes);
  read_all(*load_labelled_sequences("pathfinder", root, Split::train));
}

void parallel(std::string_view bytes) {
  const std::filesystem::path prefix = folder() / "pair";
  const std::string_view source = take_part(bytes);
  write(prefix.string() + ".en", source);
  write(prefix.string() + ".de", bytes);
  const ParallelFiles files = find_parallel_files(prefix, "en", "de");
  tokenize_parallel_text(load_parallel_text(files), files, ByteTokenizer(), 32, UnfitSentences::leave_out);
}

void corpus(std::string_view bytes) {
  const TextCorpus text = load_text_corpus({{file_of(bytes)}, ""}, ByteTokenizer());
  if (text.tokens.size() != text.statistics.bytes) fail("a corpus of another length");
  const bool packed = bytes.starts_with("\x1f\x8b") || bytes.starts_with("\x28\xb5\x2f\xfd");
  if (!packed && std::cmp_not_equal(text.tokens.size(), bytes.size())) fail("a corpus that is not the file");
}

constexpr char kListops[] = "listops", kRetrieval[] = "retrieval", kImage[] = "image", kSst2[] = "sst2", kQqp[] = "qqp",
               kMnli[] = "mnli", kAmazon[] = "amazon";
constexpr void (*kReaders[])(std::string_view) = {labelled<kListops, Split::train>,
                                                  labelled<kRetrieval, Split::train>,
                                                  labelled<kImage, Split::test>,
                                                  texts<kSst2>,
                                                  texts<kQqp>,
                                                  texts<kMnli>,
                                                  texts<kAmazon>,
                                                  picture,
                                                  pathfinder,
                                                  parallel,
                                                  corpus};

}  // namespace
}  // namespace cosformer::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace cosformer::fuzz;
  if (size < 1) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  expect_input_error_or_none([&] { kReaders[data[0] % std::size(kReaders)](bytes); });
  return 0;
}

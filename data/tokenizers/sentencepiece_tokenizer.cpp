#include "data/tokenizers/sentencepiece_tokenizer.h"

#include <utility>

#include "core/error.h"
#include "core/printable.h"
#include "data/mapped_file.h"
#include "data/tokenizers/vocabulary.h"

#ifdef COSFORMER_SENTENCEPIECE
#include <sentencepiece_processor.h>
#endif

namespace cosformer {

namespace {

constexpr const char* kFile = "tokenizer.model";

}  // namespace

#ifdef COSFORMER_SENTENCEPIECE

struct SentencePieceTokenizer::Processor {
  sentencepiece::SentencePieceProcessor library;
};

bool has_sentencepiece() { return true; }

SentencePieceTokenizer::SentencePieceTokenizer(std::string model, const std::string& source) : model_(std::move(model)) {
  auto processor = std::make_unique<Processor>();
  const auto status = processor->library.LoadFromSerializedProto(model_);
  check<InputError>(status.ok() && processor->library.GetPieceSize() > 0, source,
                    ": is no SentencePiece model: ", visible_start(status.ToString()));
  processor_ = std::move(processor);
}

std::int64_t SentencePieceTokenizer::vocab_size() const { return processor_->library.GetPieceSize(); }

std::vector<std::int32_t> SentencePieceTokenizer::encode(std::string_view text) const {
  std::vector<int> ids;
  const auto status = processor_->library.Encode({text.data(), text.size()}, &ids);
  check<InputError>(status.ok(), "1:1: SentencePiece cannot read the text: ", visible_start(status.ToString()));
  return ids;
}

std::string SentencePieceTokenizer::decode(std::span<const std::int32_t> ids) const {
  for (const std::int32_t id : ids) check_token_id(id, vocab_size());
  std::string text;
  const auto status = processor_->library.Decode(std::vector<int>(ids.begin(), ids.end()), &text);
  check<InputError>(status.ok(), "SentencePiece has no text for the tokens: ", visible_start(status.ToString()));
  return text;
}

std::optional<std::int32_t> SentencePieceTokenizer::find_token(std::string_view name) const {
  const int id = processor_->library.PieceToId({name.data(), name.size()});
  if (processor_->library.IdToPiece(id) != name) return {};
  return id;
}

#else

struct SentencePieceTokenizer::Processor {};

bool has_sentencepiece() { return false; }

SentencePieceTokenizer::SentencePieceTokenizer(std::string, const std::string& source) {
  throw InputError(concat(source, ": this program was built without SentencePiece (Debian: libsentencepiece-dev)"));
}
std::int64_t SentencePieceTokenizer::vocab_size() const { return 0; }
std::vector<std::int32_t> SentencePieceTokenizer::encode(std::string_view) const { return {}; }
std::string SentencePieceTokenizer::decode(std::span<const std::int32_t>) const { return {}; }
std::optional<std::int32_t> SentencePieceTokenizer::find_token(std::string_view) const { return {}; }

#endif

SentencePieceTokenizer::~SentencePieceTokenizer() = default;

std::unique_ptr<Tokenizer> SentencePieceTokenizer::load(const std::filesystem::path& folder) {
  const MappedFile file(folder / kFile);
  return std::make_unique<SentencePieceTokenizer>(std::string(file.bytes()), (folder / kFile).string());
}

bool SentencePieceTokenizer::may_cut(std::string_view, std::size_t) const { return false; }

TokenizerFiles SentencePieceTokenizer::files() const { return {{kFile, model_}}; }

}  // namespace cosformer

#include "data/corpus/byte_source.h"

#include <fcntl.h>
#include <unistd.h>
#include <zlib.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <string_view>
#include <utility>
#include <vector>

#include "core/error.h"
#include "data/regular_file.h"

#ifdef COSFORMER_ZSTD
#include <zstd.h>
#endif

namespace cosformer {

struct ByteSource::Decoder {
  virtual ~Decoder() = default;
  /// Some bytes, at most as many as there is room for; 0 at the end. Throws InputError without the path.
  virtual std::size_t read(std::span<char> buffer) = 0;
};

namespace {

/// Text shrinks to a quarter or so; a file that unpacks to more than these times its size is made to fill a disk. Small
/// files may be all of one letter.
constexpr std::uintmax_t kLargestRatio = 200, kFreeBytes = std::uintmax_t{1} << 20;
constexpr std::string_view kZstd = "\x28\xB5\x2F\xFD";

/// How files begin that are compressed in ways not read here, and what unpacks them.
constexpr struct {
  std::string_view start, program;
} kOthers[] = {{std::string_view("\xFD"
                                 "7zXZ\0",
                                 6),
                "xz -d"},
               {"BZh91AY&SY", "bzip2 -d"},
               {"PK\x03\x04", "unzip"}};

/// Plain bytes and gzip's: zlib tells them apart.
class GzipDecoder final : public ByteSource::Decoder {
 public:
  explicit GzipDecoder(const RegularFile& file) : file_(nullptr, gzclose) {
    const int own = ::fcntl(file.descriptor(), F_DUPFD_CLOEXEC, 0);
    file_.reset(own < 0 ? nullptr : gzdopen(own, "rb"));
    if (file_ == nullptr && own >= 0) ::close(own);
    check<InputError>(file_ != nullptr, "cannot open the file");
    constexpr unsigned kBufferBytes = 1U << 18;
    gzbuffer(file_.get(), kBufferBytes);
  }

  std::size_t read(std::span<char> buffer) override {
    constexpr std::size_t kMost = std::size_t{1} << 30;
    const int count = gzread(file_.get(), buffer.data(), static_cast<unsigned>(std::min(buffer.size(), kMost)));
    int code = Z_OK;
    const char* what = gzerror(file_.get(), &code);
    check<InputError>(count >= 0 && (code == Z_OK || code == Z_STREAM_END), "cannot unpack the file: ", what);
    return static_cast<std::size_t>(count);
  }

 private:
  std::unique_ptr<gzFile_s, int (*)(gzFile_s*)> file_;
};

#ifdef COSFORMER_ZSTD
class ZstdDecoder final : public ByteSource::Decoder {
 public:
  explicit ZstdDecoder(std::unique_ptr<RegularFile> file)
      : file_(std::move(file)), context_(ZSTD_createDCtx(), ZSTD_freeDCtx), packed_(ZSTD_DStreamInSize()) {
    check<Error>(context_ != nullptr, "zstd has no memory");
  }

  std::size_t read(std::span<char> buffer) override {
    ZSTD_outBuffer out{buffer.data(), buffer.size(), 0};
    while (out.pos == 0) {
      if (in_.pos == in_.size && !fill()) {
        check<InputError>(is_frame_done_, "cannot unpack the file: it ends within its data");
        return 0;
      }
      const std::size_t left = ZSTD_decompressStream(context_.get(), &out, &in_);
      check<InputError>(ZSTD_isError(left) == 0, "cannot unpack the file: ", ZSTD_getErrorName(left));
      is_frame_done_ = left == 0;
    }
    return out.pos;
  }

 private:
  bool fill() {
    ssize_t count = 0;
    do {
      count = ::read(file_->descriptor(), packed_.data(), packed_.size());
    } while (count < 0 && errno == EINTR);
    check<InputError>(count >= 0, "cannot read: ", std::strerror(errno));
    in_ = {packed_.data(), static_cast<std::size_t>(count), 0};
    return count > 0;
  }

  std::unique_ptr<RegularFile> file_;
  std::unique_ptr<ZSTD_DCtx, std::size_t (*)(ZSTD_DCtx*)> context_;
  std::vector<char> packed_;
  ZSTD_inBuffer in_{};
  bool is_frame_done_ = false;
};

std::unique_ptr<ByteSource::Decoder> make_zstd_decoder(std::unique_ptr<RegularFile> file) {
  return std::make_unique<ZstdDecoder>(std::move(file));
}
#else
std::unique_ptr<ByteSource::Decoder> make_zstd_decoder(std::unique_ptr<RegularFile>) {
  throw InputError("this program was built without zstd (Debian: libzstd-dev); `zstd -d` unpacks the file");
}
#endif

}  // namespace

bool has_zstd() {
#ifdef COSFORMER_ZSTD
  return true;
#else
  return false;
#endif
}

ByteSource::ByteSource(const std::filesystem::path& path) : path_(path) {
  auto file = std::make_unique<RegularFile>(path);
  most_bytes_ = kLargestRatio * file->size() + kFreeBytes;
  std::array<char, 16> start{};
  const ssize_t count = read_at(file->descriptor(), 0, std::as_writable_bytes(std::span(start)));
  const std::string_view begin(start.data(), count > 0 ? static_cast<std::size_t>(count) : 0);
  for (const auto& [other, program] : kOthers) {
    check<InputError>(!begin.starts_with(other), path.string(), ": is compressed, expected plain text, gzip or zstd; `",
                      program, "` unpacks it");
  }
  try {
    if (begin.starts_with(kZstd)) {
      decoder_ = make_zstd_decoder(std::move(file));
    } else {
      decoder_ = std::make_unique<GzipDecoder>(*file);
    }
  } catch (const InputError& error) {
    throw InputError(concat(path.string(), ": ", error.what()));
  }
}

ByteSource::~ByteSource() = default;

std::size_t ByteSource::read(std::span<char> buffer) {
  std::size_t done = 0;
  try {
    for (std::size_t count = 1; done < buffer.size() && count > 0; done += count)
      count = decoder_->read(buffer.subspan(done));
  } catch (const InputError& error) {
    throw InputError(concat(path_.string(), ": ", error.what()));
  }
  bytes_ += done;
  check<InputError>(bytes_ <= most_bytes_, path_.string(), ": unpacks to over ", most_bytes_, " bytes, more than ",
                    kLargestRatio, " times its size");
  return done;
}

}  // namespace cosformer

#include "data/corpus/byte_source.h"

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
constexpr std::string_view kGzip = "\x1F\x8B", kZstd = "\x28\xB5\x2F\xFD";

/// How files begin, or go on behind a header, that are packed in ways not read here, and what unpacks them.
constexpr struct {
  std::size_t offset;
  std::string_view bytes, program;
} kOthers[] = {{0,
                std::string_view("\xFD"
                                 "7zXZ\0",
                                 6),
                "xz -d"},
               {0, "BZh91AY&SY", "bzip2 -d"},
               {0, "PK\x03\x04", "unzip"},
               {0, "\x04\x22\x4D\x18", "lz4 -d"},
               {257, "ustar", "tar -x"}};
constexpr std::size_t kStartBytes = 262;

/// A frame of zstd, or one to be passed over (RFC 8878, 3.1.2), with which pzstd begins.
bool is_zstd(std::string_view begin) {
  const bool is_skipped = begin.size() >= 4 && (begin[0] & 0xF0) == 0x50 && begin.substr(1).starts_with("\x2A\x4D\x18");
  return is_skipped || begin.starts_with(kZstd);
}

/// The bytes of a file as they are, block by block.
class FileBlocks {
 public:
  FileBlocks(std::unique_ptr<RegularFile> file, std::size_t block_bytes) : file_(std::move(file)), block_(block_bytes) {}

  /// At most `buffer.size()` bytes; 0 at the end.
  std::size_t read(std::span<char> buffer) {
    ssize_t count = 0;
    do {
      count = ::read(file_->descriptor(), buffer.data(), buffer.size());
    } while (count < 0 && errno == EINTR);
    check<InputError>(count >= 0, "cannot read: ", std::strerror(errno));
    return static_cast<std::size_t>(count);
  }
  /// The next block, which lives until the next call; empty at the end.
  std::span<char> next() { return std::span(block_).first(read(block_)); }

 private:
  std::unique_ptr<RegularFile> file_;
  std::vector<char> block_;
};

class PlainDecoder final : public ByteSource::Decoder {
 public:
  explicit PlainDecoder(std::unique_ptr<RegularFile> file) : blocks_(std::move(file), 0) {}
  std::size_t read(std::span<char> buffer) override { return blocks_.read(buffer); }

 private:
  FileBlocks blocks_;
};

/// Members of gzip one after the other. Unlike zlib's gzread it drops nothing behind them but zeros.
class GzipDecoder final : public ByteSource::Decoder {
 public:
  explicit GzipDecoder(std::unique_ptr<RegularFile> file) : blocks_(std::move(file), std::size_t{1} << 18) {
    constexpr int kGzipAlone = 16;
    check<Error>(inflateInit2(&stream_, MAX_WBITS + kGzipAlone) == Z_OK, "zlib has no memory");
  }
  ~GzipDecoder() override { inflateEnd(&stream_); }

  std::size_t read(std::span<char> buffer) override {
    constexpr std::size_t kMost = std::size_t{1} << 30;
    const std::size_t room = std::min(buffer.size(), kMost);
    stream_.next_out = reinterpret_cast<Bytef*>(buffer.data());
    stream_.avail_out = static_cast<uInt>(room);
    while (stream_.avail_out == room) {
      if (stream_.avail_in == 0 && !fill()) {
        check<InputError>(is_member_done_, "cannot unpack the file: it ends within its data");
        return 0;
      }
      if (is_member_done_ && !begin_member()) continue;
      const int code = inflate(&stream_, Z_NO_FLUSH);
      check<InputError>(code == Z_OK || code == Z_STREAM_END || code == Z_BUF_ERROR,
                        "cannot unpack the file: ", stream_.msg != nullptr ? stream_.msg : "its data are damaged");
      is_member_done_ = code == Z_STREAM_END;
    }
    return room - stream_.avail_out;
  }

 private:
  bool fill() {
    const std::span<char> block = blocks_.next();
    stream_.next_in = reinterpret_cast<Bytef*>(block.data());
    stream_.avail_in = static_cast<uInt>(block.size());
    return !block.empty();
  }

  /// Passes zeros, with which tapes are filled. False if the block has nothing else.
  bool begin_member() {
    for (; stream_.avail_in > 0 && *stream_.next_in == 0; ++stream_.next_in) --stream_.avail_in;
    if (stream_.avail_in == 0) return false;
    check<InputError>(*stream_.next_in == static_cast<unsigned char>(kGzip[0]),
                      "cannot unpack the file: behind its packed data are other bytes");
    is_member_done_ = false;
    return inflateReset(&stream_) == Z_OK;
  }

  FileBlocks blocks_;
  z_stream stream_{};
  bool is_member_done_ = false;
};

#ifdef COSFORMER_ZSTD
class ZstdDecoder final : public ByteSource::Decoder {
 public:
  explicit ZstdDecoder(std::unique_ptr<RegularFile> file)
      : blocks_(std::move(file), ZSTD_DStreamInSize()), context_(ZSTD_createDCtx(), ZSTD_freeDCtx) {
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
    const std::span<char> block = blocks_.next();
    in_ = {block.data(), block.size(), 0};
    return !block.empty();
  }

  FileBlocks blocks_;
  std::unique_ptr<ZSTD_DCtx, std::size_t (*)(ZSTD_DCtx*)> context_;
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
  std::array<char, kStartBytes> start{};
  const ssize_t count = read_at(file->descriptor(), 0, std::as_writable_bytes(std::span(start)));
  const std::string_view begin(start.data(), count > 0 ? static_cast<std::size_t>(count) : 0);
  for (const auto& [offset, bytes, program] : kOthers) {
    const bool is_other = begin.size() >= offset && begin.substr(offset).starts_with(bytes);
    check<InputError>(!is_other, path.string(), ": is compressed, expected plain text, gzip or zstd; `", program,
                      "` unpacks it");
  }
  try {
    if (is_zstd(begin)) {
      decoder_ = make_zstd_decoder(std::move(file));
    } else if (begin.starts_with(kGzip)) {
      decoder_ = std::make_unique<GzipDecoder>(std::move(file));
    } else {
      decoder_ = std::make_unique<PlainDecoder>(std::move(file));
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

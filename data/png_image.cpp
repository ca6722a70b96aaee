#include "data/png_image.h"

#include <png.h>

#include <array>
#include <csetjmp>
#include <cstdio>
#include <cstring>

#include "core/error.h"
#include "data/grey.h"

namespace cosformer {

namespace {

/// What libpng's callbacks share with the functions that call it. libpng leaves by longjmp, so whatever has a destructor
/// lives here, outside the functions that may be jumped over.
struct Transfer {
  std::string_view input;
  std::string output;
  std::array<char, 128> error{};
};

struct Reader {
  png_structp png = nullptr;
  png_infop info = nullptr;
  ~Reader() { png_destroy_read_struct(&png, &info, nullptr); }
};

struct Writer {
  png_structp png = nullptr;
  png_infop info = nullptr;
  ~Writer() { png_destroy_write_struct(&png, &info); }
};

[[noreturn]] void on_error(png_structp png, png_const_charp message) {
  auto& transfer = *static_cast<Transfer*>(png_get_error_ptr(png));
  std::snprintf(transfer.error.data(), transfer.error.size(), "%s", message);
  png_longjmp(png, 1);
}

void on_warning(png_structp, png_const_charp) {}

void read_bytes(png_structp png, png_bytep target, std::size_t count) {
  auto& input = static_cast<Transfer*>(png_get_io_ptr(png))->input;
  if (input.size() < count) png_error(png, "the file ends early");
  std::memcpy(target, input.data(), count);
  input.remove_prefix(count);
}

/// An exception may not pass through libpng.
void write_bytes(png_structp png, png_bytep bytes, std::size_t count) {
  bool written = true;
  try {
    static_cast<Transfer*>(png_get_io_ptr(png))->output.append(reinterpret_cast<const char*>(bytes), count);
  } catch (const std::exception&) {
    written = false;
  }
  if (!written) png_error(png, "out of memory");
}

void flush_nothing(png_structp) {}

/// Width, height and channels of a picture; 0 channels if it is of a kind that is not read.
struct Header {
  png_uint_32 width = 0;
  png_uint_32 height = 0;
  int channels = 0;
};

/// False, with a message in the transfer, if libpng refuses the bytes.
bool read_header(const Reader& reader, Header& header) {
  if (setjmp(png_jmpbuf(reader.png))) return false;
  png_read_info(reader.png, reader.info);
  int depth = 0, color = 0, interlace = 0;
  png_get_IHDR(reader.png, reader.info, &header.width, &header.height, &depth, &color, &interlace, nullptr, nullptr);
  const bool is_plain = depth == 8 && interlace == PNG_INTERLACE_NONE;
  if (is_plain && color == PNG_COLOR_TYPE_GRAY) header.channels = 1;
  if (is_plain && color == PNG_COLOR_TYPE_RGB) header.channels = 3;
  return true;
}

bool read_rows(const Reader& reader, const Header& header, std::uint8_t* pixels) {
  if (setjmp(png_jmpbuf(reader.png))) return false;
  const std::size_t row_bytes = std::size_t{header.width} * static_cast<std::size_t>(header.channels);
  for (png_uint_32 row = 0; row < header.height; ++row) png_read_row(reader.png, pixels + row * row_bytes, nullptr);
  png_read_end(reader.png, nullptr);
  return true;
}

bool write_rows(const Writer& writer, const GreyImage& image) {
  if (setjmp(png_jmpbuf(writer.png))) return false;
  const auto width = static_cast<png_uint_32>(image.width), height = static_cast<png_uint_32>(image.height);
  png_set_IHDR(writer.png, writer.info, width, height, 8, PNG_COLOR_TYPE_GRAY, PNG_INTERLACE_NONE,
               PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
  png_write_info(writer.png, writer.info);
  for (png_uint_32 row = 0; row < height; ++row) png_write_row(writer.png, image.pixels.data() + std::size_t{row} * width);
  png_write_end(writer.png, nullptr);
  return true;
}

}  // namespace

GreyImage decode_png(std::string_view bytes) {
  check<InputError>(bytes.size() >= 8 && png_sig_cmp(reinterpret_cast<png_const_bytep>(bytes.data()), 0, 8) == 0,
                    "is no PNG");
  Transfer transfer{.input = bytes};
  Reader reader;
  reader.png = png_create_read_struct(PNG_LIBPNG_VER_STRING, &transfer, on_error, on_warning);
  check<Error>(reader.png != nullptr, "libpng cannot be started");
  reader.info = png_create_info_struct(reader.png);
  check<Error>(reader.info != nullptr, "libpng cannot be started");
  png_set_user_limits(reader.png, kMaxImageSide, kMaxImageSide);
  png_set_chunk_cache_max(reader.png, 16);
  png_set_chunk_malloc_max(reader.png, 1 << 20);
  png_set_crc_action(reader.png, PNG_CRC_ERROR_QUIT, PNG_CRC_ERROR_QUIT);
  png_set_read_fn(reader.png, &transfer, read_bytes);

  Header header;
  check<InputError>(read_header(reader, header), "damaged PNG: ", transfer.error.data());
  check<InputError>(header.channels != 0, "expected a PNG of 8 bits a channel, grey or RGB, not interlaced");
  GreyImage image{.width = header.width, .height = header.height, .pixels = {}};
  const std::size_t count = std::size_t{header.width} * header.height;
  image.pixels.resize(count * static_cast<std::size_t>(header.channels));
  check<InputError>(read_rows(reader, header, image.pixels.data()), "damaged PNG: ", transfer.error.data());
  if (header.channels == 3) {
    const std::uint8_t* colors = image.pixels.data();
    for (std::size_t i = 0; i < count; ++i, colors += 3) image.pixels[i] = grey_of(colors[0], colors[1], colors[2]);
    image.pixels.resize(count);
  }
  return image;
}

std::string encode_png(const GreyImage& image) {
  check<Error>(image.width >= 1 && image.height >= 1 && image.width <= kMaxImageSide && image.height <= kMaxImageSide &&
                   image.pixels.size() == static_cast<std::size_t>(image.width * image.height),
               "a picture of ", image.width, " x ", image.height, " with ", image.pixels.size(), " pixels");
  Transfer transfer;
  Writer writer;
  writer.png = png_create_write_struct(PNG_LIBPNG_VER_STRING, &transfer, on_error, on_warning);
  check<Error>(writer.png != nullptr, "libpng cannot be started");
  writer.info = png_create_info_struct(writer.png);
  check<Error>(writer.info != nullptr, "libpng cannot be started");
  png_set_write_fn(writer.png, &transfer, write_bytes, flush_nothing);
  check<Error>(write_rows(writer, image), "cannot encode a PNG: ", transfer.error.data());
  return std::move(transfer.output);
}

}  // namespace cosformer

#include "data/text_streams.h"

#include "core/error.h"
#include "core/random.h"

namespace cosformer {

TextStreams::TextStreams(std::int64_t size, std::int64_t length, std::int64_t streams, std::uint64_t seed)
    : size_(size), length_(length), streams_(streams), seed_(seed) {
  check<InputError>(length >= 1 && streams >= 1, "expected streams and windows of at least 1, found ", streams,
                    " streams in windows of ", length);
  // Not size / (streams · length), which may be more than there are numbers.
  windows_ = size / streams / length;
  check<InputError>(windows_ >= 1, streams, streams == 1 ? " stream" : " streams", " of a text of ", size,
                    " targets have no window of ", length, " each");
}

TextWindow TextStreams::operator()(std::int64_t number) const {
  const std::int64_t epoch = number / windows_in_epoch(), stream = number % streams_;
  const Random random(seed_, "data/shift");
  const auto shift =
      static_cast<std::int64_t>(random.below(static_cast<std::uint64_t>(left_out() + 1), static_cast<std::uint64_t>(epoch)));
  const std::int64_t begin = shift + stream * stream_length() + before(number);
  return {epoch, begin, begin + length_};
}

}  // namespace cosformer

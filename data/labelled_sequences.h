#pragma once
/// \file
/// Labelled token sequences: what a classifier reads, whatever files they come from.

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/checksum.h"
#include "data/split.h"

namespace cosformer {

/// One part (training, validation, test) of a labelled data set. Immutable after loading: several threads read it at once.
class LabelledSequences {
 public:
  virtual ~LabelledSequences() = default;

  virtual std::int64_t size() const = 0;
  /// In [0, num_classes()).
  virtual std::int32_t label(std::int64_t example) const = 0;
  /// Sequences of an example: 1, or 2 if a pair is classified.
  virtual int texts() const { return 1; }
  /// Writes the first `max_length` tokens of a sequence (0 ≤ text < texts()) of an example to `tokens`, which it resizes.
  /// There is at least one. Ids lie in [0, vocab_size()).
  virtual void read(std::int64_t example, int text, std::int64_t max_length, std::vector<std::int32_t>& tokens) const = 0;

  virtual std::int64_t vocab_size() const = 0;
  virtual std::int64_t num_classes() const = 0;
  /// The id that the released loaders treat as padding wherever it stands; negative if no token has that role.
  virtual std::int32_t padding_id() const { return 0; }
  /// Files or rows that the release itself is known to have broken, and that were left out.
  virtual std::int64_t skipped() const { return 0; }
  /// Of all labels and whole sequences in their order: equal for equal data, wherever its files lie.
  virtual Digest content() const;
};

/// A format, and one line on what it is.
struct LabelledFormat {
  const char* name;  ///< "listops", "text", "retrieval", "image", "pathfinder"
  const char* description;
  /// Reads one split; some sets hold all of them in one place. Throws InputError: file, row, what was expected.
  std::unique_ptr<LabelledSequences> (*load)(const std::filesystem::path& path, Split split);
  /// Whether the files at `path` look like it.
  bool (*fits)(const std::filesystem::path& path);
};
std::span<const LabelledFormat> labelled_formats();

/// The name of the format that the files at `path` look like; empty if they look like none. Throws InputError if there is no
/// `path`.
std::string_view guess_labelled_format(const std::filesystem::path& path);

/// Reads one split of a data set. Throws InputError for an unknown format (with the nearest name) or unusable files.
std::unique_ptr<LabelledSequences> load_labelled_sequences(std::string_view format, const std::filesystem::path& path,
                                                           Split split);

}  // namespace cosformer

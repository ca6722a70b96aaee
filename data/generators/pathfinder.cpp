#include "data/generators/pathfinder.h"

#include <algorithm>
#include <iomanip>
#include <sstream>
#include <vector>

#include "core/error.h"
#include "core/parallel.h"
#include "data/generators/pathfinder_picture.h"

namespace cosformer {

namespace {

constexpr std::int64_t kPicturesPerBatch = 1000;
/// Pictures that are drawn before they are written.
constexpr std::int64_t kPicturesPerRound = 200;

struct Encoded {
  std::string png;
  int label = 0;
  int margin = 0;
};

std::string metadata_row(const PathfinderSettings& settings, std::int64_t batch, std::int64_t number,
                         const Encoded& picture) {
  std::ostringstream row;
  row << "imgs/" << batch << " sample_" << number << ".png " << number << ' ' << picture.label << ' ' << std::fixed
      << std::setprecision(1) << settings.continuity << ' ' << settings.contour_length << ' ' << settings.distractor_length
      << ' ' << settings.dash_length << ' ' << settings.dash_thickness << ' ' << picture.margin << " 1\n";
  return row.str();
}

/// `given` if there is one, else `otherwise`.
int setting_of(const char* name, const std::optional<std::int64_t>& given, int least, int most, int otherwise) {
  if (!given) return otherwise;
  check<InputError>(*given >= least && *given <= most, name, ": expected ", least, " to ", most, ", found ", *given);
  return static_cast<int>(*given);
}

}  // namespace

PathfinderStatistics make_pathfinder(const PathfinderOptions& options, GeneratedFiles& files,
                                     const GeneratorProgress& progress) {
  constexpr std::int64_t kMaxCount = 10'000'000;
  check<InputError>(options.count >= 1 && options.count <= kMaxCount, "count: expected 1 to ", kMaxCount,
                    " pictures, found ", options.count);
  // Longer paths than the hardest set's may not fit into a picture.
  constexpr int kLongest = 14, kMostDistractors = 20;
  PathfinderSettings settings = pathfinder_settings(options.image_size, options.difficulty);
  settings.contour_length = setting_of("contour-length", options.contour_length, 2, kLongest, settings.contour_length);
  settings.num_distractors =
      setting_of("distractors", options.num_distractors, 0, kMostDistractors, settings.num_distractors);
  std::vector<Dashes> dashes;
  for (const int margin : settings.margins) dashes.emplace_back(settings, margin);

  PathfinderStatistics statistics;
  std::vector<Encoded> round;
  std::string metadata;
  for (std::int64_t first = 0; first < options.count; first += kPicturesPerRound) {
    round.assign(static_cast<std::size_t>(std::min(kPicturesPerRound, options.count - first)), {});
    parallel_for(static_cast<std::int64_t>(round.size()), [&](std::int64_t i) {
      const PathfinderPicture picture =
          draw_pathfinder_picture(settings, dashes, options.seed, static_cast<std::uint64_t>(first + i));
      round[static_cast<std::size_t>(i)] = {encode_png(picture.image), picture.label, picture.margin};
    });
    for (const Encoded& picture : round) {
      const std::int64_t batch = statistics.pictures / kPicturesPerBatch, number = statistics.pictures % kPicturesPerBatch;
      files.append(concat("imgs/", batch, "/sample_", number, ".png"), picture.png);
      metadata += metadata_row(settings, batch, number, picture);
      ++statistics.pictures;
      statistics.connected += picture.label;
      statistics.png_bytes += static_cast<std::int64_t>(picture.png.size());
      if (number + 1 == kPicturesPerBatch || statistics.pictures == options.count) {
        files.append(concat("metadata/", batch, ".npy"), metadata);
        metadata.clear();
      }
    }
    progress(statistics.pictures, options.count);
  }
  return statistics;
}

}  // namespace cosformer

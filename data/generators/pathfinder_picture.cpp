#include "data/generators/pathfinder_picture.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>
#include <optional>

#include "data/generators/dash_geometry.h"
#include "data/generators/draws.h"

namespace cosformer {

namespace {

constexpr double kPi = std::numbers::pi;
/// How often more a dash and a short path are tried.
constexpr int kDashRetries = 2;
constexpr int kDistractorRetries = 4;
/// Short paths end if less than this share of the picture is free.
constexpr double kLeastFreeShare = 0.01;
constexpr float kFree = 0.3F;
constexpr float kMostOverlap = 1.8F;
/// Markers are drawn at this many times their size and then reduced.
constexpr int kEnlargement = 2;

/// A dash with the place of its beginning.
struct PlacedDash {
  const Dashes::Drawing* drawing = nullptr;
  Place begin;
};

/// A path as it grows.
struct Path {
  PlacedDash last;  ///< its room is not yet taken
  Place pivot;
  double orientation = 0.0;
  Place origin;
  Place tip;
};

/// One picture in the making.
class Painting {
 public:
  Painting(const PathfinderSettings& settings, const Dashes& dashes, Draws& draws)
      : settings_(settings), dashes_(dashes), draws_(draws), size_(settings.image_size), room_(disc(dashes.margin())) {
    clear();
  }

  /// Two long paths, drawn until both have all their dashes.
  std::array<Path, 2> draw_targets() {
    while (true) {
      clear();
      if (const auto paths = try_targets()) return *paths;
    }
  }

  void draw_distractors() {
    for (int i = 0; i < settings_.num_distractors; ++i) {
      for (int trial = 0; trial <= kDistractorRetries; ++trial) {
        const std::vector<float> image = image_, mask = mask_;
        if (try_distractor()) break;
        image_ = image;
        mask_ = mask;
      }
    }
  }

  /// Adds the markers and stretches darkest to brightest over all bytes.
  GreyImage finish(Place origin, Place end) {
    for (const Place marker : {origin, end}) {
      const Raster circle = draw_marker(marker);
      for (std::size_t i = 0; i < image_.size(); ++i)
        image_[i] = std::max(image_[i], static_cast<float>(circle.pixels[i]) / 255.0F);
    }
    const auto [darkest, brightest] = std::ranges::minmax(image_);
    const float scale = 255.0F / (brightest - darkest);
    GreyImage finished{size_, size_, {}};
    for (const float value : image_) {
      finished.pixels.push_back(static_cast<std::uint8_t>(std::min((value - darkest) * scale, 255.0F) + 0.5F));
    }
    return finished;
  }

 private:
  std::size_t index(int y, int x) const {
    return static_cast<std::size_t>(y) * static_cast<std::size_t>(size_) + static_cast<std::size_t>(x);
  }
  bool holds(Place place) const { return place.y >= 0 && place.y < size_ && place.x >= 0 && place.x < size_; }
  bool is_border(int y, int x, int width) const {
    return y < width || x < width || y >= size_ - width || x >= size_ - width;
  }

  void clear() {
    image_.assign(index(size_, 0), 0.0F);
    mask_.assign(index(size_, 0), 0.0F);
    for (int y = 0; y < size_; ++y) {
      for (int x = 0; x < size_; ++x) {
        if (is_border(y, x, settings_.padding)) mask_[index(y, x)] = 1.0F;
      }
    }
  }

  /// Calls `action(pixel of the plane, value of the drawing in [0, 1])` where a dash's drawing lies in the picture.
  template <class Action>
  void over(std::vector<float>& plane, const Raster& drawing, Place begin, Action&& action) {
    const int reach = dashes_.reach();
    for (int y = std::max(begin.y - reach, 0); y <= std::min(begin.y + reach, size_ - 1); ++y) {
      for (int x = std::max(begin.x - reach, 0); x <= std::min(begin.x + reach, size_ - 1); ++x) {
        action(plane[index(y, x)], static_cast<float>(drawing.at(y - begin.y + reach, x - begin.x + reach)) / 255.0F);
      }
    }
  }
  void draw(const PlacedDash& dash, double contrast) {
    over(image_, dash.drawing->line, dash.begin,
         [&](float& pixel, float value) { pixel = std::max(pixel, value * static_cast<float>(contrast)); });
  }
  void take_room(const PlacedDash& dash) {
    over(mask_, dash.drawing->mask, dash.begin, [](float& pixel, float value) { pixel = std::max(pixel, value); });
  }
  bool has_room(const PlacedDash& dash) {
    bool fits = true;
    over(mask_, dash.drawing->mask, dash.begin,
         [&](float& pixel, float value) { fits = fits && pixel + value < kMostOverlap; });
    return fits;
  }

  /// A path's first dash at `begin`; nothing if it would leave the picture.
  std::optional<Path> first_dash(Place begin, double orientation) const {
    const Place head = moved(begin, orientation, settings_.dash_length);
    const Place pivot = moved(head, reversed(orientation), settings_.dash_length + dashes_.margin());
    if (!holds(head) || !holds(pivot)) return std::nullopt;
    return Path{
        .last = {&dashes_.at(orientation), begin}, .pivot = pivot, .orientation = orientation, .origin = begin, .tip = {}};
  }
  double random_orientation() { return radians(static_cast<std::int64_t>(draws_.below(360)) - 180); }

  /// Places, row by row, around which a footprint meets nothing that is taken or within `border` pixels of the edge.
  std::vector<Place> free_places(const std::vector<Place>& footprint, int border) const {
    std::vector<std::uint8_t> taken(mask_.size()), covered(mask_.size());
    for (int y = 0; y < size_; ++y) {
      for (int x = 0; x < size_; ++x) taken[index(y, x)] = mask_[index(y, x)] > kFree || is_border(y, x, border);
    }
    for (const Place& offset : footprint) {
      const int left = std::max(0, -offset.x), right = std::min(size_, size_ - offset.x);
      for (int y = std::max(0, -offset.y); y < std::min(size_, size_ - offset.y); ++y) {
        std::uint8_t* row = covered.data() + index(y, 0);
        const std::uint8_t* moved_row = taken.data() + index(y + offset.y, 0) + offset.x;
        for (int x = left; x < right; ++x) row[x] = row[x] | moved_row[x];
      }
    }
    std::vector<Place> free;
    for (int y = 0; y < size_; ++y) {
      for (int x = 0; x < size_; ++x) {
        if (covered[index(y, x)] == 0) free.push_back({y, x});
      }
    }
    return free;
  }

  /// A first dash anywhere that is free, also `border` pixels from the edge.
  std::optional<Path> first_dash_anywhere(int border) {
    for (int trial = 0; trial <= kDashRetries; ++trial) {
      const double orientation = random_orientation();
      const std::vector<Place> free = free_places(dashes_.at(orientation).footprint, border);
      if (free.empty()) return std::nullopt;
      if (const auto path = first_dash(free[draws_.below(free.size())], orientation)) return path;
    }
    return std::nullopt;
  }

  std::optional<Path> first_dash_beside(Place other) {
    for (int trial = 0; trial <= kDashRetries; ++trial) {
      const double orientation = random_orientation();
      const double direction = radians(static_cast<std::int64_t>(draws_.below(360)));
      const Place begin{static_cast<int>(std::nearbyint(other.y + settings_.seed_distance * std::sin(direction))),
                        static_cast<int>(std::nearbyint(other.x + settings_.seed_distance * std::cos(direction)))};
      if (const auto path = first_dash(begin, orientation)) return path;
    }
    return std::nullopt;
  }

  /// The mask's largest value within the margin of a place.
  float room_taken_near(Place place) const {
    float taken = 0.0F;
    for (const Place& offset : room_) {
      const Place near{place.y + offset.y, place.x + offset.x};
      if (holds(near)) taken = std::max(taken, mask_[index(near.y, near.x)]);
    }
    return taken;
  }

  /// Adds a dash to a path and takes the room of the one before; false if there is no room.
  bool extend(Path& path, double contrast) {
    const Place pivot = moved(path.pivot, path.orientation, settings_.dash_length + 2 * dashes_.margin());
    const std::vector<Place> ends = circle_around(pivot, settings_.dash_length + dashes_.margin(), size_);
    std::vector<double> orientations, sums;
    double total = 0.0;
    for (const Place& end : ends) {
      orientations.push_back(std::atan2(end.y - pivot.y, end.x - pivot.x));
      const double turn = std::fabs(orientations.back() - path.orientation);
      const double bend = std::min(std::min(turn, 2 * kPi - turn) * settings_.continuity, kPi / 2);
      const double straightness = std::max(std::cos(bend), 0.0);
      total += (1.0 - static_cast<double>(room_taken_near(end))) * straightness * straightness;
      sums.push_back(total);
    }
    if (total < 1e-4) return false;
    for (int trial = 0; trial <= kDashRetries; ++trial) {
      const double chosen = draws_.uniform() * total;
      const auto place =
          static_cast<std::size_t>(std::ranges::find_if(sums, [&](double sum) { return sum > chosen; }) - sums.begin());
      // A dash is drawn from its far end back to the pivot.
      const PlacedDash dash{&dashes_.at(reversed(orientations[place])), ends[place]};
      if (!has_room(dash)) continue;
      draw(dash, contrast);
      take_room(path.last);
      path = {.last = dash, .pivot = pivot, .orientation = orientations[place], .origin = path.origin, .tip = ends[place]};
      return true;
    }
    return false;
  }

  std::optional<std::array<Path, 2>> try_targets() {
    const double contrast = settings_.path_contrast * settings_.dash_contrast;
    const auto first = first_dash_anywhere(2 * settings_.seed_distance);
    if (!first) return std::nullopt;
    const auto second = first_dash_beside(first->origin);
    if (!second) return std::nullopt;
    std::array<Path, 2> paths{*first, *second};
    for (const Path& path : paths) draw(path.last, contrast);
    for (int dash = 1; dash < settings_.contour_length; ++dash) {
      for (Path& path : paths) {
        if (!extend(path, contrast)) return std::nullopt;
      }
    }
    // Of the first path the published generator forgets the last dash.
    take_room(paths[1].last);
    return paths;
  }

  bool try_distractor() {
    const auto free = std::ranges::count_if(mask_, [](float value) { return value <= kFree; });
    if (static_cast<double>(free) < kLeastFreeShare * static_cast<double>(mask_.size())) return false;
    auto path = first_dash_anywhere(1);
    if (!path) return false;
    draw(path->last, settings_.path_contrast);
    for (int dash = 1; dash < settings_.distractor_length; ++dash) {
      if (!extend(*path, settings_.path_contrast)) return false;
    }
    take_room(path->last);
    return true;
  }

  Raster draw_marker(Place center) const {
    Raster enlarged(size_ * kEnlargement);
    const double radius = settings_.marker_radius * kEnlargement;
    const int reach = static_cast<int>(std::ceil(radius));
    for (int y = -reach; y <= reach; ++y) {
      for (int x = -reach; x <= reach; ++x) {
        const Place place{center.y * kEnlargement + y, center.x * kEnlargement + x};
        if (y * y + x * x <= radius * radius && enlarged.holds(place.y, place.x)) enlarged.at(place.y, place.x) = 255;
      }
    }
    return reduce(enlarged, size_);
  }

  const PathfinderSettings& settings_;
  const Dashes& dashes_;
  Draws& draws_;
  int size_;
  std::vector<Place> room_;
  std::vector<float> image_;
  std::vector<float> mask_;  ///< 1 where no dash may go
};

}  // namespace

PathfinderPicture draw_pathfinder_picture(const PathfinderSettings& settings, const std::vector<Dashes>& dashes,
                                          std::uint64_t seed, std::uint64_t index) {
  const Random random(seed, "pathfinder");
  Draws draws(random, index);
  const int label = static_cast<int>(draws.below(2));
  const Dashes& chosen = dashes[draws.below(dashes.size())];
  Painting painting(settings, chosen, draws);
  const std::array<Path, 2> paths = painting.draw_targets();
  painting.draw_distractors();
  const std::size_t origin = draws.below(2), end = label == 1 ? origin : 1 - origin;
  return {.image = painting.finish(paths[origin].origin, paths[end].tip), .label = label, .margin = chosen.margin()};
}

}  // namespace cosformer

#pragma once
/// \file
/// The attention matrices of trained models.

#include <cstdint>
#include <string_view>
#include <vector>

#include "train/experiments/report/page.h"

namespace cosformer {

/// More tokens make pictures that are larger than a page and no easier to read.
inline constexpr std::int64_t kLongestShownSequence = 512;

struct HeadChoice {
  std::int64_t layer = 0;
  std::int64_t head = 0;
};

/// "0.0,3.1" as layers and heads from 0. Throws InputError.
std::vector<HeadChoice> parse_heads(std::string_view text);

/// Adds heat maps of the best checkpoint of each group's first finished (else begun) run of the last stage on the first
/// `length` tokens of the validation data: the weights of each head and, if a re-weighting shapes them, the weights
/// without it and the re-weighting alone (Qin et al., 2022, Figure 3). Without `heads` head 0 of the first and of the last
/// layer.
///
/// What keeps a model from being looked at (no checkpoint, data that is not there) becomes a note. Throws InputError for a
/// head that a model does not have.
void add_attention_maps(ReportSection& section, const std::vector<HeadChoice>& heads, std::int64_t length);

/// The mean over rows of Σ_j w_ij |i - j| and of the entropy -Σ_j w_ij ln w_ij, in nats, of weights [rows, columns].
struct AttentionSpread {
  double distance = 0;
  double entropy = 0;
};
AttentionSpread measure_spread(const HeatMap& map);

}  // namespace cosformer

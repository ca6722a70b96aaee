#pragma once
/// \file
/// Encoding a long text on several threads.

#include <cstdint>
#include <string_view>
#include <vector>

#include "core/parallel.h"

namespace cosformer {

/// Bytes of a piece, about: the same on any number of threads.
inline constexpr std::size_t kPieceBytes = std::size_t{1} << 20;

/// Cuts `text` into pieces of `piece_bytes` or the least more that lets `may_cut(text, p)` allow a cut before byte p.
template <class MayCut>
std::vector<std::string_view> cut_into_pieces(std::string_view text, std::size_t piece_bytes, MayCut may_cut) {
  std::vector<std::string_view> pieces;
  for (std::size_t begin = 0; begin < text.size();) {
    std::size_t end = text.size() - begin > piece_bytes ? begin + piece_bytes : text.size();
    while (end < text.size() && !may_cut(text, end)) ++end;
    pieces.push_back(text.substr(begin, end - begin));
    begin = end;
  }
  return pieces;
}

/// `encode(piece)` of every piece, in parallel, joined in order.
template <class Encode>
std::vector<std::int32_t> encode_pieces(const std::vector<std::string_view>& pieces, Encode encode) {
  if (pieces.size() == 1) return encode(pieces[0]);
  std::vector<std::vector<std::int32_t>> parts(pieces.size());
  parallel_for(static_cast<std::int64_t>(pieces.size()),
               [&](std::int64_t i) { parts[static_cast<std::size_t>(i)] = encode(pieces[static_cast<std::size_t>(i)]); });
  std::size_t size = 0;
  for (const auto& part : parts) size += part.size();
  std::vector<std::int32_t> ids;
  ids.reserve(size);
  for (const auto& part : parts) ids.insert(ids.end(), part.begin(), part.end());
  return ids;
}

}  // namespace cosformer

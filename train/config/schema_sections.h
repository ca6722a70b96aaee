#pragma once
/// \file
/// The parts of the list of config keys, and the limits that they share. Internal to the schema_*.cpp files.

#include "train/config/schema.h"

namespace cosformer::schema {

// The limits keep every product of sizes within 64 bits; memory is the tighter bound.
inline constexpr double kMaxSteps = 1e12;
inline constexpr double kMaxLength = 1 << 24;
inline constexpr double kMaxWidth = 1 << 20;
inline constexpr double kMaxVocabulary = 1 << 22;
inline constexpr double kMaxChunk = 1024;  // products of larger chunks cost more than what they save, whatever the width
inline constexpr double kMaxFeatures = 1 << 16;
inline constexpr double kMaxRedraw = 1 << 30;
inline constexpr double kMaxCheckpoints = 1e6;
inline constexpr double kMaxSeed = 9007199254740992.0;  // 2^53: JSON readers elsewhere keep it exact

inline constexpr Range kFraction = {.minimum = 0, .maximum = 1, .below_maximum = true};
inline constexpr Range kRatio = {.minimum = 0, .maximum = 1};
inline constexpr Range kPositive = {.minimum = 0, .above_minimum = true};
inline constexpr Range kNotNegative = {.minimum = 0};

/// The tables "task", "model" and "attention"; and all others, which say how a run trains, decodes and writes.
std::span<const Field> task_fields();
std::span<const Field> model_fields();
std::span<const Field> attention_fields();
std::span<const Field> training_fields();

}  // namespace cosformer::schema

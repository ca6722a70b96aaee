#!/usr/bin/env bash
# check_layering takes a small tree of every folder, and refuses each include that goes against the layering.
set -euo pipefail
check_layering=$1
tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT

rooms=(core autograd layers data train/store train/optimizers train/config train/tasks train/exchange train/loop
       train/experiments train/experiments/sweep train/experiments/report train/cli)
# What each may include beside itself.
declare -A allowed=(
  [core]=""
  [autograd]="core"
  [layers]="core autograd"
  [data]="core"
  [train/store]="core autograd layers data"
  [train/optimizers]="core autograd layers"
  [train/config]="core autograd layers data train/optimizers"
  [train/tasks]="core autograd layers data train/store train/optimizers train/config"
  [train/exchange]="core autograd layers data train/store train/optimizers train/config train/tasks"
  [train/loop]="core autograd layers data train/store train/optimizers train/config train/tasks"
  [train/experiments]="core autograd layers data train/store train/optimizers train/config train/tasks train/loop"
  [train/experiments/sweep]="core autograd layers data train/store train/optimizers train/config train/tasks train/loop train/experiments"
  [train/experiments/report]="core autograd layers data train/store train/optimizers train/config train/tasks train/loop train/experiments"
  [train/cli]="${rooms[*]}"
)
for room in "${rooms[@]}"; do mkdir -p "$tree/$room"; echo '#pragma once' >"$tree/$room/a.h"; done
touch "$tree/CMakeLists.txt" "$tree/CMakePresets.json"

failures=0
for room in "${rooms[@]}"; do
  for other in "${rooms[@]}"; do
    [[ $room == "$other" ]] && continue
    echo "#include \"$other/a.h\"" >"$tree/$room/b.cpp"
    verdict=refused
    "$check_layering" "$tree" >/dev/null && verdict=taken
    expected=refused
    [[ " ${allowed[$room]} " == *" $other "* ]] && expected=taken
    if [[ $verdict != "$expected" ]]; then
      echo "$room/b.cpp with an include of $other/a.h is $verdict"
      failures=$((failures + 1))
    fi
    rm "$tree/$room/b.cpp"
  done
done
# In layers: sequence/sequence_* <- attention <- the rest of sequence.
mkdir "$tree/layers/attention" "$tree/layers/sequence"
layers=(layers/sequence/sequence_a layers/attention/a layers/sequence/a)
for layer in "${layers[@]}"; do echo '#pragma once' >"$tree/$layer.h"; done
for including in 0 1 2; do
  for included in 0 1 2; do
    echo "#include \"${layers[included]}.h\"" >"$tree/${layers[including]}.cpp"
    verdict=refused
    "$check_layering" "$tree" >/dev/null && verdict=taken
    expected=refused
    ((included <= including)) && expected=taken
    if [[ $verdict != "$expected" ]]; then
      echo "${layers[including]}.cpp with an include of ${layers[included]}.h is $verdict"
      failures=$((failures + 1))
    fi
    rm "$tree/${layers[including]}.cpp"
  done
done
touch "$tree/train/stray.cpp"
if "$check_layering" "$tree" >/dev/null; then
  echo "a source outside the rooms of train is taken"
  failures=$((failures + 1))
fi
exit $((failures > 0))

#!/usr/bin/env python3
"""The table and the plot of docs/results/recall.md, from a finished sweep of configs/sweeps/recall.toml.

    scripts/recall_table.py sweeps/recall [PLOT.svg]

Prints accuracy on the test set by kind and width, means over seeds with the least and the largest, and the numbers that one layer
keeps of a text while it reads it. A plot needs gnuplot.
"""

import collections
import json
import statistics
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

from sweep_runs import COLOURS, finished_runs


def state_numbers(config):
    """What a layer keeps of the text before a token, for one text: keys and values, or a state with its normaliser."""
    attention, model, length = config["attention"], config["model"], config["task"]["seq_len"]
    heads, width = model["num_heads"], model["embed_dim"]
    dim = width // heads
    undivided = attention["normalization"] == "rms"
    kinds = attention["layers"] or [attention["kind"]]
    square = width * dim

    def of(kind):
        features = dim
        if kind == "softmax":
            return 2 * length * width
        if kind == "local":
            return 2 * min(attention["window"], length) * width
        if kind in ("gated", "delta", "gated_delta"):
            return square
        if kind == "cosformer2":
            return 2 * square
        if kind == "cosformer":
            features = 2 * dim
        elif kind == "rfa":
            features = (2 if attention["feature_kind"] == "gaussian" else 1) * (attention["num_features"] or dim)
        elif kind == "linear" and attention["feature_map"] == "favor":
            features = attention["num_features"] or dim
        return heads * features * (dim if undivided else dim + 1)

    convolution = 3 * max(attention["short_convolution"] - 1, 0) * width
    return statistics.mean(of(kind) for kind in kinds) + convolution


def read_runs(folder):
    """{kind: {width: (numbers, [accuracy of each seed])}}, in the order of the sweep's file."""
    found = {}
    for group, _, run in finished_runs(folder):
        config = tomllib.loads((run / "config.toml").read_text())
        width = config["model"]["embed_dim"]
        _, accuracies = found.setdefault(group.split(",")[0], {}).setdefault(width, (state_numbers(config), []))
        accuracies.append(json.loads((run / "result.json").read_text())["test"]["accuracy"])
    return found


def cell(accuracies):
    mean = statistics.mean(accuracies)
    if len(accuracies) == 1:
        return f"{100 * mean:.1f}"
    return f"{100 * mean:.1f} ({100 * min(accuracies):.1f} to {100 * max(accuracies):.1f})"


def main():
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    runs = read_runs(Path(sys.argv[1]))
    widths = sorted({width for own in runs.values() for width in own})
    seeds = collections.Counter(len(accuracies) for own in runs.values() for _, accuracies in own.values())
    print("| kind | " + " | ".join(f"width {width}" for width in widths) + " | numbers a layer keeps |")
    print("| --- |" + " ---: |" * (len(widths) + 1))
    for kind, own in runs.items():
        cells = [cell(own[width][1]) if width in own else "" for width in widths]
        sizes = ", ".join(f"{own[width][0]:,.0f}" for width in widths if width in own)
        print(f"| {kind} | " + " | ".join(cells) + f" | {sizes} |")
    print("\nseeds per cell: " + ", ".join(f"{count} in {cells} cells" for count, cells in sorted(seeds.items())))
    if len(sys.argv) == 3:
        plot(runs, sys.argv[2])


def plot(runs, path):
    """Accuracy by the numbers that a layer keeps, and by width if there are several. A family of kinds has a colour; dashes tell
    those with a convolution or a gate apart."""
    several = len({width for own in runs.values() for width in own}) > 1
    with tempfile.TemporaryDirectory() as folder:
        by_width, by_size, families = [], [], {}
        for i, (kind, own) in enumerate(runs.items()):
            data = Path(folder) / str(i)
            data.write_text("".join(f"{width} {own[width][0]} {100 * statistics.mean(own[width][1])}\n" for width in sorted(own)))
            family = kind.split(" with ")[0]
            colour = COLOURS[families.setdefault(family, len(families)) % len(COLOURS)]
            dashes = 2 if "convolution" in kind else 3 if " with gate" in kind else 1
            style = f"with linespoints linecolor '{colour}' dashtype {dashes} linewidth 1.5 pointtype {i % 13 + 1}"
            by_width.append(f"'{data}' using 1:3 {style} notitle")
            by_size.append(f"'{data}' using 2:3 {style} title '{kind}'")
        left = f"set size 0.36,1\nset xlabel 'width'\nplot {', '.join(by_width)}\nset size 0.64,1\nset origin 0.36,0\n"
        subprocess.run(["gnuplot"], check=True, text=True, input=f"""
set terminal svg size {1080 if several else 760},460 background '#ffffff' font 'sans,12'
set output '{path}'
set grid
set yrange [0:103]
set ylabel 'accuracy, %'
set logscale x 2
set offsets graph 0.06, graph 0.06, 0, 0
set pointsize 0.8
set multiplot
{left if several else ''}
set key outside right
set xlabel 'numbers that a layer keeps of a text'
set xtics ('1 Ki' 1024, '4 Ki' 4096, '16 Ki' 16384, '64 Ki' 65536, '256 Ki' 262144)
plot {', '.join(by_size)}
""")


if __name__ == "__main__":
    main()

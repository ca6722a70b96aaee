#!/usr/bin/env python3
"""The table and the plot of docs/results/wikitext2.md, from a finished sweep of configs/sweeps/table2.toml.

    scripts/language_model_table.py SWEEP… [PLOT.svg]

Perplexity per word at the best checkpoint, mean over seeds; the difference on the test text, in nats per word, is to softmax with the same
seed. Runs of several sweeps of one model stand in one table. The plot (it needs gnuplot) has the validation perplexity of each attention as a share of softmax's at the same step, means over seeds.
"""

import json
import math
import statistics
import sys
import tomllib
from pathlib import Path

from sweep_runs import finished_runs, plot_curves

PUBLISHED = Path(__file__).parent.parent / "configs/sweeps/table2.toml"
BASE = "softmax"


def read_run(folder):
    """result.json, and validation perplexity per word by step."""
    valid = {}
    for line in (folder / "metrics.jsonl").read_text().splitlines():
        row = json.loads(line)
        if row["split"] == "valid":
            valid[row["step"]] = row["word_perplexity"]
    return json.loads((folder / "result.json").read_text()), valid


def read_sweeps(folders):
    """{name: {seed: run}}, in the order of the sweeps' points."""
    runs = {}
    for folder in folders:
        for name, seed, run in finished_runs(folder):
            runs.setdefault(name, {})[seed] = read_run(run)
    return runs


def mean(values, digits):
    text = f"{statistics.mean(values):.{digits}f}"
    return f"{text} ± {statistics.stdev(values):.{digits}f}" if len(values) > 1 else text


def row_of(name, seeds, base, published):
    test = [run[0]["test"]["word_perplexity"] for run in seeds.values()]
    valid = [run[0]["valid"]["word_perplexity"] for run in seeds.values()]
    behind = [f"{math.log(run[0]['test']['word_perplexity'] / base[seed][0]['test']['word_perplexity']):+.3f}"
              for seed, run in sorted(seeds.items()) if seed in base]
    return (f"| {name} | {len(seeds)} | {mean(valid, 1)} | {mean(test, 1)} | {', '.join(behind) if name != BASE else ''} "
            f"| {published.get(name, '')} |")


def shares_of_base(seeds, base):
    """{step: mean over seeds of the validation perplexity as a share of the base's}."""
    shares = {}
    for seed in seeds.keys() & base.keys():
        for step, value in seeds[seed][1].items():
            shares.setdefault(step, []).append(value / base[seed][1][step])
    return {step: statistics.mean(values) for step, values in shares.items()}


def main():
    arguments = sys.argv[1:]
    picture = arguments.pop() if arguments and arguments[-1].endswith(".svg") else None
    if not arguments:
        sys.exit(__doc__)
    runs = read_sweeps([Path(argument) for argument in arguments])
    if BASE not in runs:
        sys.exit(f"{', '.join(arguments)}: no finished run of {BASE}, which the others are compared with")
    published = {figure["group"]: figure["value"] for figure in tomllib.loads(PUBLISHED.read_text())["published"]}
    print("| attention | seeds | validation | test | test, nats per word to softmax, by seed | the paper |")
    print("| --- | ---: | ---: | ---: | ---: | ---: |")
    for name, seeds in sorted(runs.items(), key=lambda item: statistics.mean(run[0]["test"]["word_perplexity"] for run in item[1].values())):
        print(row_of(name, seeds, runs[BASE], published))
    if picture:
        curves = [(name, i, shares_of_base(seeds, runs[BASE])) for i, (name, seeds) in enumerate(runs.items())]
        plot_curves(picture, curves, f"validation perplexity as a share of {BASE}", points=True)


if __name__ == "__main__":
    main()

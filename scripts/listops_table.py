#!/usr/bin/env python3
"""The table and the plot of ListOps with all attentions (docs/results/lra.md), from a sweep of configs/sweeps/lra_short_listops.toml.

    scripts/listops_table.py sweeps/lra_short_listops [PLOT.svg]

Prints for each finished run when it left the plateau, its accuracies and what it cost. A run is off the plateau, a loss of 2.26 nats, at the
first logged step whose loss and those of the nine logged before it have a mean below 2.1. Minutes are those of training alone: all tokens at
the median speed. A plot needs gnuplot.
"""

import json
import statistics
import sys
import tomllib
from pathlib import Path

from sweep_runs import finished_runs, plot_curves

OFF_THE_PLATEAU = 2.1  # nats
LOGGED = 10  # steps, of which a mean is taken
PUBLISHED = Path(__file__).parent.parent / "configs/sweeps/lra_table5.toml"


def read_run(folder):
    """The mean training loss of the last logged steps by step, validation accuracy by step, tokens in all, and result.json."""
    losses, smooth, valid, tokens = [], {}, {}, 0
    for line in (folder / "metrics.jsonl").read_text().splitlines():
        row = json.loads(line)
        if row["split"] == "valid":
            valid[row["step"]] = row["accuracy"]
            continue
        tokens = row["tokens"]
        losses.append(row["loss"])
        if len(losses) >= LOGGED:
            smooth[row["step"]] = statistics.mean(losses[-LOGGED:])
    return smooth, valid, tokens, json.loads((folder / "result.json").read_text())


def published_figures():
    figures = tomllib.loads(PUBLISHED.read_text())["published"]
    return {figure["group"]: f"{100 * figure['value']:.1f}" for figure in figures if figure["stage"] == "listops"}


def row_of(name, run, published):
    smooth, valid, tokens, result = run
    left = next((step for step, loss in smooth.items() if loss < OFF_THE_PLATEAU), None)
    test = result["test"]
    minutes = tokens / result["tokens_per_second"] / 60
    return (f"| {name} | {f'{left:,}' if left else 'never'} | {100 * max(valid.values()):.1f} | {100 * test['accuracy']:.1f} "
            f"({100 * test['accuracy_low']:.1f} to {100 * test['accuracy_high']:.1f}) | {minutes:.0f} | {published} |")


def main():
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    folder = Path(sys.argv[1])
    runs = {(name, seed): read_run(run) for name, seed, run in finished_runs(folder)}
    order = list(dict.fromkeys(name for name, _ in runs))
    several = len({seed for _, seed in runs}) > 1
    print("| attention | off the plateau at step | validation, best | test (95 % interval) | minutes | the paper |")
    print("| --- | ---: | ---: | ---: | ---: | ---: |")
    published = published_figures()
    for name, seed in runs:
        print(row_of(f"{name}, seed {seed}" if several else name, runs[name, seed], published.get(name, "")))
    if len(sys.argv) == 3:
        curves = [(name, order.index(name), run[0]) for (name, _), run in runs.items()]
        plot_curves(sys.argv[2], curves, f"training loss, nats (mean of {LOGGED} logged steps)")


if __name__ == "__main__":
    main()

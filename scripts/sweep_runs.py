"""What the scripts that make tables and plots read of a sweep's folder."""

import json
import subprocess
import tempfile
from pathlib import Path

# A colour for each attention, or each family of attentions.
COLOURS = ["#000000", "#e69f00", "#56b4e9", "#009e73", "#999933", "#0072b2", "#d55e00", "#cc79a7", "#7f7f7f", "#332288", "#aa4499"]


def finished_runs(folder):
    """[(group, seed, folder of the run)] of what is scored, in the order of the sweep's points."""
    points = json.loads((Path(folder) / "sweep.json").read_text())["points"]
    results = [(point["group"], point["seed"], sorted((Path(folder) / "runs" / point["name"]).glob("*/result.json")))
               for point in points]
    return [(group, seed, result.parent) for group, seed, of_stages in results for result in of_stages]


def plot_curves(path, curves, label, points=False):
    """An SVG of curves by step: [(title, number of its colour and dashes, {step: value})]. Needs gnuplot."""
    with tempfile.TemporaryDirectory() as folder:
        lines = []
        for i, (title, number, values) in enumerate(curves):
            data = Path(folder) / str(i)
            data.write_text("".join(f"{step} {value}\n" for step, value in values.items()))
            style = "linespoints pointtype 7 pointsize 0.5" if points else "lines"
            lines.append(f"'{data}' using 1:2 with {style} linecolor '{COLOURS[number % len(COLOURS)]}' "
                         f"dashtype {1 + number // len(COLOURS)} linewidth 1.5 title '{title}' noenhanced")
        subprocess.run(["gnuplot"], check=True, text=True, input=f"""
set terminal svg size 900,420 background '#ffffff' font 'sans,12'
set output '{path}'
set grid
set key outside right
set xlabel 'step'
set ylabel '{label}'
plot {', '.join(lines)}
""")

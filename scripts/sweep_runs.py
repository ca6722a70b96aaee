"""What the scripts that make tables and plots read of a sweep's folder."""

import json
from pathlib import Path

# A colour for each attention, or each family of attentions.
COLOURS = ["#000000", "#e69f00", "#56b4e9", "#009e73", "#999933", "#0072b2", "#d55e00", "#cc79a7", "#7f7f7f", "#332288", "#aa4499"]


def finished_runs(folder):
    """[(group, seed, folder of the run)] of what is scored, in the order of the sweep's points."""
    points = json.loads((Path(folder) / "sweep.json").read_text())["points"]
    results = [(point["group"], point["seed"], sorted((Path(folder) / "runs" / point["name"]).glob("*/result.json")))
               for point in points]
    return [(group, seed, result.parent) for group, seed, of_stages in results for result in of_stages]

#!/usr/bin/env python3
"""Measures `cosformer bench` and PyTorch on the same shapes, in turn, each time in a fresh process, and prints the ratios.

    scripts/compare_torch.py --python /usr/bin/python3 --python ~/venv/bin/python      two versions of PyTorch
    scripts/compare_torch.py --only causal --quick --prefix "chrt -f 50"

For each shape and each PyTorch, all forms that a user might write (scripts/torch_rivals.py) are timed once; the fastest then takes
turns with ours (ours, PyTorch, ours, PyTorch ...). Shown are medians over the rounds. A ratio is PyTorch's time or memory over ours:
more than 1 means that ours is better. PyTorch's memory is shown as the whole process and, for the ratio, without what `import torch`
alone takes; ours is the whole process.

PyTorch runs with as many threads as ours, with a malloc that keeps freed memory, and with the OpenMP runtime that it brings loaded
first, as its tuning guide asks.
"""

import argparse
import json
import os
import re
import shlex
import statistics
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
RIVALS = Path(__file__).resolve().with_name("torch_rivals.py")
KEEP_MEMORY = {
    "MALLOC_MMAP_MAX_": "0",
    "MALLOC_TRIM_THRESHOLD_": "17179869184",
    "MALLOC_TOP_PAD_": "67108864",
    "CUDA_VISIBLE_DEVICES": "",
}
LENGTHS = (512, 1024, 2048, 4096, 8192, 16384)
QUICK_LENGTHS = (512, 2048)
# Forms that are compared only where they are asked for: the lengths that they can be run at, and the target of each.
NAMED_TARGETS = {
    "authors": {512: 0.0, 1024: 0.0, 2048: 0.0, 4096: 0.0, 8192: 100.0},
    "fast_transformers": dict.fromkeys(LENGTHS, 5.0),
}


def attention(kind, causal, target, lengths, batch=1):
    """Cases of 8 heads of 64."""
    for length in lengths:
        name = f"{kind}{' causal' if causal else ''} operator, B {batch}, N {length}"
        ours = ["attention", "--kind", kind, "--batch", str(batch), "--length", str(length), "--heads", "8", "--head-dim", "64"]
        case = {"what": "attention", "kind": kind, "causal": causal, "batch": batch, "length": length, "heads": 8, "head_dim": 64}
        yield {"name": name, "target": target, "ours": ours + (["--causal"] if causal else []), "case": case}


def successors(lengths):
    """What came after cosFormer, causal, against the chunked form of the same formula."""
    options = {"cosformer2": ["--kind", "cosformer2"], "gated": ["--kind", "gated"], "delta": ["--kind", "delta"],
               "retention": ["--kind", "linear", "--set", "attention.feature_map=identity", "--set", "attention.reweighting=decay",
                             "--set", "attention.normalization=rms"]}
    for kind, flags in options.items():
        for row in attention(kind, True, 1.0, lengths):
            row["ours"] = ["attention", *flags, *row["ours"][3:]]
            yield {**row, "name": row["name"].replace("operator", "successor")}


def step(config, target, **case):
    """Training steps of configs/bench/CONFIG_{cosformer,softmax}.toml."""
    case = {"what": "step", "head_dim": case["embed_dim"] // case["heads"], **case}
    overrides = [f"task.seq_len={case['length']}", f"train.batch_size={case['batch']}"]
    ours = ["step", f"configs/bench/{config}_{case['kind']}.toml"] + [x for key in overrides for x in ("--set", key)]
    return {"name": f"{config} step, {case['kind']}, N {case['length']}", "target": target, "ours": ours, "case": case}


def lra(kind, target, lengths):
    for length in lengths:
        yield step("lra", target, model="classifier", kind=kind, causal=False, layers=2, embed_dim=64, heads=2, ffn=128,
                   vocab=256, classes=10, batch=32, length=length)


def products():
    """The rows of `bench operators` that are single products, product_nt_M_N_K or product_nn_N, against torch.mm."""
    sizes = ("nn_2048", "nt_8192_2048_512", "nt_4096_1024_256", "nt_4096_256_256", "nn_4096_256_256", "tn_256_256_4096",
             "tn_256_1024_4096", "nt_65536_64_64", "nt_65536_128_64", "tn_64_64_65536", "nt_1024_3072_768",
             "tn_3072_768_1024")
    for name in sizes:
        form, *numbers = name.split("_")
        m, n, k = (int(number) for number in (numbers if len(numbers) == 3 else numbers * 3))
        case = {"what": "product", "transposed": [letter == "t" for letter in form], "m": m, "n": n, "k": k}
        yield {"name": f"product {form} {m} x {n} x {k}", "target": 1.0, "ours": ["operators", "--only", "product_" + name],
               "case": case}


def decoder(config, kind, target, **sizes):
    return step(config, target, model="decoder", kind=kind, causal=True, **sizes)


def cases(quick):
    lengths = QUICK_LENGTHS if quick else LENGTHS
    yield from products()
    yield from attention("cosformer", True, 5.0, lengths)
    yield from attention("cosformer", False, 2.5, lengths)
    yield from attention("softmax", True, 1.5, lengths)
    yield from attention("softmax", False, 1.5, lengths)
    yield from successors(QUICK_LENGTHS if quick else (512, 2048, 8192))
    if not quick:
        yield from attention("cosformer", True, 5.0, (2048,), batch=4)
        yield from attention("cosformer", False, 2.5, (2048,), batch=4)
    yield from lra("cosformer", 3.0, (1024,) if quick else (1024, 2048, 4096))
    yield from lra("softmax", 2.0, (1024,) if quick else (1024, 2048, 4096))
    small = {"layers": 4, "embed_dim": 256, "heads": 4, "ffn": 1024, "vocab": 8192, "batch": 8, "length": 512}
    gpt2 = {"layers": 6, "embed_dim": 768, "heads": 12, "ffn": 3072, "vocab": 50257, "batch": 4, "length": 256}
    for kind in ("cosformer", "softmax"):
        yield decoder("small", kind, 1.6, **small)
        if not quick:
            yield decoder("gpt2", kind, 1.2, **gpt2)


def available_bytes():
    """Memory that a process may still take."""
    text = Path("/proc/meminfo").read_text()
    return 1024 * int(re.search(r"MemAvailable:\s*(\d+)", text).group(1))


class Failure(Exception):
    """A measurement that gave no figure."""


def run(command, environment, limit_seconds):
    """The JSON object on the last line of what a command prints."""
    try:
        done = subprocess.run(command, env={**os.environ, **environment}, cwd=ROOT, capture_output=True, text=True,
                              timeout=limit_seconds)
    except subprocess.TimeoutExpired as error:
        raise Failure(f"longer than {limit_seconds:.0f} s") from error
    if done.returncode != 0:
        lines = done.stderr.strip().splitlines()
        raise Failure(lines[-1] if lines else f"exit code {done.returncode}")
    return json.loads(done.stdout.strip().splitlines()[-1])


class Ours:
    def __init__(self, given):
        self.given, self.environment = given, {"OMP_NUM_THREADS": str(given.threads)}

    def time(self, row):
        repeats = "--steps" if row["ours"][0] == "step" else "--repetitions"
        tail = [repeats, str(self.given.repetitions), "--json"]
        if row["ours"][0] == "attention":
            tail += ["--pass", row["case"]["pass"]]
        return run(self.given.prefix + [self.given.program, "bench", *row["ours"], *tail], self.environment, self.given.limit)


class Rival:
    """One PyTorch."""

    def __init__(self, python, given):
        self.python, self.given = python, given
        self.environment = {**KEEP_MEMORY, "OMP_NUM_THREADS": str(given.threads)}
        find = "import os, torch; print(os.path.join(os.path.dirname(torch.__file__), 'lib', 'libgomp.so.1'))"
        found = subprocess.run([python, "-c", find], capture_output=True, text=True)
        if found.returncode != 0:
            sys.exit(f"compare_torch.py: error: {python}: cannot import torch")
        if os.path.exists(found.stdout.strip()):
            self.environment["LD_PRELOAD"] = found.stdout.strip()

    def time(self, case, form):
        command = self.given.prefix + [self.python, str(RIVALS), "time", json.dumps({**case, "form": form})]
        return run(command, self.environment, self.given.limit)

    def fastest(self, case):
        """The form of the shortest time, all forms timed once: (name, {form: milliseconds or why there is none})."""
        command = [self.python, str(RIVALS), "forms", json.dumps(case)]
        command += ["--named", self.given.named] if self.given.named else []
        command += [] if self.given.no_compile else ["--compile"]
        times = {}
        for entry in run(command, self.environment, self.given.limit)["forms"]:
            form = entry["form"]
            if entry["least_bytes"] > 0.8 * available_bytes():
                times[form] = f"needs {entry['least_bytes'] / 1e9:.1f} GB or more"
                continue
            try:
                times[form] = self.time({**case, "repetitions": 2}, form)["milliseconds"]
            except Failure as failure:
                times[form] = str(failure)
            print(f"    {form}: {times[form]}", file=sys.stderr)
        measured = {form: value for form, value in times.items() if not isinstance(value, str)}
        return (min(measured, key=measured.get) if measured else None), times


def compare(row, ours, rivals, given):
    """One result a rival."""
    case = {**row["case"], "threads": given.threads, "repetitions": given.repetitions, "pass": given.measured_pass}
    row = {**row, "case": case}
    chosen = {}
    for rival in rivals:
        print(f"  forms of {rival.python}", file=sys.stderr)
        chosen[rival] = rival.fastest(case)
    mine, theirs = [], {rival: [] for rival in rivals}
    for _ in range(given.rounds):
        mine.append(ours.time(row))
        for rival in rivals:
            if chosen[rival][0]:
                theirs[rival].append(rival.time(case, chosen[rival][0]))
    middle = lambda results, key: statistics.median(result[key] for result in results)
    results = []
    for rival in rivals:
        keys = ("milliseconds", "gflops", "share_of_fma_peak", "fma_peak_gflops", "peak_memory_bytes")
        result = {"name": row["name"], "target": row["target"], "python": rival.python, "forms": chosen[rival][1],
                  "case": case, "ours": {key: middle(mine, key) for key in keys if key in mine[0]}}
        if theirs[rival]:
            other = theirs[rival]
            result["torch"] = other[0]["torch"]
            result["form"] = other[0]["form"]
            result["theirs"] = {key: middle(other, key) for key in
                                ("milliseconds", "peak_memory_bytes", "import_memory_bytes")}
            mine_ms, their_ms = result["ours"]["milliseconds"], result["theirs"]["milliseconds"]
            result["speedup"] = their_ms / mine_ms
            own_bytes = result["theirs"]["peak_memory_bytes"] - result["theirs"]["import_memory_bytes"]
            if "peak_memory_bytes" in mine[0]:
                result["memory_ratio"] = own_bytes / result["ours"]["peak_memory_bytes"]
            result["milliseconds_by_round"] = {"ours": [x["milliseconds"] for x in mine],
                                               "theirs": [x["milliseconds"] for x in other]}
        results.append(result)
    return results


HEADER = ("what", "ours, ms", "share of FMA peak", "PyTorch", "its form", "its ms", "ratio", "target", "ours, MB",
          "PyTorch, MB", "without import", "memory ratio")


def time_text(milliseconds):
    return f"{milliseconds:.3g}" if milliseconds < 10 else f"{milliseconds:.1f}"


def table_row(result):
    ours = result["ours"]
    cells = [result["name"], time_text(ours["milliseconds"]), f"{ours['share_of_fma_peak']:.2f}"]
    memory = f"{ours['peak_memory_bytes'] / 1e6:.0f}" if "peak_memory_bytes" in ours else "–"
    if "theirs" not in result:
        return cells + [result["python"], "none could run", "–", "–", f"{result['target']:.1f}", memory, "–", "–", "–"]
    theirs = result["theirs"]
    whole, imported = theirs["peak_memory_bytes"], theirs["import_memory_bytes"]
    return cells + [result["torch"], result["form"], time_text(theirs["milliseconds"]), f"{result['speedup']:.2f}",
                    f"{result['target']:.1f}", memory, f"{whole / 1e6:.0f}", f"{(whole - imported) / 1e6:.0f}",
                    f"{result['memory_ratio']:.1f}" if "memory_ratio" in result else "–"]


def print_row(cells):
    print("| " + " | ".join(cells) + " |", flush=True)


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", default=str(ROOT / "build/release/cosformer"), help="the built cosformer")
    parser.add_argument("--python", action="append", help="an interpreter with PyTorch; repeatable (default: this one)")
    parser.add_argument("--only", default="", metavar="REGEX", help="the cases whose name matches; --list shows the names")
    parser.add_argument("--list", action="store_true", help="print the names of the cases and stop")
    parser.add_argument("--quick", action="store_true", help="fewer lengths, two rounds, no torch.compile")
    parser.add_argument("--rounds", type=int, help="turns of each side (default 3)")
    parser.add_argument("--repetitions", type=int, default=3, help="timed calls a turn (default 3)")
    parser.add_argument("--threads", type=int, default=2, help="of both sides (default 2)")
    parser.add_argument("--pass", dest="measured_pass", choices=("forward", "forward_backward"), default="forward_backward",
                        help="of the operators")
    parser.add_argument("--no-compile", action="store_true", help="do not try torch.compile")
    parser.add_argument("--named", choices=sorted(NAMED_TARGETS), metavar="FORM",
                        help="causal cosFormer against one form instead of the fastest: authors (17 GB at N 8192), or "
                             "fast_transformers, where that package is installed")
    parser.add_argument("--prefix", default="", help='what both sides are started with, as in "chrt -f 50"')
    parser.add_argument("--limit", type=float, default=600, help="seconds that one process may take (default 600)")
    parser.add_argument("--json", action="store_true", help="print one JSON object a comparison instead of a table")
    given = parser.parse_args()
    given.python = given.python or [sys.executable]
    given.rounds = given.rounds or (2 if given.quick else 3)
    given.no_compile = given.no_compile or given.quick
    given.prefix = shlex.split(given.prefix)
    return given


def main():
    given = parse()
    chosen = [row for row in cases(given.quick) if re.search(given.only, row["name"])]
    if given.named:
        chosen = [row for row in chosen if row["case"]["what"] == "attention" and row["case"]["causal"]
                  and row["case"]["kind"] == "cosformer" and row["case"]["length"] in NAMED_TARGETS[given.named]]
        for row in chosen:
            row["target"] = NAMED_TARGETS[given.named][row["case"]["length"]]
    if given.list:
        print("\n".join(row["name"] for row in chosen))
        return
    if not chosen:
        sys.exit(f"compare_torch.py: error: no case matches '{given.only}'; see --list")
    ours, rivals = Ours(given), [Rival(python, given) for python in given.python]
    if not given.json:
        print_row(HEADER)
        print_row(["---"] * len(HEADER))
    for row in chosen:
        print(row["name"], file=sys.stderr)
        try:
            results = compare(row, ours, rivals, given)
        except Failure as failure:
            sys.exit(f"compare_torch.py: error: {row['name']}: {failure}")
        for result in results:
            print(json.dumps(result), flush=True) if given.json else print_row(table_row(result))


if __name__ == "__main__":
    main()

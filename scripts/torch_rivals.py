#!/usr/bin/env python3
"""What compare_torch.py measures in PyTorch: the same shapes as `cosformer bench`, written as well as a PyTorch user would.

    torch_rivals.py forms '{"what": "attention", "kind": "softmax", "causal": true, ...}'    the ways to write it, as JSON
    torch_rivals.py time  '{... , "form": "sdpa"}'                                           one of them, timed

A form is the way to compute the attention (torch_attention_forms.py), then options after plus signs: "chunked_128", "sdpa+compile",
"state+micro_4". float32.
"""

import argparse
import json
import math
import resource
import statistics
import time

import torch
import torch.nn.functional as F
from torch import nn

from torch_attention_forms import Blocked, Chunked, Cumsum, FastTransformers, Naive, Sdpa, State
from torch_successor_forms import CHUNKS as SUCCESSOR_CHUNKS
from torch_successor_forms import SUCCESSORS

CHUNKS = (64, 128, 256)
# Forms that are asked for by name, in place of the fastest of the others, and the states of every position that each keeps at least.
NAMED_FORMS = {"authors": ("cumsum", 8.0), "fast_transformers": ("fast", 0.0)}
HAS_SDPA = hasattr(F, "scaled_dot_product_attention")
HAS_COMPILE = hasattr(torch, "compile")


def attention_of(case):
    """The callable (q, k, v, heads) of a case's form."""
    name, length, dim, causal = case["form"].split("+")[0], case["length"], case["head_dim"], case["causal"]
    kind, _, number = name.partition("_")
    if kind in SUCCESSORS:
        return SUCCESSORS[kind](length, dim, int(number))
    return {
        "state": lambda: State(length, dim),
        "cumsum": lambda: Cumsum(length, dim),
        "fast": lambda: FastTransformers(length, dim),
        "chunked": lambda: Chunked(length, dim, int(number)),
        "naive": lambda: Naive(length, dim, causal),
        "blocked": lambda: Blocked(length, dim, causal, int(number)),
        "sdpa": lambda: Sdpa(length, dim, causal),
    }[kind]()


def forms(case, compile_too, named):
    """The forms worth trying, each with the bytes that it needs at least."""
    if case["what"] == "product":
        return [{"form": "mm", "least_bytes": 0.0}]
    heads, length, dim, batch = case["heads"], case["length"], case["head_dim"], case["batch"]
    matrix = 4.0 * heads * length * length  # of one sequence, one layer
    saved = 3.0 if case["what"] == "attention" else 2.0 * case["layers"] + 2
    state = 4.0 * heads * length * 2 * dim * dim
    if case["kind"] == "softmax":
        micro = [] if case["what"] == "attention" or case["model"] != "classifier" else [4, 2]
        found = [("naive", saved * matrix * batch), ("blocked_256", 0.7 * saved * matrix * batch)]
        found += [(f"naive+micro_{m}", saved * matrix * m) for m in micro]
        if HAS_SDPA:
            found.append(("sdpa", 0.0))
            found += [(f"sdpa+micro_{m}", 0.0) for m in micro[:1]]
    elif case["kind"] in SUCCESSORS:
        kind = case["kind"]
        found = [(f"{kind}_{chunk}", 0.0) for chunk in SUCCESSOR_CHUNKS[kind] if length % chunk == 0]
    elif case["causal"]:
        found = [(f"chunked_{chunk}", 0.0) for chunk in CHUNKS if length % chunk == 0]
        if named:
            form, states = NAMED_FORMS[named]
            found = [(form, states * state * batch)]
    else:
        found = [("state", 0.0)] + ([("state+micro_4", 0.0)] if case["what"] == "step" else [])
    if compile_too and HAS_COMPILE and not named:
        # Unrolled by compilation, blocks take minutes to compile.
        found += [(f"{name}+compile", least) for name, least in found if not name.startswith(("blocked", "naive+micro"))]
    return [{"form": name, "least_bytes": least} for name, least in found]


class Block(nn.Module):
    """Pre-norm layer."""

    def __init__(self, dim, heads, ffn, attention):
        super().__init__()
        self.attention_norm, self.ffn_norm = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.qkv, self.out = nn.Linear(dim, 3 * dim), nn.Linear(dim, dim)
        self.fc1, self.fc2 = nn.Linear(dim, ffn), nn.Linear(ffn, dim)
        self.heads, self.attention = heads, attention

    def forward(self, x):
        q, k, v = self.qkv(self.attention_norm(x)).chunk(3, -1)
        x = x + self.out(self.attention(q, k, v, self.heads))
        return x + self.fc2(F.gelu(self.fc1(self.ffn_norm(x))))


class Net(nn.Module):
    """A decoder with a tied head and next-token loss, or an encoder that classifies the mean of its tokens."""

    def __init__(self, case, attention):
        super().__init__()
        dim = case["embed_dim"]
        self.classifier = case["model"] == "classifier"
        self.tokens, self.positions = nn.Embedding(case["vocab"], dim), nn.Embedding(case["length"], dim)
        nn.init.normal_(self.tokens.weight, std=dim**-0.5)
        self.blocks = nn.ModuleList(Block(dim, case["heads"], case["ffn"], attention) for _ in range(case["layers"]))
        self.norm = nn.LayerNorm(dim)
        if self.classifier:
            self.head = nn.Sequential(nn.Linear(dim, dim), nn.ReLU(), nn.Linear(dim, case["classes"]))

    def forward(self, ids, targets):
        x = self.tokens(ids) + self.positions.weight
        for block in self.blocks:
            x = block(x)
        x = self.norm(x)
        logits = self.head(x.mean(1)) if self.classifier else F.linear(x, self.tokens.weight)
        return F.cross_entropy(logits.view(-1, logits.shape[-1]), targets.reshape(-1))


def make_adam(parameters):
    """The fastest Adam that this version has on processors."""
    try:
        return torch.optim.Adam(parameters, lr=1e-3, fused=True)
    except (RuntimeError, TypeError):
        return torch.optim.Adam(parameters, lr=1e-3)


def attention_call(case, wrap):
    shape = (case["batch"], case["length"], case["heads"] * case["head_dim"])
    backward = case["pass"] == "forward_backward"
    q, k, v = (torch.randn(shape, requires_grad=backward) for _ in range(3))
    dout = torch.randn(shape)
    operator = wrap(attention_of(case))

    def call():
        if not backward:
            with torch.no_grad():
                operator(q, k, v, case["heads"])
            return
        q.grad = k.grad = v.grad = None
        operator(q, k, v, case["heads"]).backward(dout)

    return call


def product_call(case):
    (a_transposed, b_transposed), m, n, k = case["transposed"], case["m"], case["n"], case["k"]
    a = torch.randn(k, m).t() if a_transposed else torch.randn(m, k)
    b = torch.randn(n, k).t() if b_transposed else torch.randn(k, n)
    c = torch.empty(m, n)
    return lambda: torch.mm(a, b, out=c)


def step_call(case, wrap, options):
    net = Net(case, attention_of(case))
    model = wrap(net)
    adam = make_adam(list(net.parameters()))
    batch = case["batch"]
    micro = next((int(option[6:]) for option in options if option.startswith("micro_")), batch)
    ids = torch.randint(0, case["vocab"], (batch, case["length"]))
    targets = torch.randint(0, case["classes"], (batch,)) if net.classifier else torch.randint(0, case["vocab"], ids.shape)

    def call():
        adam.zero_grad(set_to_none=True)
        for first in range(0, batch, micro):
            (model(ids[first : first + micro], targets[first : first + micro]) * (micro / batch)).backward()
        adam.step()

    return call


def seconds_of(call, repetitions, least_seconds):
    """Median seconds. Three calls do not count: the first may compile, and malloc's heap takes a while to settle."""
    call()
    call()
    begin = time.perf_counter()
    call()
    calls = max(1, math.ceil(least_seconds / (time.perf_counter() - begin)))
    seconds = []
    for _ in range(repetitions):
        begin = time.perf_counter()
        for _ in range(calls):
            call()
        seconds.append((time.perf_counter() - begin) / calls)
    return statistics.median(seconds)


def peak_bytes():
    """The process's largest resident set so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def time_form(case):
    imported = peak_bytes()
    torch.set_num_threads(case["threads"])
    torch.manual_seed(0)
    options = case["form"].split("+")[1:]
    wrap = (lambda f: torch.compile(f, dynamic=False)) if "compile" in options else (lambda f: f)
    if case["what"] == "product":
        call = product_call(case)
    else:
        call = attention_call(case, wrap) if case["what"] == "attention" else step_call(case, wrap, options)
    seconds = seconds_of(call, case["repetitions"], 0.02)
    return {
        "torch": torch.__version__,
        "form": case["form"],
        "milliseconds": 1e3 * seconds,
        "peak_memory_bytes": peak_bytes(),
        "import_memory_bytes": imported,  # what `import torch` alone takes
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("verb", choices=("forms", "time"))
    parser.add_argument("case", type=json.loads, help="a case as JSON, as compare_torch.py makes it")
    parser.add_argument("--compile", action="store_true", help="forms: those of torch.compile too")
    parser.add_argument("--named", choices=sorted(NAMED_FORMS), help="forms: this one instead, causal cosFormer")
    given = parser.parse_args()
    if given.verb == "forms":
        print(json.dumps({"torch": torch.__version__, "forms": forms(given.case, given.compile, given.named)}))
    else:
        print(json.dumps(time_form(given.case)))


if __name__ == "__main__":
    main()

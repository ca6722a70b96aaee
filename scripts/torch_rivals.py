#!/usr/bin/env python3
"""What compare_torch.py measures in PyTorch: the same shapes as `cosformer bench`, written as well as a PyTorch user would.

    torch_rivals.py forms '{"what": "attention", "kind": "softmax", "causal": true, ...}'    the ways to write it, as JSON
    torch_rivals.py time  '{... , "form": "sdpa"}'                                           one of them, timed

A form is the way to compute the attention, then options after plus signs: "chunked_128", "sdpa+compile", "state+micro_4".
Attention runs from projected query, key and value [B, N, H*D] to an output of that shape. float32. Letters: B batch, N length,
H heads, D head_dim, C rows a chunk or block, G chunks.
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

FLOOR = 1e-6  # of the normaliser
CHUNKS = (64, 128, 256)
# Forms that are asked for by name, in place of the fastest of the others, and the states of every position that each keeps at least.
NAMED_FORMS = {"authors": ("cumsum", 8.0), "fast_transformers": ("fast", 0.0)}
HAS_SDPA = hasattr(F, "scaled_dot_product_attention")
HAS_COMPILE = hasattr(torch, "compile")


def split(x, heads):
    """[B, N, H*D] -> [B*H, N, D], as torch.bmm wants it."""
    batch, length, width = x.shape
    return x.view(batch, length, heads, width // heads).transpose(1, 2).reshape(batch * heads, length, width // heads)


def join(x, batch):
    """The way back."""
    rows, length, dim = x.shape
    return x.view(batch, rows // batch, length, dim).transpose(1, 2).reshape(batch, length, rows // batch * dim)


class State:
    """cosFormer, not causal: one sum over keys a head."""

    def __init__(self, length, dim):
        angle = (math.pi / 2 / length) * torch.arange(length, dtype=torch.float32).view(1, length, 1)
        self.cos, self.sin = angle.cos(), angle.sin()

    def features(self, q, k, v, heads):
        """Rotated features of query and key [B*H, N, 2*D], and the value."""
        q, k, v = split(torch.relu(q), heads), split(torch.relu(k), heads), split(v, heads)
        q = torch.cat([q * self.cos, q * self.sin], -1)
        k = torch.cat([k * self.cos, k * self.sin], -1)
        return q, k, v

    def __call__(self, q, k, v, heads):
        q, k, v = self.features(q, k, v, heads)
        out = torch.bmm(q, torch.bmm(k.transpose(1, 2), v))
        normalizer = torch.bmm(q, k.sum(1).unsqueeze(-1)).clamp_min(FLOOR)
        return join(out * normalizer.reciprocal(), q.shape[0] // heads)


class Cumsum(State):
    """cosFormer, causal, as its authors wrote it: the state of every position."""

    def __call__(self, q, k, v, heads):
        q, k, v = self.features(q, k, v, heads)
        states = torch.cumsum(k.unsqueeze(-1) * v.unsqueeze(-2), 1)
        out = torch.matmul(q.unsqueeze(-2), states).squeeze(-2)
        normalizer = (q * torch.cumsum(k, 1)).sum(-1, keepdim=True).clamp_min(FLOOR)
        return join(out / normalizer, q.shape[0] // heads)


class FastTransformers(State):
    """cosFormer, causal, on the C++ of pytorch-fast-transformers (Katharopoulos et al. 2020), used as its CausalLinearAttention does."""

    def __init__(self, length, dim):
        from fast_transformers.causal_product import causal_dot_product  # only where it is asked for

        super().__init__(length, dim)
        self.causal_dot_product = causal_dot_product

    def __call__(self, q, k, v, heads):
        batch = q.shape[0]
        q, k, v = self.features(q, k, v, heads)
        out = self.causal_dot_product(q.unsqueeze(0), k.unsqueeze(0), v.unsqueeze(0)).squeeze(0)
        normalizer = (q * torch.cumsum(k, 1)).sum(-1, keepdim=True).clamp_min(FLOOR)
        return join(out * normalizer.reciprocal(), batch)


class Chunked:
    """cosFormer, causal: quadratic within a chunk, a state between chunks."""

    def __init__(self, length, dim, chunk):
        angle = (math.pi / 2 / length) * torch.arange(length, dtype=torch.float32)
        self.chunk = chunk
        self.cos, self.sin = angle.cos().view(1, length, 1), angle.sin().view(1, length, 1)
        own = angle[:chunk]
        self.weights = torch.tril(torch.cos(own.view(-1, 1) - own.view(1, -1))).unsqueeze(0)

    def __call__(self, q, k, v, heads):
        batch, length, width = q.shape
        dim, chunk, chunks = width // heads, self.chunk, length // self.chunk
        q, k, v = split(torch.relu(q), heads), split(torch.relu(k), heads), split(v, heads)
        rows = q.shape[0]
        fq = torch.cat([q * self.cos, q * self.sin], -1).reshape(rows * chunks, chunk, 2 * dim)
        fk = torch.cat([k * self.cos, k * self.sin], -1).reshape(rows * chunks, chunk, 2 * dim)
        q, k, v = (x.reshape(rows * chunks, chunk, dim) for x in (q, k, v))
        scores = torch.bmm(q, k.transpose(1, 2)) * self.weights
        state = torch.bmm(fk.transpose(1, 2), v).view(rows, chunks, 2 * dim, dim)
        keys = fk.sum(1).view(rows, chunks, 2 * dim)
        # What came before each chunk.
        state = (torch.cumsum(state, 1) - state).view(rows * chunks, 2 * dim, dim)
        keys = (torch.cumsum(keys, 1) - keys).view(rows * chunks, 2 * dim, 1)
        out = torch.baddbmm(torch.bmm(scores, v), fq, state)
        normalizer = scores.sum(-1, keepdim=True) + torch.bmm(fq, keys)
        return join((out * normalizer.clamp_min(FLOOR).reciprocal()).view(rows, length, dim), batch)


class Naive:
    """Softmax with the whole matrix."""

    def __init__(self, length, dim, causal):
        self.mask = torch.full((length, length), float("-inf")).triu(1).unsqueeze(0) if causal else None

    def __call__(self, q, k, v, heads):
        batch, scale = q.shape[0], 1.0 / math.sqrt(q.shape[-1] // heads)
        q, k, v = split(q, heads), split(k, heads), split(v, heads)
        if self.mask is None:
            scores = torch.bmm(q * scale, k.transpose(1, 2))
        else:
            scores = torch.baddbmm(self.mask, q, k.transpose(1, 2), beta=1.0, alpha=scale)
        return join(torch.bmm(torch.softmax(scores, -1), v), batch)


class Blocked:
    """Softmax by blocks of rows, where causal each against the keys up to its end only."""

    def __init__(self, length, dim, causal, block):
        self.block, self.causal = min(block, length), causal
        self.mask = torch.full((self.block, self.block), float("-inf")).triu(1)

    def __call__(self, q, k, v, heads):
        batch, length, width = q.shape
        q, k, v = split(q, heads) * (1.0 / math.sqrt(width // heads)), split(k, heads), split(v, heads)
        blocks = []
        for begin in range(0, length, self.block):
            end = begin + self.block
            seen = end if self.causal else length
            scores = torch.bmm(q[:, begin:end], k[:, :seen].transpose(1, 2))
            if self.causal:
                scores[:, :, begin:end] += self.mask
            blocks.append(torch.bmm(torch.softmax(scores, -1), v[:, :seen]))
        return join(torch.cat(blocks, 1), batch)


class Sdpa:
    """PyTorch's own."""

    def __init__(self, length, dim, causal):
        self.causal = causal

    def __call__(self, q, k, v, heads):
        batch, length, width = q.shape
        q, k, v = (x.view(batch, length, heads, width // heads).transpose(1, 2) for x in (q, k, v))
        out = F.scaled_dot_product_attention(q, k, v, is_causal=self.causal)
        return out.transpose(1, 2).reshape(batch, length, width)


def attention_of(case):
    """The callable (q, k, v, heads) of a case's form."""
    name, length, dim, causal = case["form"].split("+")[0], case["length"], case["head_dim"], case["causal"]
    kind, _, number = name.partition("_")
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

"""Attentions of pytorch_reference.py whose formulas need more than a line: patterns, hashes and synthesized weights.

Positions count from 0. Shapes: B items, H heads, N queries, S keys, D numbers of a head.
"""

import math

import torch
import torch.nn.functional as F

from philox import Random

PATTERNS = ("longformer", "bigbird", "sparse")


def _random_blocks(random, head, row, blocks, options):
    """The blocks that a head draws for the queries of block `row`, of the first `blocks`."""
    side, first = options["bigbird_window_blocks"] // 2, options["bigbird_global_blocks"]
    choices = [c for c in range(first, blocks) if abs(c - row) > side]
    count = min(options["bigbird_random_blocks"], len(choices))
    chosen = []
    for draw, last in enumerate(range(len(choices) - count, len(choices))):  # Floyd's draw without repetition
        drawn = random.below(last + 1, (head << 32) | row, draw)
        chosen.append(last if drawn in chosen else drawn)
    return {choices[c] for c in chosen}


def pattern(kind, options, path, seed, heads, visible, causal):
    """Which keys the queries look at, of those that are `visible` (B, 1, N, S): (B, H, N, S)."""
    B, _, N, S = visible.shape
    i, j = torch.arange(N)[:, None], torch.arange(S)[None, :]
    if kind == "longformer":  # Beltagy et al., 2020
        near, first = (i - j).abs() <= options["longformer_window"], options["longformer_globals"]
        seen = near | (i < first) | (j < first)
    elif kind == "bigbird":  # Zaheer et al., 2020
        size, first = options["bigbird_block_size"], options["bigbird_global_blocks"]
        row, column = i // size, j // size
        near = (row - column).abs() <= options["bigbird_window_blocks"] // 2
        seen = (near | (row < first) | (column < first)).repeat(B, heads, 1, 1)
        random = Random(seed, "bigbird/" + path)
        for b in range(B):
            length = int(visible[b].any(1).sum())  # keys that any query sees: the item's own
            for h in range(heads):
                for n in range(first * size, N):
                    blocks = n // size + 1 if causal else -(-length // size)
                    for block in _random_blocks(random, h, n // size, blocks, options):
                        seen[b, h, n, block * size : (block + 1) * size] = True
    elif options["sparse_pattern"] == "strided":  # Child et al., 2019
        stride = options["sparse_stride"]
        seen = ((i - j).abs() <= stride) | ((i - j) % stride == 0)
    else:  # fixed: head h sees the c keys of each other block that end h c before the block's end
        stride, summary = options["sparse_stride"], options["sparse_summary"]
        part = (torch.arange(heads) % (stride // summary))[:, None, None]
        seen = (i // stride == j // stride) | ((stride - 1 - j % stride) // summary == part)
    return visible & seen


def reformer(options, path, seed, q, v, visible, real):
    """Kitaev et al., 2020: q (B, H, N, D) are queries and, at length 1, keys; real (B, N). The rounds' outputs are weighed by
    their normalisers, the same as one softmax over all rounds."""
    B, H, N, D = q.shape
    rounds, buckets, chunk = options["reformer_rounds"], options["reformer_buckets"], options["reformer_chunk"]
    if buckets < 2 or buckets > 64 or buckets & (buckets - 1) != 0:
        raise ValueError("as many buckets have no reference here")
    random, half = Random(seed, "reformer/" + path), buckets // 2
    numbers = torch.tensor([random.normal(i) for i in range(H * D * rounds * half)], dtype=q.dtype)
    turned = torch.einsum("bhnd,hdrc->bhrnc", q, numbers.view(H, D, rounds, half))
    bucket = torch.cat([turned, -turned], -1).argmax(-1)
    same = bucket[..., :, None] == bucket[..., None, :]  # (B, H, rounds, N, N)
    earlier = torch.ones(N, N).tril(-1).bool() & real[:, None, None, None, :]
    part = (same & earlier).sum(-1) // chunk
    distance = part[..., :, None] - part[..., None, :]
    seen = same & ((distance == 0) | (distance == 1)) & visible[:, :, None]
    k = q / (q.square().sum(-1, keepdim=True) + 1e-12).sqrt()
    lowered = seen.sum(2).clamp(min=1).to(q.dtype).log()
    lowered = torch.where(torch.eye(N).bool(), torch.full_like(lowered, 1e5), lowered)
    blind = ~seen.any(-1)  # (B, H, rounds, N): queries of padding, whose outputs nobody reads
    scores = ((q @ k.transpose(2, 3)) - lowered)[:, :, None].masked_fill(~(seen | blind[..., None]), -math.inf)
    normalizers = scores.logsumexp(-1)
    outputs = torch.exp(scores - normalizers[..., None]) @ v[:, :, None]
    normalizers = normalizers.masked_fill(blind, -1e30)
    return (torch.exp(normalizers - normalizers.logsumexp(2, keepdim=True))[..., None] * outputs).sum(2)


def sinkhorn(options, own, q, k, v, visible, real, causal):
    """Tay et al., ICML 2020, without noise: q, k, v (B, H, N, D), real (B, N). `own` holds sort_weight (H, blocks, D) and
    sort_bias (H, blocks). A query sees its own block, and the block that the sorting puts in its place."""
    B, H, N, D = q.shape
    size = options["sinkhorn_block"]
    blocks = -(-N // size)

    def cut(x):
        """(B, .., N, D) -> (B, .., blocks, size, D), zeros at padding."""
        x = x * real.view(B, *[1] * (x.dim() - 3), N, 1)
        return F.pad(x, (0, 0, 0, blocks * size - N)).unflatten(-2, (blocks, size))

    sums = cut(k).sum(3)
    if causal:
        sums = sums.cumsum(2) - sums
    logits = torch.einsum("bhnd,hmd->bhnm", F.relu(sums), own.sort_weight[:, :blocks]) + own.sort_bias[:, None, :blocks]
    there = cut(torch.ones(B, 1, N, 1, dtype=q.dtype))[:, 0, :, :, 0] > 0  # (B, blocks, size)
    used = there.any(-1)
    counts = used[:, None, :, None] & used[:, None, None, :]
    if causal:
        counts = counts & torch.ones(blocks, blocks).tril(-1).bool()
    hidden = -1e30
    x = (logits / options["sinkhorn_temperature"]).masked_fill(~counts, hidden)
    for _ in range(options["sinkhorn_iterations"]):
        x = (x - x.logsumexp(-1, keepdim=True)).masked_fill(~counts, hidden)
        x = (x - (x.logcumsumexp(-2) if causal else x.logsumexp(-2, keepdim=True))).masked_fill(~counts, hidden)
    weights = torch.exp(x).masked_fill(~counts, 0)
    sorted_k, sorted_v = (torch.einsum("bhnm,bhmsd->bhnsd", weights, cut(y)).flatten(2, 3) for y in (k, v))
    # A place of a sorted block counts if a block that goes into it has a token there.
    sorted_there = (counts[:, 0].to(q.dtype) @ there.to(q.dtype)) > 0  # (B, blocks, size)
    row = torch.arange(N)[:, None] // size
    at_sorted = (row == torch.arange(blocks * size)[None, :] // size) & sorted_there.flatten(1)[:, None]
    at_own = (row == torch.arange(N)[None, :] // size) & visible[:, 0]
    keys, values = torch.cat([sorted_k, k], 2), torch.cat([sorted_v, v], 2)
    seen = torch.cat([at_sorted, at_own], -1)[:, None]
    seen = seen | ~seen.any(-1, keepdim=True)  # queries of padding, whose outputs nobody reads
    return (q @ keys.transpose(2, 3) / math.sqrt(D)).masked_fill(~seen, -math.inf).softmax(-1) @ values


def synthesizer_parameters(options, heads, width, length):
    """Tay et al., 2021: shapes of a synthesizer's parameters by name."""
    first = math.isqrt(length)
    second, rank = -(-length // first), options.get("synthesizer_rank", 8)
    return {
        "dense": {"score_weight": (length, heads * width), "score_bias": (length, heads)},
        "factorized_dense": {"first_weight": (heads, first, width), "first_bias": (heads, first),
                             "second_weight": (heads, second, width), "second_bias": (heads, second)},
        "random": {"scores": (heads, length, length)},
        "factorized_random": {"query_scores": (length, heads * rank), "key_scores": (length, heads * rank)},
    }[options.get("synthesizer", "dense")]


def synthesized_scores(form, own, q, H, N):
    """Scores (B or 1, H, N, N) of queries of which nothing but their own token (q) or position counts. `own` holds the
    parameters."""
    if form == "random":
        return own.scores[None, :, :N, :N]
    if form == "factorized_random":
        queries, keys = (x[:N].view(N, H, -1).transpose(0, 1) for x in (own.query_scores, own.key_scores))
        return (queries @ keys.transpose(1, 2))[None]
    hidden = F.relu(q)
    if form == "dense":
        return torch.einsum("bhnd,lhd->bhnl", hidden, own.score_weight[:N].view(N, H, -1)) + own.score_bias[:N].T[:, None]
    first = torch.einsum("bhnd,hfd->bhnf", hidden, own.first_weight) + own.first_bias[:, None]
    second = torch.einsum("bhnd,hfd->bhnf", hidden, own.second_weight) + own.second_bias[:, None]
    j = torch.arange(N)
    return first[..., j % first.shape[-1]] * second[..., j // first.shape[-1]]

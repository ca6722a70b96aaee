"""Attention in PyTorch, written in every way that a user might: what torch_rivals.py times.

Each form runs from projected query, key and value [B, N, H*D] to an output of that shape. float32. Letters: B batch, N length, H heads,
D head_dim, C rows a chunk or block, G chunks.
"""

import math

import torch
import torch.nn.functional as F

FLOOR = 1e-6  # of the normaliser


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

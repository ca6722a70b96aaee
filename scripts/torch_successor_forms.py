"""What came after cosFormer in PyTorch, in the chunked forms of the papers: what torch_rivals.py times beside our kinds.

Each form runs from projected query, key and value [B, N, H*D] to an output of that shape, heads not yet normed, as `cosformer bench
attention` does; what a kind learns is a parameter, and a layer's input x [B, N, H*D] is one of its own. float32. Letters: B batch, N
length, H heads, D head_dim, C rows of a chunk, G chunks.
"""

import torch
import torch.nn.functional as F
from torch import nn

from torch_attention_forms import join, split


class Form:
    """What all have: chunks of heads [B*H, G, C, D], and the way back."""

    def __init__(self, length, dim, chunk):
        self.length, self.dim, self.chunk = length, dim, chunk
        self.lower = torch.tril(torch.ones(chunk, chunk))
        self.x = None

    def chunks(self, x, heads):
        return split(x, heads).reshape(-1, self.length // self.chunk, self.chunk, x.shape[2] // heads)

    def input(self, q):
        """The layer's input, made at the first call."""
        if self.x is None:
            self.x = torch.randn_like(q).detach().requires_grad_(True)
            self.start(q.shape[2])
        return self.x

    def start(self, width):
        """Makes the parameters for an input of this width."""

    def back(self, out, batch):
        return join(out.reshape(out.shape[0], self.length, -1), batch)


class Retention(Form):
    """Sun et al., 2023: one decay for each head."""

    def __call__(self, q, k, v, heads):
        batch, chunk, groups = q.shape[0], self.chunk, self.length // self.chunk
        decay = torch.log1p(-(2.0 ** (-5 - torch.arange(heads)))).repeat(batch).view(-1, 1, 1)
        place = torch.arange(chunk, dtype=torch.float32)
        inner = (torch.exp(decay * (place[:, None] - place[None, :])) * self.lower).unsqueeze(1)
        before, behind = torch.exp(decay * (place + 1)).unsqueeze(-1), torch.exp(decay * (chunk - 1 - place)).unsqueeze(-1)
        q, k, v = (self.chunks(x, heads) for x in (q, k, v))
        states = (k * behind).transpose(2, 3) @ v
        group = torch.arange(groups, dtype=torch.float32)
        between = torch.exp(decay * chunk * (group[:, None] - group[None, :] - 1)) * torch.tril(torch.ones(groups, groups), -1)
        states = (between @ states.flatten(2)).view_as(states)
        return self.back(((q @ k.transpose(2, 3)) * inner) @ v + (q * before) @ states, batch)


class Cosformer2(Form):
    """A learned cosine for each channel."""

    def start(self, width):
        self.theta = nn.Parameter(10000.0 ** (-2 * torch.arange(width, dtype=torch.float32) / width))

    def features(self, x, heads):
        angle = torch.arange(self.length, dtype=torch.float32)[:, None] * self.theta
        x = F.silu(x)
        return torch.cat([self.chunks(x * angle.cos(), heads), self.chunks(x * angle.sin(), heads)], -1)

    def __call__(self, q, k, v, heads):
        batch = q.shape[0]
        self.input(q)
        q, k, v = self.features(q, heads), self.features(k, heads), self.chunks(v, heads)
        states = k.transpose(2, 3) @ v
        states = torch.cumsum(states, 1) - states
        return self.back(((q @ k.transpose(2, 3)) * self.lower) @ v + q @ states, batch)


class Gated(Form):
    """Yang et al., 2024: a decay for each channel and token."""

    def start(self, width):
        self.down, self.up = nn.Linear(width, 16, bias=False), nn.Linear(16, width)

    def __call__(self, q, k, v, heads):
        batch, x = q.shape[0], self.input(q)
        logs = self.chunks(F.logsigmoid(self.up(self.down(x))) / 16, heads).cumsum(2)
        q, k, v = self.chunks(q, heads) * self.dim**-0.5, self.chunks(k, heads), self.chunks(v, heads)
        last = logs[:, :, -1:]
        faded = q * logs.exp()
        out = ((faded @ (k * (-logs).exp()).transpose(2, 3)) * self.lower) @ v
        added, kept = (k * (last - logs).exp()).transpose(2, 3) @ v, last.exp().transpose(2, 3)
        state, parts = torch.zeros_like(added[:, 0]), []
        for g in range(added.shape[1]):
            parts.append(faded[:, g] @ state)
            state = kept[:, g] * state + added[:, g]
        return self.back(out + torch.stack(parts, 1), batch)


class Delta(Form):
    """Yang et al., NeurIPS 2024: corrections by a triangular system in each chunk."""

    proj = None

    def __call__(self, q, k, v, heads):
        batch, x = q.shape[0], self.input(q)
        if self.proj is None:
            self.proj = nn.Linear(q.shape[2], heads, bias=False)
        beta = torch.sigmoid(self.proj(x)).transpose(1, 2).reshape(-1, self.length // self.chunk, self.chunk, 1)
        q, k, v = self.chunks(F.silu(q), heads), self.chunks(F.silu(k), heads), self.chunks(v, heads)
        q, k = F.normalize(q, dim=-1) * self.dim**-0.5, F.normalize(k, dim=-1)
        system = torch.eye(self.chunk) + beta * (k @ k.transpose(2, 3)) * torch.tril(self.lower, -1)
        solved = torch.linalg.solve_triangular(system, beta * torch.cat([k, v], -1), upper=False, unitriangular=True)
        w, u = solved.split(self.dim, -1)
        scores = (q @ k.transpose(2, 3)) * self.lower
        state, parts = torch.zeros_like(k[:, 0].transpose(1, 2) @ u[:, 0]), []
        for g in range(w.shape[1]):
            corrections = u[:, g] - w[:, g] @ state
            parts.append(q[:, g] @ state + scores[:, g] @ corrections)
            state = state + k[:, g].transpose(1, 2) @ corrections
        return self.back(torch.stack(parts, 1), batch)


SUCCESSORS = {"retention": Retention, "cosformer2": Cosformer2, "gated": Gated, "delta": Delta}
CHUNKS = {"retention": (64, 128, 256), "cosformer2": (64, 128, 256), "gated": (16, 32, 64), "delta": (32, 64, 128)}

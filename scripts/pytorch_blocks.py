"""The blocks around the attention of pytorch_reference.py: positions, norms, a short convolution, activations."""

import math

import torch
import torch.nn.functional as F
from torch import nn


def sinusoidal_positions(length, embed_dim):
    half = embed_dim // 2
    frequencies = torch.exp(torch.arange(half, dtype=torch.float64) * (-math.log(10000.0) / max(half - 1, 1)))
    angles = torch.arange(length, dtype=torch.float64)[:, None] * frequencies[None, :]
    return torch.cat([angles.sin(), angles.cos()], dim=1)


class RmsNorm(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(dim))

    def forward(self, x):
        return x / torch.sqrt((x * x).mean(-1, keepdim=True) + 1e-5) * self.weight


def make_norm(model):
    if model.get("norm_kind", "layer") == "rms":
        return RmsNorm(model["embed_dim"])
    return nn.LayerNorm(model["embed_dim"], bias=model.get("bias", True))


class ShortConvolution(nn.Module):
    def __init__(self, width, taps):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(width, taps))

    def forward(self, x):
        """(B, N, width)"""
        width, taps = self.weight.shape
        padded = F.pad(x.transpose(1, 2), (taps - 1, 0))
        return F.conv1d(padded, self.weight[:, None, :], groups=width).transpose(1, 2)


def rotate(x):
    """(B, H, N, D), at positions 0, 1, ..."""
    N, D = x.shape[2:]
    angles = torch.arange(N, dtype=x.dtype)[:, None] * 10000.0 ** (-2 * torch.arange(D // 2, dtype=x.dtype) / D)
    left, right = x[..., : D // 2], x[..., D // 2 :]
    return torch.cat([left * angles.cos() - right * angles.sin(), right * angles.cos() + left * angles.sin()], dim=-1)


def distance_slopes(heads):
    """ALiBi's, (heads,)."""
    power = 2 ** int(math.log2(heads))
    slopes = [2.0 ** (-8 * (h + 1) / power) for h in range(power)]
    return torch.tensor(slopes + [2.0 ** (-4 * (2 * h + 1) / power) for h in range(heads - power)], dtype=torch.float64)


FUNCTIONS = {"identity": lambda x: x, "relu": F.relu, "silu": F.silu, "gelu": F.gelu, "sigmoid": torch.sigmoid,
             "elu": lambda x: F.elu(x) + 1}

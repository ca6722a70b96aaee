"""The attention of modeling_cosformer.py, and the small parts that it shares with the rest of the model."""

import math

import torch
import torch.nn.functional as F
from torch import nn

CHUNK = 64
SMALLEST_SUM = 1e-6

FUNCTIONS = {
    "identity": lambda x: x,
    "leaky_relu": lambda x: F.leaky_relu(x, 0.01),
    "relu": F.relu,
    "squared_relu": lambda x: F.relu(x).square(),
    "elu": lambda x: F.elu(x) + 1,
    "gelu": F.gelu,
    "gelu_tanh": lambda x: F.gelu(x, approximate="tanh"),
    "silu": F.silu,
    "sigmoid": torch.sigmoid,
}


class RmsNorm(nn.Module):
    def __init__(self, dim, eps):
        super().__init__()
        self.weight, self.eps = nn.Parameter(torch.ones(dim)), eps

    def forward(self, x):
        return x * torch.rsqrt(x.square().mean(-1, keepdim=True) + self.eps) * self.weight


def make_norm(model):
    if model["norm_kind"] == "rms":
        return RmsNorm(model["embed_dim"], model["norm_eps"])
    return nn.LayerNorm(model["embed_dim"], eps=model["norm_eps"], bias=model["bias"])


class ShortConvolution(nn.Module):
    """y_t = sum_d w_(K-1-d) x_(t-d) of each channel."""

    def __init__(self, width, taps):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(width, taps))

    def forward(self, x, state, name):
        """x (B, N, width); the last tokens before it are kept in `state`."""
        width, taps = self.weight.shape
        before = x.new_zeros(x.shape[0], taps - 1, width) if name not in state else state[name]
        longer = torch.cat([before, x], 1)
        state[name] = longer[:, longer.shape[1] - (taps - 1) :]
        return F.conv1d(longer.transpose(1, 2), self.weight[:, None], groups=width).transpose(1, 2)


class HedgehogMap(nn.Module):
    """(B, H, N, D) -> (B, H, N, 2F): [softmax(W x), softmax(-W x)] with a W of each head."""

    def __init__(self, heads, features, dim):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(heads, features, dim))

    def forward(self, x):
        x = x @ self.weight.transpose(1, 2)
        return torch.cat([x.softmax(-1), (-x).softmax(-1)], -1)


def rotate(x, first, theta):
    """(B, H, N, D) at positions first, first + 1, ..."""
    N, D = x.shape[2:]
    positions = torch.arange(first, first + N, dtype=torch.float64, device=x.device)
    steps = float(theta) ** (-2 * torch.arange(D // 2, dtype=torch.float64, device=x.device) / D)
    angles = positions[:, None] * steps
    cos, sin = angles.cos().to(x.dtype), angles.sin().to(x.dtype)
    left, right = x[..., : D // 2], x[..., D // 2 :]
    return torch.cat([left * cos - right * sin, right * cos + left * sin], -1)


class Attention(nn.Module):
    def __init__(self, config, number):
        super().__init__()
        model, options = config.model, config.attention_layers[number % len(config.attention_layers)]
        self.formula, self.options = options["formula"], options
        if self.formula not in ("softmax", "window", "linear"):
            raise ValueError(f"an attention of the formula {self.formula!r} is not known here")
        dim, bias = model["embed_dim"], model["bias"]
        self.heads, self.head_dim = model["num_heads"], dim // model["num_heads"]
        shared = model["num_kv_heads"]
        self.kv_heads = self.heads if shared == "auto" else shared
        kv_dim = self.kv_heads * self.head_dim
        self.theta = model["rope_theta"] if model["positions"] == "rope" else None
        self.q_proj, self.out_proj = nn.Linear(dim, dim, bias=bias), nn.Linear(dim, dim, bias=bias)
        self.k_proj, self.v_proj = nn.Linear(dim, kv_dim, bias=bias), nn.Linear(dim, kv_dim, bias=bias)
        self.taps = options["short_convolution"]
        if self.taps > 0:
            self.q_convolution = ShortConvolution(dim, self.taps)
            self.k_convolution = ShortConvolution(kv_dim, self.taps)
            self.v_convolution = ShortConvolution(kv_dim, self.taps)
        self.is_linear = self.formula == "linear"
        if self.is_linear and options["feature_map"] == "hedgehog":
            given = options["num_features"]
            features = int(self.head_dim * math.log(self.head_dim)) if given == "d_log_d" else given or self.head_dim
            self.feature_map_q = HedgehogMap(self.heads, features, self.head_dim)
            self.feature_map_k = HedgehogMap(self.heads, features, self.head_dim)
        if self.is_linear and options["normalization"] == "rms":
            self.head_norm = RmsNorm(self.head_dim, 1e-5)
        if options["output_gate"] != "none":
            self.gate_proj = nn.Linear(dim, dim, bias=bias)

    def forward(self, x, state, first):
        """x (B, N, E) at positions first, first + 1, ... -> (B, N, E); `state` is a dict that is brought up to date."""
        B, N, E = x.shape
        q, k, v = self.q_proj(x), self.k_proj(x), self.v_proj(x)
        if self.taps > 0:
            q = self.q_convolution(q, state, "q_tail")
            k, v = self.k_convolution(k, state, "k_tail"), self.v_convolution(v, state, "v_tail")
        q = q.view(B, N, self.heads, self.head_dim).transpose(1, 2)
        k, v = (y.view(B, N, self.kv_heads, self.head_dim).transpose(1, 2) for y in (k, v))
        if self.theta is not None:
            q, k = rotate(q, first, self.theta), rotate(k, first, self.theta)
        k, v = (y.repeat_interleave(self.heads // self.kv_heads, 1) for y in (k, v))
        heads = self.linear(q, k, v, state, first) if self.is_linear else self.softmax(q, k, v, state, first)
        if hasattr(self, "head_norm"):
            heads = self.head_norm(heads)
        heads = heads.transpose(1, 2).reshape(B, N, E)
        if hasattr(self, "gate_proj"):
            heads = heads * FUNCTIONS[self.options["output_gate"]](self.gate_proj(x))
        return self.out_proj(heads)

    def linear(self, q, k, v, state, first):
        """Chunk by chunk: pairs within a chunk by a product of queries and keys, all earlier keys by their sums."""
        feature_map = self.options["feature_map"]
        if feature_map == "hedgehog":
            q, k = self.feature_map_q(q), self.feature_map_k(k)
        else:
            q, k = FUNCTIONS[feature_map](q), FUNCTIONS[feature_map](k)
        B, H, N, _ = q.shape
        decay = None
        if self.options["reweighting"] == "cos":
            step = math.pi / (2 * self.options["reweighting_length"])
            angles = torch.arange(first, first + N, dtype=torch.float64, device=q.device)[:, None] * step
            cos, sin = angles.cos().to(q.dtype), angles.sin().to(q.dtype)
            q, k = torch.cat([q * cos, q * sin], -1), torch.cat([k * cos, k * sin], -1)
        elif self.options["reweighting"] == "decay":
            given = self.options["decay"]
            decay = [given or 1 - 2.0 ** (-5 - head) for head in range(H)]
            decay = torch.tensor(decay, dtype=q.dtype, device=q.device)[:, None, None]
        values = state.get("values", q.new_zeros(B, H, q.shape[3], v.shape[3]))
        keys = state.get("keys", q.new_zeros(B, H, q.shape[3], 1))
        outputs = []
        for begin in range(0, N, CHUNK):
            own_q, own_k, own_v = (y[:, :, begin : begin + CHUNK] for y in (q, k, v))
            size = own_q.shape[2]
            scores = (own_q @ own_k.transpose(2, 3)).tril()
            if decay is not None:
                t = torch.arange(size, dtype=q.dtype, device=q.device)
                scores = scores * decay ** (t[:, None] - t).clamp(min=0)
                own_q = own_q * decay ** (t[:, None] + 1)
                own_k = own_k * decay ** (size - 1 - t[:, None])
            output = scores @ own_v + own_q @ values
            if not hasattr(self, "head_norm"):
                total = scores.sum(-1, keepdim=True) + own_q @ keys
                sign = torch.where(total < 0, -1.0, 1.0).to(total.dtype)
                output = output / (sign * total.abs().clamp(min=SMALLEST_SUM))
            outputs.append(output)
            if decay is not None:
                values, keys = values * decay**size, keys * decay**size
            values = values + own_k.transpose(2, 3) @ own_v
            keys = keys + own_k.sum(2)[..., None]
        state["values"], state["keys"] = values, keys
        return torch.cat(outputs, 2)

    def softmax(self, q, k, v, state, first):
        if "k" in state:
            k, v = torch.cat([state["k"], k], 2), torch.cat([state["v"], v], 2)
        state["k"], state["v"] = k, v
        dropout = self.options["dropout"] if self.training else 0.0
        if first == 0 and self.formula != "window":
            return F.scaled_dot_product_attention(q, k, v, is_causal=True, dropout_p=dropout)
        distance = torch.arange(first, k.shape[2], device=q.device)[:, None] - torch.arange(k.shape[2], device=q.device)
        visible = distance >= 0
        if self.formula == "window":
            visible &= distance <= self.options["window"]
        return F.scaled_dot_product_attention(q, k, v, attn_mask=visible, dropout_p=dropout)

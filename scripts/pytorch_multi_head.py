"""Multi-head attention of pytorch_reference.py, of every kind: what the formulas are is said there."""

import math

import torch
import torch.nn.functional as F
from torch import nn

from philox import Random
from pytorch_attention import PATTERNS, pattern, reformer, sinkhorn, synthesized_scores, synthesizer_parameters
from pytorch_blocks import FUNCTIONS, RmsNorm, ShortConvolution, distance_slopes, rotate


def random_directions(seed, path, heads, count, dim):
    """The first draw of a layer's directions, (heads, count, dim): normal vectors of the stream "favor/" + path, made
    orthogonal in blocks of dim; each keeps its length."""
    random = Random(seed, "favor/" + path)
    rows = []
    for row in range(heads * count):
        w = [random.normal(row, i) for i in range(dim)]
        w = torch.tensor(w, dtype=torch.float64)
        length = w.norm()
        for earlier in rows[row - row % count % dim :]:
            w = w - (earlier @ w) / (earlier @ earlier) * earlier
        rows.append(w * length / w.norm())
    return torch.stack(rows).view(heads, count, dim)


class Attention(nn.Module):
    """`place` is "encoder", "self" (of a decoder, causal) or "cross"; `number` is that of the layer, from 0."""

    def __init__(self, config, place, number=0):
        super().__init__()
        dim, attention, causal = config["model"]["embed_dim"], config["attention"], place == "self"
        self.num_heads, self.causal, self.options = config["model"]["num_heads"], causal, attention
        self.kind = attention.get(place, "auto")
        if self.kind == "auto":
            pattern = attention.get("layers", []) if place != "cross" else []
            self.kind = pattern[number % len(pattern)] if pattern else attention["kind"]
        self.length = attention.get("reweighting_length", "auto")
        if place == "self" and attention.get("self_reweighting_length", "auto") != "auto":
            self.length = attention["self_reweighting_length"]
        if place == "cross" and attention.get("cross_reweighting", "fixed_length") == "fixed_length":
            self.length = attention.get("cross_reweighting_length", "auto")
            if self.length == "auto":
                self.length = attention.get("reweighting_length", "auto")
            if self.length == "auto":
                self.length = config.get("task", {}).get("seq_len") or config["model"]["max_length"]
        self.own_lengths = place == "cross" and attention.get("cross_reweighting") == "own_lengths"
        if self.kind not in ("softmax", "softmax_materialized", "cosformer", "linear", "gated", "linformer", "nystrom", "rfa",
                             "cosformer2", "delta", "gated_delta", "transnormer", "diagonal", "reformer", "sinkhorn", "synthesizer", "hedgehog", *PATTERNS):
            raise ValueError(f"attention.kind = '{self.kind}' has no reference here")
        if self.length == "auto" and causal:
            self.length = config.get("task", {}).get("seq_len") or config["model"]["max_length"]
        model = config["model"]
        bias, self.kv_heads = model.get("bias", True), model.get("num_kv_heads", self.num_heads)
        kv_dim = dim // self.num_heads * self.kv_heads
        self.form = attention.get("synthesizer", "dense")
        # What a kind does not read has no projection.
        self.reads_key = self.kind not in ("reformer", "synthesizer")
        self.reads_query = self.kind != "synthesizer" or self.form in ("dense", "factorized_dense")
        if self.reads_query:
            self.q_proj = nn.Linear(dim, dim, bias=bias)
        if self.reads_key:
            self.k_proj = nn.Linear(dim, kv_dim, bias=bias)
        self.v_proj, self.out_proj = nn.Linear(dim, kv_dim, bias=bias), nn.Linear(dim, dim, bias=bias)
        self.rotary = model.get("positions") == "rope" and place != "cross"
        self.alibi = model.get("positions") == "alibi" and place != "cross"
        self.feature_map, self.reweighting = attention.get("feature_map", "relu"), attention.get("reweighting", "none")
        self.normalization, self.output_gate = attention.get("normalization", "sum"), attention.get("output_gate", "none")
        self.normed = self.normalization == "rms" and self.kind in ("linear", "cosformer", "gated", "delta",
                                                                            "gated_delta")
        self.normed = self.normed or self.kind in ("cosformer2", "transnormer")
        if self.normed:
            self.head_norm = RmsNorm(dim // self.num_heads)
        if self.output_gate != "none":
            self.gate_proj = nn.Linear(dim, dim, bias=bias)
        self.convolves = place == "self" and attention.get("short_convolution", 0) > 0
        if self.convolves:
            taps = attention["short_convolution"]
            self.q_convolution = ShortConvolution(dim, taps)
            self.k_convolution, self.v_convolution = ShortConvolution(kv_dim, taps), ShortConvolution(kv_dim, taps)
        self.path, self.seed = "", config.get("train", {}).get("seed", 1)  # what random numbers belong to
        if self.kind == "synthesizer":
            heads = self.num_heads
            for name, shape in synthesizer_parameters(attention, heads, dim // heads, config["model"]["max_length"]).items():
                setattr(self, name, nn.Parameter(torch.zeros(shape)))
        if self.kind == "sinkhorn":
            heads, blocks = self.num_heads, -(-config["model"]["max_length"] // attention["sinkhorn_block"])
            self.sort_weight = nn.Parameter(torch.zeros(heads, blocks, dim // heads))
            self.sort_bias = nn.Parameter(torch.zeros(heads, blocks))
        if self.kind == "gated":
            self.gate_down, self.gate_up = nn.Linear(dim, 16, bias=False), nn.Linear(16, dim)
        if self.kind == "cosformer2":
            self.theta = nn.Parameter(torch.zeros(self.num_heads, dim // self.num_heads))
        if self.kind in ("delta", "gated_delta"):
            self.beta_proj = nn.Linear(dim, self.num_heads, bias=False)
        if self.kind == "gated_delta":
            self.decay_proj = nn.Linear(dim, self.num_heads, bias=False)
            self.decay_rate, self.decay_bias = (nn.Parameter(torch.zeros(self.num_heads)) for _ in range(2))
        if self.kind == "linformer":
            shape = (config["model"]["max_length"], attention["projected_length"])
            self.key_projection, self.value_projection = nn.Parameter(torch.zeros(shape)), nn.Parameter(torch.zeros(shape))
        if self.kind == "nystrom":
            self.num_landmarks, self.iterations = attention["num_landmarks"], attention["pinv_iterations"]
            self.conv = nn.Module()
            self.conv.weight = nn.Parameter(torch.zeros(self.num_heads, attention["conv_kernel_size"]))
        self.learned = self.kind == "hedgehog" or (self.kind == "linear" and self.feature_map == "hedgehog")
        if self.learned:
            shape = (self.num_heads, attention.get("num_features", 0) or dim // self.num_heads, dim // self.num_heads)
            self.feature_map_q, self.feature_map_k = nn.Module(), nn.Module()
            self.feature_map_q.weight, self.feature_map_k.weight = (nn.Parameter(torch.zeros(shape)) for _ in range(2))
        if self.kind == "rfa":
            self.feature_kind = attention["feature_kind"]
            self.num_features = attention["num_features"] or dim // self.num_heads
            self.sigma = nn.Parameter(torch.ones(self.num_heads, dim // self.num_heads))
            if attention.get("recency_gate", False):
                self.gate = nn.Linear(dim, self.num_heads)

    def forward(self, query, memory, query_lengths, memory_lengths):
        """query (B, N, E), memory (B, S, E), lengths (B,) -> (B, N, E)."""
        B, N, E = query.shape
        S, H = memory.shape[1], self.num_heads
        q = self.q_proj(query) if self.reads_query else None
        k, v = self.k_proj(memory) if self.reads_key else None, self.v_proj(memory)
        if self.convolves:
            q, k, v = self.q_convolution(q), self.k_convolution(k), self.v_convolution(v)
        q = q.view(B, N, H, E // H).transpose(1, 2) if self.reads_query else None
        k, v = (None if x is None else x.view(B, S, self.kv_heads, E // H).transpose(1, 2) for x in (k, v))
        if self.rotary:
            q, k = rotate(q), rotate(k)
        k, v = (None if x is None else x.repeat_interleave(H // self.kv_heads, dim=1) for x in (k, v))
        i, j = torch.arange(1, N + 1)[:, None], torch.arange(1, S + 1)[None, :]
        visible = (j <= memory_lengths[:, None, None]).expand(B, N, S)[:, None]
        if self.causal:
            visible = visible & (j <= i)
        if self.kind == "cosformer":
            M = torch.maximum(query_lengths, memory_lengths) if self.length == "auto" else torch.full((B,), self.length)
            share = (i - j).to(q.dtype) / M.to(q.dtype)[:, None, None]
            if self.own_lengths:
                share = i / query_lengths.to(q.dtype)[:, None, None] - j / memory_lengths.to(q.dtype)[:, None, None]
            angle = math.pi / 2 * share[:, None]
            scores = (F.relu(q) @ F.relu(k).transpose(2, 3)) * torch.cos(angle) * visible
            weights = self.divided(scores)
        elif self.kind in ("linear", "hedgehog"):
            if self.learned:
                q, k = (self.two_sided(x, m.weight) for x, m in ((q, self.feature_map_q), (k, self.feature_map_k)))
            feature = FUNCTIONS["identity" if self.learned else self.feature_map]
            decay = 1 - 2.0 ** (-5 - torch.arange(H, dtype=q.dtype)) if self.reweighting == "decay" else torch.ones(H, dtype=q.dtype)
            scores = feature(q) @ feature(k).transpose(2, 3) * decay[:, None, None] ** (i - j).abs() * visible
            weights = self.divided(scores)
        elif self.kind == "gated":
            z = self.gate_up(self.gate_down(memory)).view(B, S, H, E // H).transpose(1, 2)
            return self.join(self.gated(q, k, v, z, memory_lengths), query)
        elif self.kind == "nystrom":
            items = [self.nystrom(*(x[b, :, : memory_lengths[b]] for x in (q, k, v))) for b in range(B)]
            heads = torch.stack([F.pad(item, (0, 0, 0, N - item.shape[1])) for item in items])
            return self.join(heads, query)
        elif self.kind == "rfa":
            weights = (self.unit_features(q) @ self.unit_features(k).transpose(2, 3)) * visible
            if hasattr(self, "gate"):
                gate = self.gate(memory).transpose(1, 2)[:, :, None]  # (B, H, 1, S)
                real = (j <= memory_lengths[:, None, None])[:, None]
                logs = torch.where(real, F.logsigmoid(gate), torch.zeros_like(gate)).cumsum(3)
                later = torch.where(visible, logs.transpose(2, 3) - logs, torch.zeros_like(logs))
                weights = weights * torch.exp(later) * torch.sigmoid(-gate)
            weights = weights / weights.sum(-1, keepdim=True).clamp(min=0.1)
        elif self.kind == "cosformer2":
            angle = (i - j).to(q.dtype)[None, :, :, None] * self.theta[:, None, None, :]
            weights = torch.einsum("bhid,bhjd,hijd->bhij", F.silu(q), F.silu(k), angle.cos()) * visible
        elif self.kind == "transnormer":
            weights = FUNCTIONS["elu"](q) @ FUNCTIONS["elu"](k).transpose(2, 3) * visible
        elif self.kind in ("delta", "gated_delta"):
            beta = torch.sigmoid(self.beta_proj(memory)).transpose(1, 2)
            alpha = torch.ones_like(beta)
            if self.kind == "gated_delta":
                logs = -torch.exp(self.decay_rate) * F.softplus(self.decay_proj(memory) + self.decay_bias)
                alpha = torch.exp(logs).transpose(1, 2)
            return self.join(self.delta(q, k, v, beta, alpha, memory_lengths), query)
        elif self.kind == "linformer":
            real = (j <= memory_lengths[:, None, None])[:, None].to(q.dtype).transpose(2, 3)
            keys, values = ((x * real).transpose(2, 3) @ p[:S] for x, p in ((k, self.key_projection), (v, self.value_projection)))
            weights, v = (q @ keys / math.sqrt(E // H)).softmax(-1), values.transpose(2, 3)
        elif self.kind == "reformer":
            out = reformer(self.options, self.path, self.seed, q, v, visible, (j <= memory_lengths[:, None]))
            return self.join(out, query)
        elif self.kind == "sinkhorn":
            out = sinkhorn(self.options, self, q, k, v, visible, (j <= memory_lengths[:, None]), self.causal)
            return self.join(out, query)
        elif self.kind == "synthesizer":
            scores = synthesized_scores(self.form, self, q, H, N)
            weights = scores.masked_fill(~visible, -math.inf).softmax(-1)
        else:
            if self.kind in PATTERNS:
                visible = pattern(self.kind, self.options, self.path, self.seed, H, visible, self.causal)
            if self.kind == "diagonal":
                size = self.options["diagonal_block"]
                # What pads a text sees itself, if it has nothing else in its block.
                visible = (visible & ((i - 1) // size == (j - 1) // size)) | (i == j)
            scores = q @ k.transpose(2, 3) / math.sqrt(E // H)
            if self.alibi:
                scores = scores - distance_slopes(H).to(q.dtype)[:, None, None] * (i - j).abs()
            weights = scores.masked_fill(~visible, -math.inf).softmax(-1)
        return self.join(weights @ v, query)

    @staticmethod
    def two_sided(x, weight):
        """x (B, H, N, D), weight (H, F, D) -> (B, H, N, 2F)."""
        x = torch.einsum("bhnd,hfd->bhnf", x, weight)
        return torch.cat([x.softmax(-1), (-x).softmax(-1)], -1)

    def divided(self, scores):
        return scores if self.normed else scores / scores.sum(-1, keepdim=True).clamp(min=1e-6)

    def join(self, heads, query):
        """Heads (B, H, N, D) of the layer's input -> (B, N, E)."""
        heads = (self.head_norm(heads) if self.normed else heads).transpose(1, 2).flatten(2)
        if self.output_gate != "none":
            heads = heads * FUNCTIONS[self.output_gate](self.gate_proj(query))
        return self.out_proj(heads)

    def unit_features(self, x):
        """(B, H, N, D) -> (B, H, N, features)."""
        directions = random_directions(self.seed, self.path, x.shape[1], self.num_features, x.shape[3]).to(x.dtype)
        unit = x / (x.norm(dim=-1, keepdim=True) + 1e-3) * self.sigma[:, None]
        products = unit @ directions.transpose(1, 2)
        features = products.relu() if self.feature_kind == "arccos" else torch.cat([products.sin(), products.cos()], -1)
        return features / math.sqrt(self.num_features)

    def nystrom(self, q, k, v):
        """One text without padding; all (H, N, D)."""
        N, D, m = q.shape[1], q.shape[2], self.num_landmarks
        taps = self.conv.weight.shape[1]
        filtered = F.conv2d(v[None], self.conv.weight[:, None, :, None], padding=(taps // 2, 0), groups=v.shape[0])[0]
        if N <= m:
            return (q @ k.transpose(1, 2) / math.sqrt(D)).softmax(-1) @ v + filtered
        segment = torch.div((torch.arange(N) + 1) * m - 1, N, rounding_mode="floor")
        means = F.one_hot(segment, m).to(q.dtype).T
        means = means / means.sum(1, keepdim=True)
        landmarks_q, landmarks_k = means @ q, means @ k
        read, between, write = ((a @ b.transpose(1, 2) / math.sqrt(D)).softmax(-1) for a, b in (
            (q, landmarks_k), (landmarks_q, landmarks_k), (landmarks_q, k)))
        inverse = between.transpose(1, 2) / between.sum(1).amax(1)[:, None, None]
        identity = torch.eye(m, dtype=q.dtype)
        for _ in range(self.iterations):
            x = between @ inverse
            inverse = inverse @ (13 * identity - x @ (15 * identity - x @ (7 * identity - x))) / 4
        return read @ inverse @ (write @ v) + filtered

    @staticmethod
    def delta(q, k, v, beta, alpha, lengths):
        """Token by token; all (B, H, N, D), beta and alpha (B, H, N)."""
        B, H, N, D = q.shape
        q, k = (F.silu(x) / torch.sqrt((F.silu(x) ** 2).sum(-1, keepdim=True) + 1e-6 * D) for x in (q, k))
        state, outputs = torch.zeros(B, H, D, D, dtype=q.dtype), []
        for t in range(N):
            real = (t < lengths)[:, None]
            share = (beta[:, :, t] * real)[:, :, None]
            state = torch.where(real, alpha[:, :, t], torch.ones_like(alpha[:, :, t]))[:, :, None, None] * state
            error = v[:, :, t] - (k[:, :, t, :, None] * state).sum(2)
            state = state + k[:, :, t, :, None] * (share * error)[:, :, None, :]
            outputs.append((q[:, :, t, :, None] * state).sum(2) / math.sqrt(D))
        return torch.stack(outputs, 2)

    @staticmethod
    def gated(q, k, v, z, lengths):
        """Token by token; all (B, H, N, D). What is padded changes nothing."""
        B, H, N, D = q.shape
        state, outputs = torch.zeros(B, H, D, D, dtype=q.dtype), []
        for t in range(N):
            real = (t < lengths)[:, None, None, None]
            next_state = torch.sigmoid(z[:, :, t, :, None]) ** (1 / 16) * state + k[:, :, t, :, None] * v[:, :, t, None, :]
            state = torch.where(real, next_state, state)
            outputs.append((q[:, :, t, :, None] * state).sum(2) / math.sqrt(D))
        return torch.stack(outputs, 2)

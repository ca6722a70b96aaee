"""The models of this project in plain PyTorch: an oracle that shares no code with the C++ program.

Module names are the checkpoint's parameter names, so `load_state_dict` takes a `model.safetensors` as it is. Everything is
written the slow, obvious way: attention builds the whole (queries x keys) matrix. There is no dropout.

What the two programs have to agree on:
  embedding    x = embed_tokens[token] + position; no scale, no norm
  positions    learned: row p of embed_positions for token p, p from 0
               sinusoidal: [sin(p w_0) .. sin(p w_{h-1}), cos(p w_0) .. cos(p w_{h-1})], h = embed_dim / 2,
               w_i = exp(-log(10000) i / (h - 1)), p from 0
  layer        pre: x + f(norm(x)), and one more norm at the end; post: norm(x + f(x)); LayerNorm eps 1e-5
  activation   gelu = the exact erf form, or relu
  softmax      scale 1 / sqrt(head_dim)
  cosformer    s_ij = relu(q_i) . relu(k_j) cos(pi (i - j) / (2 M)), o_i = sum_j s_ij v_j / max(sum_j s_ij, 1e-6);
               causal attention: M is one constant, the task's seq_len, else the model's max_length;
               otherwise M = max(N, S) of the item itself, from its true lengths
  gated        S_t = diag(a_t) S_(t-1) + k_t v_t^T, o_t = q_t S_t / sqrt(head_dim), a_t = sigmoid(z_t)^(1/16) with
               z = gate_up(gate_down(x)) of the layer's input x, gate_down to 16 numbers and without a bias (Yang et al.,
               2024, eq. 3 to 6); causal
  linformer    softmax attention to E^T k and F^T v, E and F (max_length, projected_length) one pair for all heads of a
               layer; padding is 0 before it is projected (Wang et al., 2020, eq. 7); not causal
  layers       the kinds of attention.layers, repeated to the end of a stack, for attention of a text to itself
  linear       s_ij = f(q_i) . f(k_j) r, r = 1 or, reweighting = decay, (1 - 2^(-5 - h))^(i - j) of head h (Sun et al.,
               2023); divided by the row's sum as cosformer is or, normalization = rms, by nothing, and each head's output
               is o / sqrt(mean(o^2) + 1e-5) * head_norm
  output_gate  out_proj(o * f(gate_proj(x))) of the layer's input x, f = silu or sigmoid
  short_convolution    q, k and v of a decoder: y_t = sum_d w_(K-1-d) x_(t-d) of each channel, before all else
  rope         q and k of attention of a text to itself: pairs (x_i, x_(i+D/2)) turned by p 10000^(-2i/D), p from 0
  num_kv_heads heads of k and v, each copied for as many heads of q
  norm_kind    rms: x / sqrt(mean(x^2) + 1e-5) * weight
  ffn_kind     swiglu, geglu: fc2(fc1(x) * f(fc_gate(x))), f = silu or gelu
  longformer, bigbird, sparse, reformer, sinkhorn, synthesizer     see pytorch_attention.py
  nystrom      softmax(q k~^T) A+ softmax(q~ k^T) v plus a filter of conv_kernel_size taps of each head over v, A =
               softmax(q~ k~^T); q~ and k~ are means of num_landmarks segments of a text's own tokens, token t of n in segment
               ceil((t + 1) m / n) - 1; A+ by pinv_iterations of the paper's iteration from A^T / (largest column sum); a text
               of at most num_landmarks tokens has softmax attention (Xiong et al., 2021, eq. 13 to 15); not causal
  rfa          phi(q_i).phi(k_j) over 0.1 at least: x / (|x| + 1e-3) times sigma (heads, width of a head), its products with
               num_features directions, and of these sines and cosines (gaussian) or relu (arccos), over sqrt(num_features);
               with recency_gate, causal, S_t = g S_(t-1) + (1 - g) phi(k_t) v_t^T and the normaliser likewise, g a sigmoid
               of a linear layer of the layer's input for each head (Peng et al., 2021, eq. 3 to 6). The directions are
               those of the C++ program, by train.seed and the layer's name: random_directions
  classes      out_proj(relu(dense(pooled))), dense is (embed_dim, embed_dim); pooling over real tokens only
  decoder of an encoder-decoder: self attention, encoder attention, feed-forward, in this order, each with its norm
"""

import json
import math
import struct

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from pytorch_attention import PATTERNS, pattern, reformer, sinkhorn, synthesized_scores, synthesizer_parameters

_DTYPES = {"F32": np.float32, "I32": np.int32}


def read_safetensors(path):
    """-> ({name: torch tensor}, metadata)."""
    with open(path, "rb") as file:
        data = file.read()
    (size,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8 : 8 + size])
    metadata = header.pop("__metadata__", {})
    tensors = {}
    for name, entry in header.items():
        begin, end = (8 + size + offset for offset in entry["data_offsets"])
        array = np.frombuffer(data[begin:end], dtype=_DTYPES[entry["dtype"]]).reshape(entry["shape"])
        tensors[name] = torch.from_numpy(array.copy())
    return tensors, metadata


def write_safetensors(path, tensors, metadata):
    """Floating-point tensors are stored as F32, integers as I32."""
    header, blobs, offset = {"__metadata__": metadata}, [], 0
    for name, tensor in tensors.items():
        dtype = "F32" if tensor.is_floating_point() else "I32"
        blob = tensor.detach().numpy().astype("<" + np.dtype(_DTYPES[dtype]).str[1:]).tobytes()
        header[name] = {"dtype": dtype, "shape": list(tensor.shape), "data_offsets": [offset, offset + len(blob)]}
        blobs.append(blob)
        offset += len(blob)
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + b"".join(blobs))


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


FUNCTIONS = {"identity": lambda x: x, "relu": F.relu, "silu": F.silu, "gelu": F.gelu, "sigmoid": torch.sigmoid}


def philox4x32(counter, key):
    """Philox4x32-10 (Salmon et al., 2011): a list of four words and one of two -> four words, Python integers."""
    c, key, mask = list(counter), list(key), 0xFFFFFFFF
    for _ in range(10):
        first, second = 0xD2511F53 * c[0], 0xCD9E8D57 * c[2]
        c = [(second >> 32) ^ c[1] ^ key[0], second & mask, (first >> 32) ^ c[3] ^ key[1], first & mask]
        key = [(key[0] + 0x9E3779B9) & mask, (key[1] + 0xBB67AE85) & mask]
    return c


def random_directions(seed, path, heads, count, dim):
    """The first draw of a layer's directions, (heads, count, dim): normal vectors of the stream "favor/" + path, made
    orthogonal in blocks of dim; each keeps its length."""
    wide = 0xFFFFFFFFFFFFFFFF

    def mix(x):  # SplitMix64
        x = (x + 0x9E3779B97F4A7C15) & wide
        x = ((x ^ (x >> 30)) * 0xBF58476D1CE4E5B9) & wide
        x = ((x ^ (x >> 27)) * 0x94D049BB133111EB) & wide
        return x ^ (x >> 31)

    stream = 0xCBF29CE484222325  # FNV-1a
    for byte in ("favor/" + path).encode():
        stream = ((stream ^ byte) * 0x100000001B3) & wide
    key = mix(mix(seed) ^ stream)
    rows = []
    for row in range(heads * count):
        w = []
        for i in range(dim):
            words = philox4x32([row, 0, i, 0], [key & 0xFFFFFFFF, key >> 32])
            first, second = ((high << 32 | low) >> 11 for low, high in (words[:2], words[2:]))
            w.append(math.sqrt(-2 * math.log1p(-first / 2**53)) * math.cos(2 * math.pi * second / 2**53))
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
        self.own_lengths = place == "cross" and attention.get("cross_reweighting") == "own_lengths"
        if self.kind not in ("softmax", "softmax_materialized", "cosformer", "linear", "gated", "linformer", "nystrom", "rfa", "reformer",
                             "sinkhorn", "synthesizer", *PATTERNS):
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
        self.feature_map, self.reweighting = attention.get("feature_map", "relu"), attention.get("reweighting", "none")
        self.normalization, self.output_gate = attention.get("normalization", "sum"), attention.get("output_gate", "none")
        self.normed = self.normalization == "rms" and self.kind in ("linear", "cosformer", "gated")
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
        if self.kind == "linformer":
            shape = (config["model"]["max_length"], attention["projected_length"])
            self.key_projection, self.value_projection = nn.Parameter(torch.zeros(shape)), nn.Parameter(torch.zeros(shape))
        if self.kind == "nystrom":
            self.num_landmarks, self.iterations = attention["num_landmarks"], attention["pinv_iterations"]
            self.conv = nn.Module()
            self.conv.weight = nn.Parameter(torch.zeros(self.num_heads, attention["conv_kernel_size"]))

        if self.kind == "rfa":
            self.feature_kind, self.seed = attention["feature_kind"], config.get("train", {}).get("seed", 1)
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
        elif self.kind == "linear":
            feature = FUNCTIONS[self.feature_map]
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
            scores = q @ k.transpose(2, 3) / math.sqrt(E // H)
            weights = scores.masked_fill(~visible, -math.inf).softmax(-1)
        return self.join(weights @ v, query)

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


class Layer(nn.Module):
    def __init__(self, config, number, decoder, cross):
        super().__init__()
        model = config["model"]
        dim = model["embed_dim"]
        self.pre = model.get("norm", "pre") == "pre"
        self.activation = {"gelu": F.gelu, "relu": F.relu}[model.get("activation", "gelu")]
        self.self_attn = Attention(config, "self" if decoder else "encoder", number)
        self.self_attn_layer_norm = make_norm(model)
        if cross:
            self.encoder_attn, self.encoder_attn_layer_norm = Attention(config, "cross"), make_norm(model)
        bias, self.ffn_kind = model.get("bias", True), model.get("ffn_kind", "mlp")
        self.fc1 = nn.Linear(dim, model["ffn_dim"], bias=bias)
        self.fc2 = nn.Linear(model["ffn_dim"], dim, bias=bias)
        if self.ffn_kind != "mlp":
            self.fc_gate = nn.Linear(dim, model["ffn_dim"], bias=bias)
        self.final_layer_norm = make_norm(model)

    def feed_forward(self, x):
        if self.ffn_kind == "mlp":
            return self.fc2(self.activation(self.fc1(x)))
        return self.fc2(self.fc1(x) * {"swiglu": F.silu, "geglu": F.gelu}[self.ffn_kind](self.fc_gate(x)))

    def residual(self, x, norm, function):
        return x + function(norm(x)) if self.pre else norm(x + function(x))

    def forward(self, x, lengths, memory=None, memory_lengths=None):
        x = self.residual(x, self.self_attn_layer_norm, lambda y: self.self_attn(y, y, lengths, lengths))
        if memory is not None:
            x = self.residual(x, self.encoder_attn_layer_norm,
                              lambda y: self.encoder_attn(y, memory, lengths, memory_lengths))
        return self.residual(x, self.final_layer_norm, self.feed_forward)


class Stack(nn.Module):
    """An encoder, or a decoder with its output projection."""

    def __init__(self, config, decoder, cross=False):
        super().__init__()
        model = config["model"]
        dim, vocab = model["embed_dim"], model["vocab_size"]
        self.positions = model.get("positions", "learned")
        self.embed_tokens = nn.Embedding(vocab, dim)
        if self.positions == "learned":
            self.embed_positions = nn.Embedding(model["max_length"], dim)
        self.layers = nn.ModuleList(Layer(config, i, decoder, cross) for i in range(model["num_layers"]))
        self.layer_norm = make_norm(model) if model.get("norm", "pre") == "pre" else None
        if decoder and not model.get("tie_embeddings", True):
            self.output_projection = nn.Linear(dim, vocab, bias=False)

    def forward(self, tokens, lengths, memory=None, memory_lengths=None):
        x = self.embed_tokens(tokens)
        if self.positions == "learned":
            x = x + self.embed_positions(torch.arange(tokens.shape[1]))
        elif self.positions == "sinusoidal":
            x = x + sinusoidal_positions(tokens.shape[1], x.shape[2]).to(x.dtype)
        for layer in self.layers:
            x = layer(x, lengths, memory, memory_lengths)
        return self.layer_norm(x) if self.layer_norm is not None else x

    def logits(self, hidden):
        if hasattr(self, "output_projection"):
            return self.output_projection(hidden)
        return hidden @ self.embed_tokens.weight.T


class ClassificationHead(nn.Module):
    def __init__(self, dim, num_classes):
        super().__init__()
        self.dense, self.out_proj = nn.Linear(dim, dim), nn.Linear(dim, num_classes)

    def forward(self, pooled):
        return self.out_proj(F.relu(self.dense(pooled)))


class Model(nn.Module):
    """`config` has the tables of a config file: model, attention and, for M of causal attention, task."""

    def __init__(self, config):
        super().__init__()
        model = config["model"]
        self.kind, self.pooling = model["kind"], model.get("pooling", "mean")
        if self.kind != "decoder":
            self.encoder = Stack(config, decoder=False)
        if self.kind != "encoder":
            self.decoder = Stack(config, decoder=True, cross=self.kind == "encoder_decoder")
            if model.get("share_embeddings", False):
                self.decoder.embed_tokens = self.encoder.embed_tokens
        else:
            self.classification_head = ClassificationHead(model["embed_dim"], model["num_classes"])
        for name, module in self.named_modules():
            if isinstance(module, Attention):
                module.path = name

    def forward(self, tokens, lengths=None, target_tokens=None, target_lengths=None):
        """Token ids (B, N) -> logits: (B, N, vocab_size), or (B, num_classes) of an encoder. No lengths: no padding."""
        if lengths is None:
            lengths = torch.full((tokens.shape[0],), tokens.shape[1])
        if self.kind == "decoder":
            return self.decoder.logits(self.decoder(tokens, lengths))
        memory = self.encoder(tokens, lengths)
        if self.kind == "encoder_decoder":
            return self.decoder.logits(self.decoder(target_tokens, target_lengths, memory, lengths))
        if self.pooling == "first":
            return self.classification_head(memory[:, 0])
        real = (torch.arange(tokens.shape[1]) < lengths[:, None]).to(memory.dtype)
        return self.classification_head((memory * real[:, :, None]).sum(1) / lengths[:, None].to(memory.dtype))

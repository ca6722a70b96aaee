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
        if self.kind not in ("softmax", "softmax_materialized", "cosformer", "linear", "gated", "linformer", "reformer",
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
        self.normalization, self.gate = attention.get("normalization", "sum"), attention.get("output_gate", "none")
        self.normed = self.normalization == "rms" and self.kind in ("linear", "cosformer", "gated")
        if self.normed:
            self.head_norm = RmsNorm(dim // self.num_heads)
        if self.gate != "none":
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
        if self.gate != "none":
            heads = heads * FUNCTIONS[self.gate](self.gate_proj(query))
        return self.out_proj(heads)

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

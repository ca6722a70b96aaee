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
  cosformer2   s_ij = sum_d silu(q_id) silu(k_jd) cos((i - j) theta_d), theta of each head and channel, i and j from 0;
               divided by nothing, heads normed as below (Doraemonzzz/xmixers)
  delta        S_t = S_(t-1) + beta_t k_t (v_t - k_t S_(t-1))^T, o_t = q_t S_t / sqrt(head_dim), q and k silu and then of
               length 1, beta = sigmoid(beta_proj(x)) of each head (Yang et al., NeurIPS 2024); causal
  gated_delta  the same with S_(t-1) times a_t before, log a = -exp(decay_rate) softplus(decay_proj(x) + decay_bias) of each
               head (Yang et al., Gated Delta Networks, ICLR 2025)
  transnormer  s_ij = (elu(q_i) + 1) (elu(k_j) + 1), divided by nothing, heads normed as below (Qin et al., EMNLP 2022)
  diagonal     softmax among the positions of a block of diagonal_block
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
  hedgehog     linear with f(x) = [softmax(W x), softmax(-W x)], W (num_features, width of a head) of each head and side
               (Zhang et al., ICLR 2024, section 4.2); a feature map of linear as well
  classes      out_proj(relu(dense(pooled))), dense is (embed_dim, embed_dim); pooling over real tokens only
  decoder of an encoder-decoder: self attention, encoder attention, feed-forward, in this order, each with its norm
"""

import torch
import torch.nn.functional as F
from torch import nn

from pytorch_blocks import make_norm, sinusoidal_positions
from pytorch_multi_head import Attention


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

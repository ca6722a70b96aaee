#!/usr/bin/python3
"""Writes the golden files: tiny models, their losses, gradients and ten AdamW steps, computed by PyTorch.

Regenerate from anywhere (needs python3-torch and python3-numpy: `scripts/install_dependencies golden`):

    tests/golden/make_golden.py [CASE]...

Each <case>.safetensors holds, beside the `config` in its metadata (tables task, model, attention, optimizer),

    param/NAME, grad/NAME, final/NAME   every parameter before training, its gradient there, and after 10 steps
    tokens (B, N), lengths (B,)         input token ids and how many of a row are real
    target_tokens (B, T), target_lengths (B,)     the decoder's input of an encoder-decoder
    targets (B, N or T)                 next token of each position, -1 where it does not count; of decoders
    labels (B,)                         classes; of encoders
    logits                              (B, N or T, vocab_size) with zeros where no target counts, or (B, num_classes)
    loss ()                             mean over the targets that count, nats
    losses (10,)                        the loss before each optimizer step, always on the same batch

Parameters are float32 values; everything is computed in float64 from them and rounded to float32 when stored.
The cases "mixed" and "gated_linformer" have other attentions in the three places of an encoder-decoder; "dense", "random" and
"factorized_..." are synthesizers.
A key's bias cancels in softmax, so that its gradient is 0 but for rounding: compare grad/ and final/ by absolute error there.
"""

import itertools
import json
import pathlib
import sys
import zlib

import numpy as np
import torch
import torch.nn.functional as F

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1] / "scripts"))
from pytorch_reference import Model  # noqa: E402
from safetensors_files import write_safetensors  # noqa: E402

VOCAB, LENGTH, BATCH, CLASSES, STEPS = 23, 11, 3, 5, 10
# eps is above AdamW's usual 1e-8 so that an element whose gradient is rounding noise does not take whole steps.
OPTIMIZER = {"name": "adamw", "learning_rate": 1e-3, "betas": [0.9, 0.999], "eps": 1e-6, "weight_decay": 0.01}

# Blocks that came after cosFormer, by the name of their case.
SUCCESSORS = {
    "layers": {"attention": {"kind": "cosformer", "layers": ["cosformer", "softmax", "gated"]}, "model": {"num_layers": 4}},
    "transformer_pp": {"attention": {"kind": "softmax"},
                       "model": {"norm_kind": "rms", "ffn_kind": "swiglu", "bias": False, "positions": "rope", "num_kv_heads": 1}},
    "cosformer_gate": {"attention": {"kind": "cosformer", "normalization": "rms", "output_gate": "sigmoid", "short_convolution": 4},
                       "model": {"ffn_kind": "geglu"}},
    "retention": {"attention": {"kind": "linear", "feature_map": "identity", "reweighting": "decay", "normalization": "rms",
                                "output_gate": "silu"},
                  "model": {"norm_kind": "rms", "positions": "rope"}},
    "gated_silu": {"attention": {"kind": "gated", "normalization": "rms", "output_gate": "silu", "short_convolution": 3},
                   "model": {"bias": False}},
    "cosformer2": {"attention": {"kind": "cosformer2", "output_gate": "sigmoid"}, "model": {"positions": "none"}},
    "delta": {"attention": {"kind": "delta", "normalization": "rms", "output_gate": "silu", "short_convolution": 4}},
    "delta_plain": {"attention": {"kind": "delta"}},
    "gated_delta": {"attention": {"kind": "gated_delta", "normalization": "rms", "output_gate": "silu", "short_convolution": 4}},
    "hedgehog": {"attention": {"kind": "hedgehog"}},
    "hedgehog_decay": {"attention": {"kind": "linear", "feature_map": "hedgehog", "reweighting": "decay", "num_features": 5,
                                     "output_gate": "silu"},
                       "model": {"num_kv_heads": 1}},
    "transnormer": {"attention": {"layers": ["diagonal", "transnormer"], "diagonal_block": 4}},
    "alibi": {"attention": {"kind": "softmax"}, "model": {"positions": "alibi", "num_heads": 3, "embed_dim": 12}},
    "cosformer_rope": {"attention": {"kind": "cosformer", "output_gate": "silu"},
                       "model": {"positions": "rope", "bias": False, "num_kv_heads": 1}},
}


def make_config(kind, attention, norm):
    """Settings beyond the grid take turns, so that each occurs in some case."""
    model = {"kind": kind, "num_layers": 2, "embed_dim": 16, "num_heads": 2, "ffn_dim": 32, "vocab_size": VOCAB,
             "max_length": 12, "dropout": 0.0, "norm": norm, "activation": "gelu", "positions": "learned",
             "tie_embeddings": norm == "pre"}
    if kind == "encoder":
        model.update(num_classes=CLASSES, pooling="mean", tie_embeddings=True)
    if kind == "encoder" and attention == "softmax" and norm == "post":
        model.update(activation="relu", pooling="first")
    if kind == "encoder_decoder" and attention == "cosformer" and norm == "pre":
        model.update(positions="sinusoidal")
    attentions = {"kind": attention}
    if attention == "linformer":
        attentions.update(projected_length=4)
    if attention == "longformer":
        attentions.update(longformer_window=2, longformer_globals=1)
    if attention == "bigbird":
        attentions.update(bigbird_block_size=2, bigbird_window_blocks=3, bigbird_global_blocks=1, bigbird_random_blocks=1)
    if attention == "sparse":
        attentions.update(sparse_pattern="fixed" if norm == "pre" else "strided", sparse_stride=4, sparse_summary=1)
    if attention == "reformer":
        attentions.update(reformer_rounds=3, reformer_chunk=2, reformer_buckets=4)
    if attention == "sinkhorn":
        attentions.update(sinkhorn_block=3, sinkhorn_iterations=4, sinkhorn_temperature=0.75, sinkhorn_noise=False)
    if attention in ("dense", "factorized_dense", "random", "factorized_random"):
        attentions = {"kind": "synthesizer", "synthesizer": attention, "synthesizer_rank": 3}
    if attention == "gated_linformer":
        attentions = {"kind": "gated", "encoder": "linformer", "projected_length": 5, "cross": "softmax"}
    if attention == "nystrom":  # the shortest text has as many tokens as landmarks
        attentions.update(num_landmarks=4, pinv_iterations=6 if norm == "pre" else 3, conv_kernel_size=5)
    if attention.startswith("rfa"):  # so many directions that no row of similarities is under the floor by chance
        attentions = {"kind": "rfa", "feature_kind": attention.split("_")[1], "num_features": 24 if norm == "pre" else 0,
                      "recency_gate": attention.endswith("gate")}
    if kind == "encoder_decoder" and attention == "cosformer" and norm == "post":
        attentions["cross_reweighting"] = "shared_length"
    if attention == "mixed" and norm == "pre":
        attentions = {"kind": "softmax", "encoder": "cosformer", "cross": "cosformer", "cross_reweighting": "own_lengths"}
        model.update(share_embeddings=True)
    if attention == "mixed" and norm == "post":
        attentions = {"kind": "cosformer", "encoder": "softmax", "self_reweighting_length": 9, "cross": "softmax"}
    if attention in SUCCESSORS:
        attentions = dict(SUCCESSORS[attention].get("attention", {}))
        model.update(SUCCESSORS[attention].get("model", {}))
    return {"task": {"seq_len": 12}, "model": model, "attention": attentions, "optimizer": OPTIMIZER}


def initialize(model, random):
    """Every parameter is away from its usual starting value, so that a bias or a norm's weight left out is noticed."""
    for name, parameter in model.named_parameters():
        value = random.standard_normal(tuple(parameter.shape)) * (0.6 if name.endswith("embed_tokens.weight") else 0.3)
        if "norm.weight" in name:
            value += 1.0
        with torch.no_grad():
            parameter.copy_(torch.from_numpy(value.astype(np.float32)))


def make_batch(kind, random):
    tokens = torch.from_numpy(random.randint(1, VOCAB, (BATCH, LENGTH + 1)))
    if kind == "decoder":
        return {"tokens": tokens[:, :-1], "lengths": torch.full((BATCH,), LENGTH)}, {"targets": tokens[:, 1:]}
    lengths = torch.tensor([LENGTH, 7, 4])
    source = tokens[:, :-1] * (torch.arange(LENGTH) < lengths[:, None])  # padding is token 0
    if kind == "encoder":
        return {"tokens": source, "lengths": lengths}, {"labels": torch.from_numpy(random.randint(0, CLASSES, BATCH))}
    target_lengths = torch.tensor([5, 9, 8])  # shorter and longer than the source
    target = torch.from_numpy(random.randint(1, VOCAB, (BATCH, 10)))
    real = torch.arange(9) < target_lengths[:, None]
    inputs = {"tokens": source, "lengths": lengths, "target_tokens": target[:, :-1] * real, "target_lengths": target_lengths}
    return inputs, {"targets": target[:, 1:].masked_fill(~real, -1)}


def compute_loss(logits, answers):
    if "labels" in answers:
        return F.cross_entropy(logits, answers["labels"])
    return F.cross_entropy(logits.flatten(0, 1), answers["targets"].flatten(), ignore_index=-1)


def write_case(name, config):
    random = np.random.RandomState(zlib.crc32(name.encode()))
    model = Model(config).double()
    initialize(model, random)
    inputs, answers = make_batch(config["model"]["kind"], random)
    parameters = dict(model.named_parameters())
    initial = {f"param/{key}": value.detach().clone() for key, value in parameters.items()}

    optimizer = torch.optim.AdamW(parameters.values(), lr=OPTIMIZER["learning_rate"], betas=OPTIMIZER["betas"],
                                  eps=OPTIMIZER["eps"], weight_decay=OPTIMIZER["weight_decay"])
    losses = []
    for step in range(STEPS):
        optimizer.zero_grad()
        logits = model(**inputs)
        loss = compute_loss(logits, answers)
        loss.backward()
        if step == 0:
            first_logits = logits.detach().clone()
            gradients = {f"grad/{key}": value.grad.clone() for key, value in parameters.items()}
        losses.append(loss.detach())
        optimizer.step()

    if "targets" in answers:
        first_logits[answers["targets"] < 0] = 0.0
    tensors = {**initial, **inputs, **answers, "logits": first_logits, "loss": losses[0], **gradients,
               "losses": torch.stack(losses), **{f"final/{key}": value for key, value in parameters.items()}}
    path = HERE / f"{name}.safetensors"
    write_safetensors(path, tensors, {"format": "cosformer", "config": json.dumps(config), "step": "0"})
    print(f"{path.name}: {path.stat().st_size} bytes, loss {losses[0]:.6f} -> {losses[-1]:.6f}")


if __name__ == "__main__":
    cases = list(itertools.product(("decoder", "encoder", "encoder_decoder"), ("softmax", "cosformer"), ("pre", "post")))
    cases += [("encoder_decoder", "mixed", "pre"), ("encoder_decoder", "mixed", "post")]
    cases += [("decoder", "gated", "pre"), ("decoder", "gated", "post"), ("encoder", "linformer", "pre"),
              ("encoder", "linformer", "post"), ("encoder_decoder", "gated_linformer", "pre")]
    cases += [("decoder", "layers", "pre"), ("decoder", "transformer_pp", "pre"), ("decoder", "cosformer_gate", "post"),
              ("decoder", "retention", "pre"), ("decoder", "gated_silu", "pre"), ("encoder", "cosformer_rope", "pre")]
    cases += [("decoder", "longformer", "pre"), ("encoder_decoder", "longformer", "post"), ("encoder", "bigbird", "pre"),
              ("decoder", "bigbird", "post"), ("decoder", "sparse", "pre"), ("decoder", "sparse", "post"),
              ("encoder", "sparse", "pre"), ("encoder", "sparse", "post"), ("decoder", "reformer", "pre"),
              ("encoder", "reformer", "post"), ("decoder", "dense", "pre"), ("encoder", "factorized_dense", "post"),
              ("decoder", "random", "post"), ("encoder", "factorized_random", "pre"), ("decoder", "sinkhorn", "pre"),
              ("encoder", "sinkhorn", "post")]
    cases += [("encoder", "nystrom", "pre"), ("encoder", "nystrom", "post"),
              ("decoder", "rfa_gaussian", "pre"), ("decoder", "rfa_gaussian_gate", "pre"), ("decoder", "rfa_arccos_gate", "post"),
              ("encoder", "rfa_arccos", "post"), ("encoder_decoder", "rfa_gaussian", "post")]
    cases += [("decoder", "cosformer2", "pre"), ("encoder", "cosformer2", "pre"), ("decoder", "delta", "pre"),
              ("decoder", "delta_plain", "post"), ("decoder", "gated_delta", "pre"), ("decoder", "transnormer", "pre"),
              ("encoder", "transnormer", "post"), ("decoder", "hedgehog", "pre"), ("encoder", "hedgehog", "post"),
              ("encoder_decoder", "hedgehog", "pre"), ("decoder", "hedgehog_decay", "post"), ("decoder", "alibi", "pre"), ("encoder", "alibi", "post")]
    for case in cases:
        if not sys.argv[1:] or "_".join(case) in sys.argv[1:]:
            write_case("_".join(case), make_config(*case))

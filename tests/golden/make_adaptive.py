#!/usr/bin/python3
"""Writes tests/golden/adaptive/softmax.safetensors: an adaptive softmax of PyTorch, torch.nn.AdaptiveLogSoftmaxWithLoss.

Regenerate from anywhere (needs python3-torch and python3-numpy: `scripts/install_dependencies golden`):

    tests/golden/make_adaptive.py

The file holds the parameters with the names that they have in a checkpoint of ours (param/decoder.adaptive_softmax...),

    hidden (R, E), targets (R,)     what the loss is computed from; 12 rows, some in each of the three bands
    loss ()                         the sum over the rows, nats
    log_probabilities (R, V)        of all tokens
    grad/hidden, grad/NAME          gradients of the loss

Parameters and hidden states are float32 values; everything is computed in float64 from them and rounded when stored.
"""

import json
import pathlib
import sys

import numpy as np
import torch

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1] / "scripts"))
from safetensors_files import write_safetensors  # noqa: E402

EMBED_DIM, VOCAB, CUTOFFS, FACTOR = 16, 37, [9, 20], 4.0
TARGETS = [0, 8, 9, 19, 20, 36, 3, 11, 30, 5, 9, 21]


def our_name(name):
    """tail.I.1 is tail.I.2 here and in fairseq, where a dropout stands between the two."""
    parts = name.split(".")
    if parts[0] == "tail" and parts[2] == "1":
        parts[2] = "2"
    return "decoder.adaptive_softmax." + ".".join(parts)


def main():
    random = np.random.RandomState(7)
    module = torch.nn.AdaptiveLogSoftmaxWithLoss(EMBED_DIM, VOCAB, CUTOFFS, div_value=FACTOR).double()
    for parameter in module.parameters():
        value = random.standard_normal(tuple(parameter.shape)).astype(np.float32) * np.float32(0.5)
        with torch.no_grad():
            parameter.copy_(torch.from_numpy(value))
    rows = len(TARGETS)
    hidden = torch.from_numpy(random.standard_normal((rows, EMBED_DIM)).astype(np.float32)).double().requires_grad_()
    targets = torch.tensor(TARGETS)
    loss = module(hidden, targets).loss * rows
    loss.backward()
    parameters = {our_name(name): value for name, value in module.named_parameters()}
    tensors = {**{f"param/{name}": value.detach() for name, value in parameters.items()},
               "hidden": hidden.detach(), "targets": targets, "loss": loss.detach(),
               "log_probabilities": module.log_prob(hidden).detach(), "grad/hidden": hidden.grad,
               **{f"grad/{name}": value.grad for name, value in parameters.items()}}
    config = {"task": {"seq_len": 4},
              "model": {"embed_dim": EMBED_DIM, "vocab_size": VOCAB, "adaptive_cutoffs": CUTOFFS,
                        "adaptive_factor": FACTOR, "tie_embeddings": False, "num_heads": 2, "max_length": 4}}
    path = HERE / "adaptive" / "softmax.safetensors"
    write_safetensors(path, tensors, {"format": "cosformer", "config": json.dumps(config), "step": "0"})
    print(f"{path.name}: {path.stat().st_size} bytes, loss {loss:.6f}")


if __name__ == "__main__":
    main()

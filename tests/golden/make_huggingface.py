#!/usr/bin/env python3
"""Writes golden/huggingface: tiny models of Hugging Face's transformers with random weights, and what they compute.

Needs PyPI's torch and transformers (`pip install torch transformers`):

    tests/golden/make_huggingface.py [FOLDER]

Each case is a folder as `save_pretrained` writes it, and beside it expected.safetensors with

    tokens (B, N)              token ids, all real
    logits (B, N, vocab_size)  scores of the next token (decoders) or of the token itself (encoders), computed in float64
"""

import pathlib
import shutil
import sys

import torch
import transformers
from safetensors.torch import save_file

HERE = pathlib.Path(__file__).resolve().parent
TYPES = {"half": torch.float16, "brain": torch.bfloat16, "single": torch.float32}
SMALL = {"hidden_size": 8, "num_hidden_layers": 2, "vocab_size": 19, "intermediate_size": 12}
POSITIONS = 11


def gpt2(**options):
    return transformers.GPT2LMHeadModel(transformers.GPT2Config(
        n_embd=8, n_layer=2, n_head=2, n_positions=POSITIONS, bos_token_id=0, eos_token_id=0, **{"vocab_size": 19, **options}))


def llama(**options):
    return transformers.LlamaForCausalLM(transformers.LlamaConfig(**SMALL, num_attention_heads=4, **options))


def opt(**options):
    small = {key: value for key, value in SMALL.items() if key != "intermediate_size"}
    return transformers.OPTForCausalLM(transformers.OPTConfig(
        **small, num_attention_heads=2, ffn_dim=12, word_embed_proj_dim=8, max_position_embeddings=POSITIONS, **options))


def encoder(name, **options):
    config = getattr(transformers, name + "Config")(**SMALL, num_attention_heads=2, **options)
    return getattr(transformers, name + "ForMaskedLM")(config)


CASES = {
    "gpt2": lambda: (gpt2(vocab_size=256), "single", {}),
    "gpt2_untied_half": lambda: (gpt2(tie_word_embeddings=False, n_inner=12, activation_function="relu"), "half", {}),
    "gpt2_shards_brain": lambda: (gpt2(layer_norm_epsilon=1e-3), "brain", {"max_shard_size": "1KB"}),
    "llama": lambda: (llama(num_key_value_heads=2, rope_parameters={"rope_type": "default", "rope_theta": 500.0}), "single", {}),
    "llama_tied": lambda: (llama(tie_word_embeddings=True, rms_norm_eps=1e-3, attention_bias=True), "single", {}),
    "mistral": lambda: (transformers.MistralForCausalLM(transformers.MistralConfig(
        **SMALL, num_attention_heads=4, num_key_value_heads=2, head_dim=2, sliding_window=None)), "single", {}),
    "qwen2": lambda: (transformers.Qwen2ForCausalLM(transformers.Qwen2Config(
        **SMALL, num_attention_heads=4, num_key_value_heads=2)), "single", {}),
    "opt": lambda: (opt(), "single", {}),
    "opt_post": lambda: (opt(do_layer_norm_before=False), "single", {}),
    "bert": lambda: (encoder("Bert", max_position_embeddings=POSITIONS), "single", {}),
    "roberta": lambda: (encoder("Roberta", max_position_embeddings=POSITIONS + 2), "single", {}),
}


def main():
    folder = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else HERE / "huggingface"
    for seed, (name, make) in enumerate(CASES.items()):
        torch.manual_seed(seed)
        model, dtype, options = make()
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.add_(torch.randn_like(parameter) * 0.3)
        shutil.rmtree(folder / name, ignore_errors=True)
        model.to(TYPES[dtype]).save_pretrained(folder / name, **options)
        (folder / name / "generation_config.json").unlink(missing_ok=True)
        model = model.double().eval()
        # RoBERTa takes padding (1) out of its count of positions.
        tokens = torch.randint(2, model.config.vocab_size, (2, 9))
        with torch.no_grad():
            logits = model(input_ids=tokens).logits
        save_file({"tokens": tokens.to(torch.int32), "logits": logits.float().contiguous()},
                  folder / name / "expected.safetensors")


if __name__ == "__main__":
    main()

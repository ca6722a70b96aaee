"""A decoder that cosformer has trained, in plain PyTorch, for Hugging Face's transformers.

    model = AutoModelForCausalLM.from_pretrained(FOLDER, trust_remote_code=True)

Modules bear the names of the checkpoint's parameters. Linear attention runs in chunks with a state that does not grow, and
generation goes on from that state: a token costs the same whatever the context. The texts of a batch must have one length:
neither left padding nor beam search is known here.
"""

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import nn
from transformers import GenerationMixin, PretrainedConfig, PreTrainedModel
from transformers.utils import ModelOutput

from .attention_cosformer import FUNCTIONS, Attention, make_norm


class CosformerConfig(PretrainedConfig):
    """`model` is the table of a config of cosformer, complete; `attention_layers` are those of the first layers' attentions, whose
    order the further layers repeat."""

    model_type = "cosformer"

    def __init__(self, model=None, attention_layers=None, **kwargs):
        self.model, self.attention_layers = model or {}, attention_layers or []
        self.vocab_size = self.model.get("vocab_size", 0)
        self.hidden_size = self.model.get("embed_dim", 0)
        self.num_hidden_layers = self.model.get("num_layers", 0)
        self.num_attention_heads = self.model.get("num_heads", 1)
        # The embeddings of a tied model are its output's weight without a second name for them.
        kwargs["tie_word_embeddings"] = False
        super().__init__(**kwargs)


class Layer(nn.Module):
    def __init__(self, config, number):
        super().__init__()
        model = config.model
        self.model = model
        self.self_attn, self.self_attn_layer_norm = Attention(config, number), make_norm(model)
        self.fc1 = nn.Linear(model["embed_dim"], model["ffn_dim"], bias=model["bias"])
        self.fc2 = nn.Linear(model["ffn_dim"], model["embed_dim"], bias=model["bias"])
        if model["ffn_kind"] != "mlp":
            self.fc_gate = nn.Linear(model["embed_dim"], model["ffn_dim"], bias=model["bias"])
        self.final_layer_norm = make_norm(model)

    def feed_forward(self, x):
        if self.model["ffn_kind"] == "mlp":
            inner = FUNCTIONS[self.model["activation"]](self.fc1(x))
        else:
            inner = self.fc1(x) * FUNCTIONS[{"swiglu": "silu", "geglu": "gelu"}[self.model["ffn_kind"]]](self.fc_gate(x))
        return self.fc2(F.dropout(inner, self.model["activation_dropout"], self.training))

    def residual(self, x, norm, block):
        is_first = self.model["norm"] == "pre"
        y = F.dropout(block(norm(x) if is_first else x), self.model["dropout"], self.training)
        return x + y if is_first else norm(x + y)

    def forward(self, x, state, first):
        x = self.residual(x, self.self_attn_layer_norm, lambda y: self.self_attn(y, state, first))
        return self.residual(x, self.final_layer_norm, self.feed_forward)


class Decoder(nn.Module):
    def __init__(self, config):
        super().__init__()
        model = config.model
        self.model = model
        self.embed_tokens = nn.Embedding(model["vocab_size"], model["embed_dim"])
        if model["positions"] == "learned":
            self.embed_positions = nn.Embedding(model["max_length"], model["embed_dim"])
        if model["embedding_norm"]:
            self.layernorm_embedding = make_norm(model)
        self.layers = nn.ModuleList(Layer(config, i) for i in range(model["num_layers"]))
        if model["norm"] == "pre" and model["final_norm"]:
            self.layer_norm = make_norm(model)
        if not model["tie_embeddings"]:
            self.output_projection = nn.Linear(model["embed_dim"], model["vocab_size"], bias=False)

    def positions(self, first, count, device):
        if self.model["positions"] == "learned":
            if first + count > self.embed_positions.num_embeddings:
                raise ValueError(f"{self.embed_positions.num_embeddings} learned positions cannot serve {first + count} tokens")
            return self.embed_positions.weight[first : first + count]
        half = self.model["embed_dim"] // 2
        steps = torch.arange(half, dtype=torch.float64, device=device) * (-math.log(10000.0) / max(half - 1, 1))
        angles = torch.arange(first, first + count, dtype=torch.float64, device=device)[:, None] * steps.exp()
        return F.pad(torch.cat([angles.sin(), angles.cos()], 1), (0, self.model["embed_dim"] - 2 * half))

    def forward(self, tokens, state):
        x = self.embed_tokens(tokens)
        if self.model["scale_embeddings"]:
            x = x * math.sqrt(self.model["embed_dim"])
        if self.model["positions"] in ("learned", "sinusoidal"):
            x = x + self.positions(state.position, tokens.shape[1], tokens.device).to(x.dtype)
        if self.model["embedding_norm"]:
            x = self.layernorm_embedding(x)
        x = F.dropout(x, self.model["dropout"], self.training)
        for layer, own in zip(self.layers, state.layers):
            x = layer(x, own, state.position)
        state.position += tokens.shape[1]
        return self.layer_norm(x) if hasattr(self, "layer_norm") else x


class State:
    """What the layers have to remember of the tokens so far."""

    def __init__(self, num_layers):
        self.position, self.layers = 0, [{} for _ in range(num_layers)]


@dataclass
class CosformerOutput(ModelOutput):
    loss: torch.FloatTensor | None = None
    logits: torch.FloatTensor | None = None
    state: State | None = None


class CosformerForCausalLM(PreTrainedModel, GenerationMixin):
    config_class = CosformerConfig
    _is_stateful = True
    _tied_weights_keys = {}

    def __init__(self, config):
        super().__init__(config)
        self.decoder = Decoder(config)
        self.post_init()

    @classmethod
    def _supports_default_dynamic_cache(cls):
        return False

    def _init_weights(self, module):
        """First values are for cosformer to choose; here weights are loaded."""

    def get_input_embeddings(self):
        return self.decoder.embed_tokens

    def forward(self, input_ids, attention_mask=None, labels=None, state=None, use_cache=False, logits_to_keep=0, **kwargs):
        """`state` is that of the tokens before input_ids; it is changed. Labels are shifted here."""
        if attention_mask is not None and not attention_mask.bool().all():
            if use_cache or state is not None or not attention_mask[:, 0].bool().all():
                raise ValueError("the texts of a batch must have one length: padding is known at their ends alone, and not "
                                 "in generation")
        state = state or State(self.config.num_hidden_layers)
        hidden = self.decoder(input_ids, state)
        hidden = hidden[:, -logits_to_keep:] if logits_to_keep else hidden
        output = getattr(self.decoder, "output_projection", self.decoder.embed_tokens)
        logits, loss = F.linear(hidden, output.weight), None
        if labels is not None:
            loss = F.cross_entropy(logits[:, :-1].flatten(0, 1).float(), labels[:, 1:].flatten())
        return CosformerOutput(loss=loss, logits=logits, state=state if use_cache else None)

    def prepare_inputs_for_generation(self, input_ids, state=None, attention_mask=None, **kwargs):
        new = input_ids if state is None else input_ids[:, state.position :]
        return {"input_ids": new, "attention_mask": attention_mask, "state": state, "use_cache": True, "logits_to_keep": 1}

    def _update_model_kwargs_for_generation(self, outputs, model_kwargs, **kwargs):
        model_kwargs = super()._update_model_kwargs_for_generation(outputs, model_kwargs, **kwargs)
        return {**model_kwargs, "state": outputs.state}

    def generate(self, *args, **kwargs):
        config = kwargs.get("generation_config") or self.generation_config
        if (kwargs.get("num_beams") or config.num_beams or 1) > 1:
            raise ValueError("beam search is not known here")
        return super().generate(*args, **kwargs)

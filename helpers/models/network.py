"""A model's weights in one layout, and its forward pass in parts: what every circuit computation is built from.

Hooks run a model as it is; circuits need its parts one at a time, with other inputs than the model would give them, for
many inputs at once. `Network` reads the weights of a bridge (views, no copies, so an edited model is read as edited);
GPT-2- and Llama-shaped models (RMS norm, rotary positions, gated MLP, grouped queries) have the same parts.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import gelu, linear, pad

SHAPES = ("gpt2", "llama")
# Options of their configurations that the parts below don't compute, with the value that they must not have.
UNCOVERED = {
    "scale_attn_weights": False,
    "scale_attn_by_inverse_layer_idx": True,
    "add_cross_attention": True,
    "mlp_bias": True,
    "is_causal": False,
    "return_dict": False,
}
KV = tuple[Tensor, ...] | None  # keys and values of a layer at earlier positions (`Network.align`)
gelu_tanh = partial(gelu, approximate="tanh")  # GPT-2's activation in one operation
ROPES = ("default", "linear", "dynamic", "yarn", "llama3", "proportional")  # longrope's turns hang on a text's length


@dataclass(frozen=True)
class Norm:
    """A layer norm, or an RMS norm where nothing is subtracted."""

    weight: Float[Tensor, " d_model"]
    bias: Float[Tensor, " d_model"] | None
    eps: float
    centred: bool

    def standardize(self, x: Float[Tensor, "*at d_model"]) -> tuple[Tensor, Tensor]:
        """The input at unit scale ``[*at d_model]``, before weight and bias, and the scale's inverse ``[*at 1]``."""
        dtype, x = x.dtype, x if x.dtype == torch.float64 else x.float()
        if self.centred:
            x = x - x.mean(-1, keepdim=True)
        inverse = (x.square().mean(-1, keepdim=True) + self.eps).rsqrt()
        return (x * inverse).to(dtype), inverse.to(dtype)

    def affine(self, standard: Float[Tensor, "*at d_model"]) -> Float[Tensor, "*at d_model"]:
        """Apply weight and bias."""
        return standard * self.weight if self.bias is None else torch.addcmul(self.bias, standard, self.weight)

    def __call__(self, x: Float[Tensor, "*at d_model"]) -> Float[Tensor, "*at d_model"]:
        """The normalised input."""
        return self.affine(self.standardize(x)[0])

    def share(
        self, part: Float[Tensor, "*more at d_model"], whole: Float[Tensor, "at d_model"]
    ) -> Float[Tensor, "*more at d_model"]:
        """What a part of the input adds to the output when the scale is held at the whole input's; without the bias.

        This is how direct logit attribution reads a write: the shares of all parts add up.
        """
        if self.centred:
            part = part - part.mean(-1, keepdim=True)
        return part * self.standardize(whole)[1] * self.weight

    def backward(self, gradient: Tensor, standard: Tensor, inverse: Tensor) -> Tensor:
        """The gradient at the norm's input for one at its output; leading axes broadcast (one norm, many readers)."""
        gradient = gradient * self.weight
        along = (gradient * standard).mean(-1, keepdim=True)
        result = torch.addcmul(gradient, standard, along, value=-1)
        if self.centred:
            result = result - gradient.mean(-1, keepdim=True)
        return result * inverse


@dataclass(frozen=True)
class Layer:
    """The weights of one layer; ``group`` counts key/value heads (as many as heads without grouped queries)."""

    norm1: Norm
    norm2: Norm
    W_Q: Float[Tensor, "head d_model d_head"]
    W_K: Float[Tensor, "group d_model d_head"]
    W_V: Float[Tensor, "group d_model d_head"]
    W_O: Float[Tensor, "head d_head d_model"]
    b_Q: Float[Tensor, "head d_head"]
    b_K: Float[Tensor, "group d_head"]
    b_V: Float[Tensor, "group d_head"]
    b_O: Float[Tensor, " d_model"]
    W_in: Float[Tensor, "d_model d_mlp"]
    W_gate: Float[Tensor, "d_model d_mlp"] | None
    W_out: Float[Tensor, "d_mlp d_model"]
    b_in: Float[Tensor, " d_mlp"]
    b_out: Float[Tensor, " d_model"]
    activation: Callable[[Tensor], Tensor]

    def neurons(self, x: Float[Tensor, "*at d_model"]) -> Float[Tensor, "*at d_mlp"]:
        """The MLP's neurons for its normalised input; `W_out` turns them into what the MLP writes."""
        hidden = x @ self.W_in + self.b_in
        return self.activation(hidden) if self.W_gate is None else self.activation(x @ self.W_gate) * hidden


@dataclass(frozen=True)
class Network:
    """All weights of a model. ``W_pos`` is missing where positions are rotary, ``rotary`` where they are learned."""

    W_E: Float[Tensor, "d_vocab d_model"]
    W_pos: Float[Tensor, "n_ctx d_model"] | None
    layers: tuple[Layer, ...]
    norm: Norm
    W_U: Float[Tensor, "d_model d_vocab"]
    b_U: Float[Tensor, " d_vocab"]
    rotary: Callable[[int], tuple[Tensor, Tensor]] | None
    n_ctx: int  # positions that the model was made for

    @property
    def n_heads(self) -> int:
        """Heads of a layer."""
        return len(self.layers[0].W_Q)

    @property
    def n_groups(self) -> int:
        """Key/value heads of a layer."""
        return len(self.layers[0].W_K)

    def check_layer(self, layer: int) -> None:
        """Raise ValueError for a layer that the model doesn't have."""
        if not 0 <= layer < len(self.layers):
            raise ValueError(f"no layer {layer}; the model's are 0 to {len(self.layers) - 1}")

    def check_stop(self, stop: int) -> None:
        """Raise ValueError for a stop that the model doesn't have: 0 is the embedding, 2 * n_layers behind the last."""
        if not 0 <= stop <= 2 * len(self.layers):
            raise ValueError(f"no stop {stop}; stops are 0 to {2 * len(self.layers)}")

    def embed(self, tokens: Int[Tensor, "batch pos"], start: int = 0) -> Float[Tensor, "batch rest d_model"]:
        """What the embedding writes at the positions from ``start`` on, learned positions included.

        Raises:
            ValueError: for more positions than the model was made for, or ids that its vocabulary doesn't have.
        """
        if tokens.shape[1] > self.n_ctx:
            raise ValueError(f"a prompt has {tokens.shape[1]} tokens; this model reads {self.n_ctx}, so shorten it")
        if tokens.numel() and not 0 <= int(tokens.min()) <= int(tokens.max()) < len(self.W_E):
            raise ValueError(f"the model's tokens are 0 to {len(self.W_E) - 1}; the ids are another model's")
        written = self.W_E[tokens[:, start:]]
        return written if self.W_pos is None else written + self.W_pos[start : tokens.shape[1]]

    def unembed(self, x: Float[Tensor, "*at d_model"]) -> Float[Tensor, "*at d_vocab"]:
        """Logits of a final residual."""
        logits = linear(self.norm(x), self.W_U.T, self.b_U)
        return logits.float() if logits.dtype == torch.bfloat16 else logits

    def rotate(self, x: Float[Tensor, "*batch pos head d_head"], start: int | Int[Tensor, "batch 1"]) -> Tensor:
        """Queries or keys, turned by their position; as they are without rotary positions."""
        if self.rotary is None:
            return x
        at = start + torch.arange(x.shape[-3], device=x.device)
        cos, sin = (t[at][..., None, :] for t in self.rotary(int(at.max()) + 1))
        first, second = x.chunk(2, dim=-1)
        return x * cos + torch.cat((-second, first), dim=-1) * sin

    def pattern(
        self,
        q: Float[Tensor, "*#batch pos head d_head"],
        k: Float[Tensor, "*#batch key head d_head"],
        past: KV = None,
    ) -> Float[Tensor, "*#batch head pos key"]:
        """Attention probabilities; queries stand at the last ``pos`` of the ``key`` positions, and look back."""
        scores = q.transpose(-3, -2) @ k.transpose(-3, -2).transpose(-2, -1) * q.shape[-1] ** -0.5
        pos, key = scores.shape[-2:]
        if pos > 1:
            later = torch.ones(pos, key, dtype=torch.bool, device=q.device).triu(key - pos + 1)
            scores = scores.masked_fill(later, -torch.inf)
        if past is not None and len(past) == 3:  # behind its own past, a row has nothing up to the longest one's end
            none = torch.arange(past[0].shape[1], device=q.device) >= past[2]
            scores = scores.masked_fill(pad(none, (0, pos))[:, None, None], -torch.inf)
        return scores.softmax(-1, dtype=torch.promote_types(scores.dtype, torch.float32)).to(scores.dtype)

    def read_out(
        self, pattern: Float[Tensor, "*batch head pos key"], v: Float[Tensor, "*#batch key head d_head"]
    ) -> Float[Tensor, "*batch pos head d_head"]:
        """What each head reads out of the values, before `W_O`."""
        return (pattern @ v.transpose(-3, -2)).transpose(-3, -2)

    def align(
        self,
        q: Float[Tensor, "*batch pos head d_head"],
        k: Float[Tensor, "*batch pos group d_head"],
        v: Float[Tensor, "*batch pos group d_head"],
        past: KV = None,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Queries, keys and values as attention meets them: rotated, behind those of the past, one for each head.

        Args:
            past: rotated keys and values ``[1|batch past group d_head]`` of the positions before the first of ``q``,
                and their lengths ``[batch 1]`` if those differ and shorter ones are filled up at the end.
        """
        start = 0 if past is None else past[2] if len(past) == 3 else past[0].shape[1]
        q, k = self.rotate(q, start), self.rotate(k, start)
        if past is not None:
            k, v = (
                torch.cat((old.expand(*new.shape[:-3], *old.shape[-3:]), new), -3)
                for old, new in zip(past[:2], (k, v), strict=True)
            )
        if self.n_groups < self.n_heads:
            k, v = (t.repeat_interleave(self.n_heads // self.n_groups, dim=-2) for t in (k, v))
        return q, k, v

    def attend(self, q: Tensor, k: Tensor, v: Tensor, past: KV = None) -> Float[Tensor, "*batch pos head d_head"]:
        """What each head reads out of the values for some queries, keys and values (`align`), before `W_O`."""
        q, k, v = self.align(q, k, v, past)
        return self.read_out(self.pattern(q, k, past), v)


def read_network(model) -> Network:
    """The weights of a TransformerLens bridge as it is now, its edits included; hooks that are set on it don't count.

    Raises:
        ValueError: for another architecture (`SHAPES`), an `UNCOVERED` option, or norms moved into weights.
    """
    if not hasattr(model, "original_model"):
        raise ValueError(f"a network is read from a model that load_model gave, not from {type(model).__name__}")
    hf = model.original_model.config
    if hf.model_type not in SHAPES:
        raise ValueError(f"circuits are computed for {' and '.join(SHAPES)} architectures, not for {hf.model_type!r}")
    check_covered(hf)
    if getattr(model, "compatibility_mode", False):
        raise ValueError("the model is in compatibility mode (norms folded); load it again with load_model")
    rotary = None
    if hf.model_type == "llama":
        turn = model.original_model.model.rotary_emb

        @cache
        def rotary(n: int) -> tuple[Tensor, Tensor]:
            cos, sin = turn(model.W_E[:1], torch.arange(n, device=model.W_E.device)[None])
            return cos[0], sin[0]

    name = hf.activation_function if hf.model_type == "gpt2" else hf.hidden_act
    activation = gelu_tanh if name in ("gelu_new", "gelu_pytorch_tanh") else None
    return Network(
        W_E=model.W_E,
        W_pos=model.W_pos if hf.model_type == "gpt2" else None,
        layers=tuple(_layer(block, activation) for block in model.blocks),
        norm=_norm(model.ln_final),
        W_U=model.W_U,
        b_U=model.b_U,
        rotary=rotary,
        n_ctx=hf.max_position_embeddings,
    )


def check_covered(config) -> None:
    """Raise ValueError for an option of a Hugging Face configuration that the parts here don't compute."""
    for option, value in UNCOVERED.items():
        if getattr(config, option, not value) == value:
            raise ValueError(f"circuits don't cover {option}={value}; load a model without it")
    rope = getattr(config, "rope_parameters", None) or {}
    kind = rope.get("rope_type") or rope.get("type") or "default"
    if kind not in ROPES:
        raise ValueError(f"circuits don't cover rope_type={kind}; they cover {', '.join(ROPES)}")
    if kind not in ("default", "proportional") and (part := rope.get("partial_rotary_factor", 1)) != 1:
        raise ValueError(f"circuits don't cover partial_rotary_factor={part} with rope_type={kind}")


def _layer(block, activation: Callable | None) -> Layer:
    attn, mlp = block.attn, block.mlp
    group, _, d_head = attn.W_K.shape
    like, own = attn.W_K, mlp.original_component
    own = own.act if hasattr(own, "act") else own.act_fn  # each layer's, because some have weights
    return Layer(
        norm1=_norm(block.ln1),
        norm2=_norm(block.ln2),
        **{name: getattr(attn, name) for name in ("W_Q", "W_K", "W_V", "W_O")},
        b_Q=_bias(attn.b_Q, like, len(attn.W_Q), d_head),
        b_K=_bias(attn.b_K, like, group, d_head),
        b_V=_bias(attn.b_V, like, group, d_head),
        b_O=_bias(attn.b_O, like, attn.W_O.shape[-1]),
        W_in=mlp.W_in,
        W_gate=getattr(mlp, "W_gate", None),
        W_out=mlp.W_out,
        b_in=_bias(getattr(mlp, "b_in", None), like, mlp.W_in.shape[1]),
        b_out=_bias(getattr(mlp, "b_out", None), like, mlp.W_out.shape[1]),
        activation=activation or own,
    )


def _bias(bias: Tensor | None, like: Tensor, *shape: int) -> Tensor:
    return like.new_zeros(shape) if bias is None else bias


def _norm(bridge) -> Norm:
    part = bridge.original_component
    eps = getattr(part, "eps", None)
    centred = isinstance(part, torch.nn.LayerNorm)
    return Norm(part.weight, getattr(part, "bias", None), part.variance_epsilon if eps is None else eps, centred)

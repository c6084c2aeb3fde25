"""How much memory circuit work needs, and how much of it is done at a time so that large models fit.

Searches take pairs, and within them runs and trials, in parts that stay below `WORKING` bytes by default. What comes
out doesn't depend on the parts (but for the last digits); fewer at a time need less memory and more passes through the
weights. For Atlas, everything fits at once.
"""

from __future__ import annotations

from dataclasses import dataclass

from helpers.checks import Amount, Count, Model, Positive, checked
from helpers.circuits.graph import Graph

WORKING = 512 * 2**20  # bytes that the largest tensor of a search may have by default
MOST_PAIRS = 64
GB = 1e9


@checked
@dataclass(frozen=True)
class Shape:
    """What decides a model's memory; ``itemsize`` is 4 bytes in float32 and 2 in bfloat16."""

    n_layers: Count
    n_heads: Count
    n_groups: Count
    d_model: Count
    d_mlp: Count
    d_vocab: Count
    n_ctx: Amount = 0  # learned positions; 0 for rotary ones
    gated: bool = False
    tied: bool = True
    itemsize: Count = 4

    @staticmethod
    @checked
    def from_model(model: Model) -> Shape:
        """The shape of a bridge."""
        cfg, graph = model.cfg, Graph.from_model(model)
        llama = model.original_model.config.model_type == "llama"
        return Shape(
            *(graph.n_layers, graph.n_heads, graph.n_groups, cfg.d_model, cfg.d_mlp, cfg.d_vocab),
            n_ctx=0 if llama else cfg.n_ctx,
            gated=llama,
            tied=bool(model.original_model.config.tie_word_embeddings),
            itemsize=model.W_E.element_size(),
        )

    @staticmethod
    def of_network(net) -> Shape:
        """The shape of a network; what it doesn't say (whether embeddings are tied) doesn't matter for its runs."""
        layer = net.layers[0]
        return Shape(
            *(len(net.layers), net.n_heads, net.n_groups, net.W_E.shape[1], len(layer.W_out), len(net.W_E)),
            itemsize=net.W_E.element_size(),
        )

    @property
    def graph(self) -> Graph:
        """The graph of a model of this shape."""
        return Graph(self.n_layers, self.n_heads, self.n_groups)

    @property
    def parameters(self) -> int:
        """The number of weights (biases and norms, less than a hundredth, left out)."""
        attention = 2 * self.d_model**2 * (1 + self.n_groups / self.n_heads)
        mlp = (3 if self.gated else 2) * self.d_model * self.d_mlp
        vectors = (1 if self.tied else 2) * self.d_vocab + self.n_ctx
        return round(self.n_layers * (attention + mlp) + vectors * self.d_model)

    @property
    def row(self) -> int:
        """Bytes of what all sources write at one position."""
        return (1 + self.n_layers * (self.n_heads + 1)) * self.d_model * self.itemsize

    @property
    def trace(self) -> int:
        """Bytes that a run with gradients keeps for one position."""
        return self.n_layers * (4 * self.d_mlp + 8 * self.d_model) * self.itemsize


@checked
def pairs_at_once(shape: Shape, tokens: Count, copies: Positive = 1.0) -> int:
    """The default batch of searches: pairs of prompts of so many tokens.

    Args:
        copies: tensors with one row for each source that are in memory at the same time.
    """
    return max(1, min(MOST_PAIRS, int(WORKING / (copies * shape.row * tokens))))


@checked
def tokens_at_once(most: Count, bytes_each: Count) -> int:
    """How many positions, each of so many bytes, fit; ``most`` at most."""
    return max(1, min(most, WORKING // bytes_each))

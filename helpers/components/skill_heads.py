"""What each attention head does in repeated random tokens: looks back, copies."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import torch
from jaxtyping import Float, Int
from torch import Tensor

from helpers.checks import Amount, Count, Model, checked
from helpers.components.heads import head_table
from helpers.models.network import Network, read_network
from helpers.models.run import LayerRun, run_layers

TOP = 5  # a token counts as copied if its logit is among this many that are raised most (arXiv 2211.00593, appendix)


@checked
def measure_repeats(
    model: Model, *, length: Count = 20, count: Count = 16, seed: Amount = 0, vocabulary: Sequence[int] | None = None
) -> pd.DataFrame:
    """How each head behaves in repeated random tokens ``BOS x1 ... xn x1 ... xn`` (arXiv 2209.11895).

    Columns, means over prompts and positions:

    - ``head, layer``;
    - ``previous``: attention to the token before, over all positions behind x1;
    - ``duplicate``, ``induction``: attention, from the second half, to the earlier occurrence of the same token, and
      to the token after it;
    - ``copies``: for how many tokens of the first half the head's value there, through `W_O` and the unembedding,
      raises that token's own logit more than all but four others (0 to 1; chance is 5 / vocabulary size);
    - ``uniform``: the attention that a position of the second half would give each token if it looked at all alike,
      and ``uniform_previous``: the same over all positions behind x1.

    Args:
        length: tokens of one half.
        count: random prompts.
        vocabulary: token ids to draw from; all but id 0 by default, and never BOS.

    Raises:
        ValueError: if the repeated prompt is longer than the model can read, or the vocabulary is smaller than
            ``length``.
    """
    tokens = repeated_tokens(model, length, count, seed, vocabulary)
    return head_table(model, _repeats(read_network(model), tokens))


def repeated_tokens(
    model, length: int, count: int, seed: int, vocabulary: Sequence[int] | None = None
) -> Int[Tensor, "batch pos"]:
    """BOS and ``length`` random tokens, no two alike, twice over."""
    if 2 * length + 1 > model.cfg.n_ctx:
        raise ValueError(f"two times {length} tokens and BOS are more than the {model.cfg.n_ctx} the model can read")
    bos = model.tokenizer.bos_token_id
    ids = torch.tensor([i for i in dict.fromkeys(vocabulary or range(1, model.cfg.d_vocab)) if i != bos])
    if len(ids) and not 0 <= int(ids.min()) <= int(ids.max()) < model.cfg.d_vocab:
        raise ValueError(
            f"the vocabulary's ids are 0 to {model.cfg.d_vocab - 1}, not {int(ids.min())} to {int(ids.max())}"
        )
    if len(ids) < length:
        raise ValueError(f"{length} tokens that all differ can't be drawn from {len(ids)}; ask for a smaller length")
    generator = torch.Generator().manual_seed(seed)
    half = torch.stack([ids[torch.randperm(len(ids), generator=generator)[:length]] for _ in range(count)])
    return torch.cat((torch.full((count, 1), bos), half, half), 1).to(model.W_E.device)


@torch.no_grad()
def _repeats(net: Network, tokens: Int[Tensor, "batch pos"]) -> dict[str, Float[Tensor, "layer head"]]:
    runs, resid = run_layers(net, tokens)
    half = tokens.shape[1] // 2
    pattern = torch.stack([run.pattern.mean(0) for run in runs])  # [layer head pos key]
    shape = pattern.shape[:2]
    position = torch.arange(1, 2 * half + 1, dtype=torch.float)

    def back(by: int, start: int) -> Tensor:
        return pattern.diagonal(-by, -2, -1)[..., start - by :].mean(-1)

    return {
        "previous": back(1, 2),
        "duplicate": back(half, half + 1),
        "induction": back(half - 1, half + 1),
        "copies": torch.stack([_copies(net, n, run, tokens[:, : half + 1], resid) for n, run in enumerate(runs)]),
        "uniform": (1 / (position[half:] + 1)).mean().expand(shape),
        "uniform_previous": (1 / (position[1:] + 1)).mean().expand(shape),
    }


def _copies(net: Network, n: int, run: LayerRun, tokens: Tensor, resid: Tensor) -> Float[Tensor, " head"]:
    """The share of tokens (BOS left out) that a head's value at their own place puts among the `TOP`."""
    half, shares = tokens.shape[1], []
    for head in range(net.n_heads):
        written = run.values[:, 1:half, head] @ net.layers[n].W_O[head]
        if net.norm.centred:
            written = written - written.mean(-1, keepdim=True)
        raised = written * net.norm.weight @ net.W_U  # the norm's scale doesn't change the order
        own = raised.gather(-1, tokens[:, 1:, None])
        copied = ((raised > own).sum(-1) < TOP) & (own[..., 0] > 0)  # a head that writes nothing raises nothing
        shares.append(copied.float().mean())
    return torch.stack(shares)

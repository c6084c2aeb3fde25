"""What each attention head does in skills: repeated random tokens and indirect objects."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import torch
from jaxtyping import Float, Int
from torch import Tensor

from helpers.checks import Amount, Count, Model, checked
from helpers.circuits.ablation import run_circuit
from helpers.circuits.circuit import Circuit
from helpers.circuits.graph import Graph, head_place
from helpers.circuits.metrics import logit_diff
from helpers.components.heads import head_table
from helpers.components.lens import against_mean, direct_logit_attribution
from helpers.models.network import Network, read_network
from helpers.models.predict import logits_after
from helpers.models.run import LayerRun, Replaced, run_layers
from helpers.prompts.pairs import PromptPairs

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


def name_positions(pairs: PromptPairs, tokenizer) -> tuple[PromptPairs, Int[Tensor, "batch 3"]]:
    """The pairs whose names can be found, and where: indirect object, first and second mention of the subject.

    Raises:
        ValueError: if there are none.
    """
    kept, places = [], []
    for row, ids in enumerate(pairs.clean_ids):
        io, s = (_mentions(ids, int(name[row]), tokenizer) for name in (pairs.answer_ids, pairs.wrong_ids))
        if len(io) == 1 and len(s) == 2:
            kept.append(row), places.append((*io, *s))
    if not kept:
        raise ValueError("in no pair does the answer stand once and the wrong answer twice; are they indirect objects?")
    return pairs.select(kept), torch.tensor(places)


def _mentions(ids: Sequence[int], name: int, tokenizer) -> list[int]:
    """Where a name stands; at the start of a text some tokenizers give it another id, without the space."""
    bare = tokenizer.encode(tokenizer.decode([name]).strip(), add_special_tokens=False)
    same = {name, *bare} if len(bare) == 1 else {name}
    return [place for place, i in enumerate(ids) if i in same]


@checked
@torch.no_grad()
def measure_indirect(model: Model, pairs: PromptPairs) -> pd.DataFrame:
    """How each head behaves in indirect objects: "When Mary and John went ..., John gave a drink to" -> " Mary".

    Args:
        pairs: answer the indirect object, wrong answer the subject (arXiv 2211.00593). Those in whose prompts the
            names aren't single tokens where they should be are left out.

    Returns:
        A row for each head, and the columns:

        - ``head, layer``;
        - ``to_io, to_s1, to_s2``: attention from the last position to the indirect object and to both subject
          mentions; ``uniform_io``: what uniform attention would give each;
        - ``s2_to_s1``: attention from the second subject mention to the first; ``uniform_s2``: what is uniform there;
        - ``writes_io``: direct logit attribution, indirect object minus subject, in logits;
        - ``effect_via_queries``: the fall of the logit difference when the head's edges into the queries of later
          heads are cut with corrupt ablation, in logits; ``model_diff``: the whole model's logit difference.

    Raises:
        ValueError: if no pair has names that can be found.
    """
    net, (pairs, places) = read_network(model), name_positions(pairs, model.tokenizer)
    total: dict[str, Tensor] = {}
    for chosen, group in pairs.groups():
        runs, _ = run_layers(net, group.clean_tokens)
        pattern = torch.stack([run.pattern for run in runs])  # [layer batch head pos key]
        rows, (io, s1, s2) = torch.arange(len(group)), places[chosen].T
        numbers = {f"to_{name}": pattern[:, rows, :, -1, at] for name, at in (("io", io), ("s1", s1), ("s2", s2))}
        numbers["s2_to_s1"] = pattern[:, rows, :, s2, s1]  # the indexed axes come first: [batch layer head]
        numbers["uniform_io"] = torch.full_like(numbers["to_io"], 1 / group.clean_tokens.shape[1])
        numbers["uniform_s2"] = (1 / (s2 + 1.0)).to(pattern)[:, None, None].expand_as(numbers["to_io"])
        for name, values in numbers.items():
            total[name] = total.get(name, 0) + values.sum(0) / len(pairs)
    whole = logit_diff(logits_after(net, pairs.clean_ids)[:, 0], pairs).mean()
    via = effect_via_queries(model, pairs)
    writes = {"writes_io": name_attribution(model, pairs), "effect_via_queries": via}
    return head_table(model, total | writes | {"model_diff": whole.expand(via.shape)})


@checked
@torch.no_grad()
def name_attribution(model: Model, pairs: PromptPairs, cut: Sequence[str] = ()) -> Float[Tensor, "layer head"]:
    """What each head adds to the answer's logit minus the wrong answer's: direct logit attribution, in logits.

    Args:
        cut: heads that write their mean over the corrupt prompts instead, such as the name movers.
    """
    net, total = read_network(model), 0.0
    places = [head_place(name) for name in cut]
    for _, group in pairs.groups():
        replaced: Replaced = {}
        if places:
            other, _ = run_layers(net, group.corrupt_tokens)
            replaced = {(n, h): other[n].written[h].mean(0, keepdim=True) for n, h in places}
        runs, resid = run_layers(net, group.clean_tokens, replaced)
        direction = (against_mean(net, group.answer_ids) - against_mean(net, group.wrong_ids))[:, None]
        said = [direct_logit_attribution(net, run.written[:, :, -1], resid[:, -1], direction)[..., 0] for run in runs]
        total = total + torch.stack(said).sum(-1) / len(pairs)
    return total


@checked
def effect_via_queries(model: Model, pairs: PromptPairs) -> Float[Tensor, "layer head"]:
    """By how much the logit difference falls when a head is cut from the queries of all later heads, in logits."""
    graph = Graph.from_model(model)
    queries = torch.tensor([name.endswith("<q>") for name in graph.readers])
    whole = logit_diff(logits_after(read_network(model), pairs.clean_ids)[:, 0], pairs).mean()
    effects = torch.zeros(graph.n_layers, graph.n_heads, device=whole.device)
    for n in range(graph.n_layers - 1):  # no query stands behind the last layer
        for h in range(graph.n_heads):
            mask = graph.edges.clone()
            mask[queries, graph.source_rows(2 * n).start + h] = False
            cut = run_circuit(model, Circuit(graph, mask), pairs)
            effects[n, h] = whole - logit_diff(cut, pairs).mean()
    return effects

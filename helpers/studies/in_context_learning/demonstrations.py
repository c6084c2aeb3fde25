"""What a list's lines change: new parts of the circuit, heads that look at the lines, and what their silence costs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd
import torch

from helpers.circuits.circuit import Circuit, heads_of, random_circuit
from helpers.circuits.graph import Graph
from helpers.circuits.metrics import hit_at_k
from helpers.circuits.overlap import overlaps
from helpers.components.heads import ablate_heads, random_heads_like
from helpers.models.network import read_network
from helpers.models.run import run_layers
from helpers.prompts.pairs import PromptPairs
from helpers.searches.attribution import eap_ig
from helpers.statistics import Estimate, with_interval
from helpers.studies.in_context_learning.few_shot import FewShotPrompts, as_pairs, few_shot_pairs, part_names

LINES = ("key", "mark", "value", "separator")  # the parts that only lines have
SHARE = 0.02  # of all edges, in the circuits that are compared


def circuits_by_lines(model, shots: Sequence[FewShotPrompts], share: float = SHARE) -> dict[str, Circuit]:
    """Circuits of the same questions with and without their lines, each found twice, on two halves of the questions.

    Returns:
        ``"with lines, 1"``, ``"with lines, 2"``, ``"without, 1"``, ``"without, 2"``; the two of a kind are the
        yardstick for what two circuits of different kinds share.
    """
    n, found = int(share * Graph.from_model(model).n_edges), {}
    for kind, asked in (("with lines", list(shots)), ("without", [one.without_lines() for one in shots])):
        for half in (0, 1):
            found[f"{kind}, {half + 1}"] = eap_ig(model, few_shot_pairs(model, asked[half::2])).greedy(n)
    return found


def overlap_by_lines(circuits: Mapping[str, Circuit], draws: int = 1) -> pd.Series:
    """What circuits with and without lines share, beside yardstick and floor (Jaccard overlaps of edges).

    Args:
        circuits: four, as `circuits_by_lines` gives them.
        draws: random circuits for the floor.

    Returns:
        ``"same, with lines"`` and ``"same, without"``, the yardsticks: two circuits of one kind;
        ``"with and without"``, the mean over the four couples; ``"other heads"``, the floor: the first circuit and
        itself with the heads of each layer exchanged, the mean over draws.
    """
    shared, first = overlaps(circuits), next(iter(circuits.values()))
    exchanged = [first.jaccard(random_circuit(first.graph, like=first, seed=seed)) for seed in range(draws)]
    found = {"same, with lines": shared.iloc[0, 1], "same, without": shared.iloc[2, 3]}
    found |= {"with and without": shared.iloc[:2, 2:].to_numpy().mean(), "other heads": sum(exchanged) / draws}
    return pd.Series(found)


def new_heads(circuits: Mapping[str, Circuit]) -> list[str]:
    """The heads in every circuit whose name begins with ``"with lines"`` and in no other.

    Raises:
        ValueError: if no name does.
    """
    used = {name: set(heads_of(circuit)) for name, circuit in circuits.items()}
    shown = [used.pop(name) for name in circuits if name.startswith("with lines")]
    if not shown:
        raise ValueError(f"no circuit is named 'with lines ...'; there are {', '.join(circuits) or 'none'}")
    return sorted(set.intersection(*shown).difference(*used.values()))


@torch.no_grad()
def attention_to_lines(model, shots: Sequence[FewShotPrompts]) -> pd.DataFrame:
    """Where each head looks from the last token of a list, on the mean over the lists.

    Returns:
        Columns ``head``, the attention to ``first`` (BOS), ``key, mark, value, separator`` (of the lines), ``query,
        end`` and ``lines`` (keys, marks, values and separators), and ``uniform``, what uniform attention would give the
        lines.
    """
    net, pairs = read_network(model), as_pairs(model, shots)
    names = [part_names(model.tokenizer, one) for one in shots]
    parts = ("first", *LINES, "query", "end")
    total, uniform = torch.zeros(len(parts), len(net.layers), net.n_heads), 0.0
    for places, group in pairs.groups():
        runs, _ = run_layers(net, group.clean_tokens)
        last = torch.stack([run.pattern[:, :, -1] for run in runs]).cpu()  # [layer batch head key]
        here = [names[i] for i in places.tolist()]
        for number, part in enumerate(parts):
            mask = torch.tensor([[name == part for name in row] for row in here]).to(last)
            total[number] += torch.einsum("lbhk,bk->lh", last, mask) / len(shots)
            uniform += mask.mean(-1).sum().item() / len(shots) if part in LINES else 0.0
    table = pd.DataFrame({part: row.flatten().tolist() for part, row in zip(parts, total, strict=True)})
    table.insert(0, "head", list(Graph.from_model(model).heads))
    return table.assign(lines=table[list(LINES)].sum(axis=1), uniform=uniform)


def cost_of_silence(model, pairs: PromptPairs, heads: Sequence[str], draws: int = 10) -> dict[str, Estimate]:
    """The share of right answers with all heads, without some, and without as many others of the same layers.

    Returns:
        ``"all heads"``, ``"without"``, ``"without others"`` (the mean over draws, with an interval over prompts), and
        ``"costs more"``: by how much more the heads cost than others do, paired by prompt.

    Raises:
        ValueError: without any draw.
    """
    if draws < 1:
        raise ValueError(f"other heads have to be drawn at least once, not {draws} times")
    whole, without = (hit_at_k(ablate_heads(model, pairs, h), pairs, k=1) for h in ([], heads))
    drawn = (random_heads_like(model, heads, seed=seed) for seed in range(draws))
    chance = torch.stack([hit_at_k(ablate_heads(model, pairs, others), pairs, k=1) for others in drawn]).mean(0)
    values = {"all heads": whole, "without": without, "without others": chance, "costs more": chance - without}
    return {name: with_interval(value) for name, value in values.items()}

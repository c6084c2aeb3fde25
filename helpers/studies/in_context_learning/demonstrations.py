"""What demonstrations change: parts of the circuit, heads that look at them, and what ablating those costs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor

from helpers.circuits.ablation import in_places
from helpers.circuits.circuit import Circuit, heads_of, random_circuit
from helpers.circuits.graph import Graph, head_place
from helpers.circuits.metrics import hit_at_k
from helpers.circuits.overlap import overlaps
from helpers.models.network import read_network
from helpers.models.run import attention_out, forward
from helpers.prompts.pairs import PromptPairs
from helpers.searches.attribution import eap_ig
from helpers.statistics import Estimate, with_interval
from helpers.studies.in_context_learning.few_shot import FewShotPrompts, part_names
from helpers.studies.in_context_learning.list_pairs import as_pairs, few_shot_pairs, query_pairs

SHOWN = ("input", "delimiter", "label", "separator")  # the parts that only demonstrations have
PARTS = ("first", *SHOWN, "query", "end")
KINDS = ("sentence", "query", "all")


def circuits_by_kind(
    model, sentences: Sequence[PromptPairs], shots: Sequence[FewShotPrompts], n: int
) -> dict[str, Circuit]:
    """Circuits of ``n`` edges of a relation's sentences and lists, each found twice, on two halves.

    Args:
        sentences: two sets of pairs, with another subject in the corrupt prompt.
        shots: lists; every other one is of the second half.

    Returns:
        ``"sentence 1"``, ``"sentence 2"``; ``"query 1"``, ...: only the query of the list is swapped; ``"all 1"``, ...:
        its demonstrations are of another relation, too.
    """
    found = {}
    for half in (0, 1):
        made = sentences[half], query_pairs(model, shots[half::2]), few_shot_pairs(model, shots[half::2])
        found |= {f"{kind} {half + 1}": eap_ig(model, pairs).greedy(n) for kind, pairs in zip(KINDS, made, strict=True)}
    return found


def overlaps_by_kind(circuits: Mapping[str, Circuit], draws: int = 10) -> pd.DataFrame:
    """What circuits of two kinds share (Jaccard overlap of edges), and what they share with permuted heads.

    Returns:
        Columns ``first, second`` (`KINDS`), ``shared``, ``permuted``. Two of one kind are the test-retest overlap.
    """
    table, rows = overlaps(circuits), []
    for place, first in enumerate(KINDS):
        for second in KINDS[place:]:
            couples = [(f"{first} 1", f"{second} 2"), (f"{first} 2", f"{second} 1")][: 1 + (first != second)]
            shared = sum(table.loc[couple] for couple in couples) / len(couples)
            one, other = (circuits[name] for name in couples[0])
            permuted = [one.jaccard(random_circuit(one.graph, like=other, seed=seed)) for seed in range(draws)]
            rows.append((first, second, shared, sum(permuted) / draws))
    return pd.DataFrame(rows, columns=["first", "second", "shared", "permuted"])


def circuit_counts(circuits: Mapping[str, Circuit]) -> pd.DataFrame:
    """For each head, how many of a kind's two circuits use it: columns ``head``, ``circuits sentence``, ..."""
    used = {name: set(heads_of(circuit)) for name, circuit in circuits.items()}
    heads = next(iter(circuits.values())).graph.heads
    counts = {
        f"circuits {kind}": [sum(h in used[f"{kind} {half}"] for half in (1, 2)) for h in heads] for kind in KINDS
    }
    return pd.DataFrame({"head": list(heads)} | counts)


def new_heads(counts: pd.DataFrame) -> list[str]:
    """The heads that both circuits of lists use, and no circuit of sentences (`circuit_counts`)."""
    return counts["head"][(counts["circuits all"] == 2) & (counts["circuits sentence"] == 0)].tolist()


@torch.no_grad()
def attention_by_part(model, shots: Sequence[FewShotPrompts]) -> pd.DataFrame:
    """Where each head looks from the last token of a list, on the mean over the lists.

    Returns:
        Columns ``head``, and for each of `PARTS` the attention to it and, as ``even input`` and so on, what uniform
        attention would give it: its share of all tokens. Their ratio says how much *one* of its tokens gets.
    """
    net, pairs = read_network(model), as_pairs(model, shots)
    names = [part_names(model.tokenizer, one) for one in shots]
    total, even = torch.zeros(len(PARTS), len(net.layers), net.n_heads), torch.zeros(len(PARTS))
    for places, group in pairs.groups():
        steps = forward(net, net.embed(group.clean_tokens))
        last = torch.stack(
            [step.pattern[:, :, -1] for step in steps if not step.is_mlp]
        ).cpu()  # [layer batch head key]
        here = [names[i] for i in places.tolist()]
        for number, part in enumerate(PARTS):
            mask = torch.tensor([[name == part for name in row] for row in here]).to(last)
            total[number] += torch.einsum("lbhk,bk->lh", last, mask) / len(shots)
            even[number] += mask.mean(-1).sum().cpu() / len(shots)
    table = pd.DataFrame({part: row.flatten().tolist() for part, row in zip(PARTS, total, strict=True)})
    table.insert(0, "head", list(Graph.from_model(model).heads))
    return table.assign(**{f"even {part}": share for part, share in zip(PARTS, even.tolist(), strict=True)})


@torch.no_grad()
def without_heads(
    model, pairs: PromptPairs, sets: Mapping[str, Sequence[str]]
) -> dict[str, Float[Tensor, "batch d_vocab"]]:
    """The logits after the clean prompts when the heads of one set at a time write nothing (zero ablation).

    As `helpers.components.heads.ablate_heads` for several sets: what comes before a set's first head is run once.
    """
    net, found = read_network(model), {name: [] for name in sets}
    places = {name: [head_place(head) for head in heads] for name, heads in sets.items()}
    for rows, group in pairs.groups():
        before = [step.resid for step in forward(net, net.embed(group.clean_tokens))]
        for name, chosen in places.items():
            first = 2 * min((layer for layer, _ in chosen), default=len(net.layers) - 1)
            for step in forward(net, before[first], first):
                silent = [head for layer, head in chosen if 2 * layer == step.sublayer]
                if silent:
                    z = step.z.clone()
                    z[:, :, silent] = 0
                    step.after = step.resid + attention_out(step.layer, z)
            found[name].append((rows, net.unembed(step.after[:, -1])))
    return {name: in_places(parts) for name, parts in found.items()}


def ablation_cost(
    model, pairs: PromptPairs, heads: Sequence[str], others: Sequence[Sequence[str]]
) -> dict[str, Estimate]:
    """The share of right answers with all heads, without some, and without others in their place.

    Args:
        others: several draws of other heads.

    Returns:
        ``"all heads"``, ``"without"``, ``"without others"`` (the mean over draws, with an interval over prompts), and
        ``"costs more"``: by how much more the heads cost than others do, paired by prompt.

    Raises:
        ValueError: without any draw.
    """
    if not others:
        raise ValueError("other heads have to be drawn at least once: give a list of sets")
    sets = {"all": (), "heads": heads} | {f"other {number}": drawn for number, drawn in enumerate(others)}
    logits = without_heads(model, pairs, sets)
    whole, without, *drawn = (hit_at_k(own, pairs, k=1) for own in logits.values())
    chance = torch.stack(drawn).mean(0)
    values = {"all heads": whole, "without": without, "without others": chance, "costs more": chance - without}
    return {name: with_interval(value) for name, value in values.items()}

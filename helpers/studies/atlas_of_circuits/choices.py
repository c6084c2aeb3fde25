"""What a sweep can be asked for beyond single names: groups of relations, and the circuit that keeps a share."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import replace
from functools import partial
from pathlib import Path

from helpers.circuits.ablation import Ablation
from helpers.circuits.circuit import Circuit
from helpers.circuits.evaluation import baselines, faithfulness
from helpers.circuits.metrics import Metric, logit_diff
from helpers.circuits.scores import Scores
from helpers.prompts.pairs import PromptPairs
from helpers.prompts.relations import KINDS, Relation, read_relation, relation, relations


def smallest_circuit(
    model,
    scores: Scores,
    pairs: PromptPairs,
    share: float,
    metric: Metric = logit_diff,
    *,
    ablation: Ablation = "corrupt",
) -> Circuit:
    """The smallest circuit of a ranking that keeps a share of the metric, found by halving intervals.

    Sizes grow by a tenth; where faithfulness falls and rises again, it is one of the sizes at which it crosses.
    """
    total, sizes = scores.graph.n_edges, [1]
    while sizes[-1] < total:
        sizes.append(min(total, max(sizes[-1] + 1, int(1.1 * sizes[-1]))))
    scale = baselines(model, pairs, metric, ablation)
    kept = partial(faithfulness, model, pairs=pairs, metric=metric, ablation=ablation, scale=scale)
    place = bisect_left(sizes, share, hi=len(sizes) - 1, key=lambda n: kept(scores.greedy(n)))
    return scores.greedy(sizes[place])


def chosen_relations(names: Iterable[str]) -> list[Relation]:
    """Relations by what a command line calls them.

    Args:
        names: names of relations; ``all``; a kind of knowledge (`KINDS`); a JSON file in the layout of `read_relation`;
            ``NAME:each`` for each group of a relation's facts as one of its own, ``person_hometown:each`` for instance.

    Raises:
        FileNotFoundError: for a file that is missing.
        ValueError: for a name that is none of these (the message lists the choices), and for different relations of
            one name, of which a table could hold only one.
    """
    found: dict[str, Relation] = {}
    for name in names:
        for one in _relations_called(name):
            if found.setdefault(one.name, one) != one:
                raise ValueError(f"two relations are called {one.name!r}; give your own file {name} another name")
    return list(found.values())


def _relations_called(name: str) -> Iterable[Relation]:
    base, _, part = name.partition(":")
    if name == "all" or name in KINDS:
        return relations(*(() if name == "all" else (name,))).values()
    if name.endswith(".json"):
        path = Path(name).expanduser()
        if not path.is_file():
            raise FileNotFoundError(f"{path} is no file; give a relation in the layout of the LRE data set")
        return [read_relation(path)]
    return _groups(relation(base)).values() if part == "each" else [relation(name)]


def _groups(whole: Relation) -> dict[str, Relation]:
    groups = [group for group in dict.fromkeys(fact.group for fact in whole.facts) if group]
    if not groups:
        raise ValueError(f"the facts of {whole.name} have no groups")
    parts = {f"{whole.name}:{group}": tuple(f for f in whole.facts if f.group == group) for group in groups}
    return {name: replace(whole, name=name, facts=facts) for name, facts in parts.items()}

"""How good each search's circuits are on held-out pairs, and what of them stays in other pairs.

``make tables NAME=which_search`` writes ``judged_circuits`` and ``judged_stability``. All circuits are grown from the
logits (`Scores.greedy`), those of the baselines too, and what is outside carries the corrupt prompts' writes. Two areas
sum a search up (MIB, arXiv 2504.13151, section 3): **CPR**, under faithfulness over the share of edges in the circuit,
and **CMD**, between faithfulness and 1; trapezoids over their ten sizes, from 0.1 % to all. Sizes above 10 % make up
nine tenths of both, and there nearly all circuits are alike. So there are two more, over the logarithm of the six sizes
of the table and divided by its range: **small CPR** and **small CMD**, a mean of faithfulness and of its distance to 1.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import pandas as pd
import torch
from jaxtyping import Float, Int
from torch import Tensor
from tqdm.auto import tqdm

from helpers.circuits.ablation import run_circuits
from helpers.circuits.circuit import Circuit
from helpers.circuits.evaluation import SIZES as SHARES
from helpers.circuits.evaluation import Baselines, baselines, recovered
from helpers.circuits.graph import Graph
from helpers.circuits.metrics import logit_diff
from helpers.circuits.scores import Scores
from helpers.circuits.stability import stability
from helpers.prompts.pairs import PromptPairs
from helpers.statistics import Estimate, bootstrap, exact_interval, with_interval
from helpers.studies.tables import Load, Write, write_parts
from helpers.studies.which_search.candidates import BASELINES, SEARCHES, Search
from helpers.studies.which_search.tasks import REFERENCE, TASKS, Task, another_task, searches_for, task_pairs

SIZES = {"atlas": (25, 50, 100, 200, 400, 800), "smollm2": (50, 100, 200, 400, 800, 1600)}
COMPARED = {"atlas": 100, "smollm2": 400}  # edges of the circuits whose overlaps are measured
CHANCE, DRAWS = 3, 10  # draws of the baselines that are drawn; draws of pairs for stability
DRAWN = ("random", "head-permuted")
Faithfulness = Float[Tensor, "size *resample"]


@dataclass(frozen=True)
class Sizes:
    """At how many edges a search is judged: the table's few, and MIB's shares of all edges.

    Attributes:
        edges: all of them, the smallest first; the last is the whole model.
    """

    few: tuple[int, ...]
    total: int

    @property
    def shares(self) -> tuple[int, ...]:
        """MIB's shares as numbers of edges."""
        return tuple(int(share * self.total) for share in SHARES)

    @property
    def edges(self) -> tuple[int, ...]:
        """Few and shares together, each once."""
        return tuple(sorted({*self.few, *self.shares}))

    def measures(self) -> dict[tuple[str, int | None], Callable[[Faithfulness], Tensor]]:
        """What is made of faithfulness at `edges`: (name, edges if it is of one size) -> the function."""
        few, shares = (torch.tensor([self.edges.index(n) for n in part]) for part in (self.few, self.shares))
        octaves, linear = torch.tensor(self.few).double().log2(), torch.tensor(SHARES).double()
        octaves = (octaves - octaves[0]) / (octaves[-1] - octaves[0])
        single = {("faithfulness", n): lambda kept, at=at: kept[at] for n, at in zip(self.few, few, strict=True)}
        return single | {
            ("CPR", None): lambda kept: area(kept[shares], linear),
            ("CMD", None): lambda kept: area((1 - kept[shares]).abs(), linear),
            ("small CPR", None): lambda kept: area(kept[few], octaves),
            ("small CMD", None): lambda kept: area((1 - kept[few]).abs(), octaves),
        }


def area(heights: Faithfulness, places: Float[Tensor, " size"]) -> Float[Tensor, "*resample"]:
    """The area under straight lines between heights."""
    return torch.trapezoid(heights.movedim(0, -1), places)


def kept(model, scores: Scores, pairs: PromptPairs, sizes: Sizes, scale: Baselines) -> Float[Tensor, "size pair"]:
    """The logit difference of each pair in circuits of all sizes; with all edges it is the model's."""
    circuits = [scores.greedy(n) for n in sizes.edges[:-1]]
    logits = run_circuits(model, circuits, pairs, "corrupt")
    return torch.stack([*(logit_diff(part, pairs).float() for part in logits), scale.full])


def estimates(
    values: Float[Tensor, "size pair"],
    scale: Baselines,
    sizes: Sizes,
    reference: Float[Tensor, "size pair"] | None = None,
) -> Iterator[dict[str, object]]:
    """All measures with intervals from drawing the pairs again.

    Args:
        reference: the values of another search; ``beyond`` is how much more than that one's the measure is, from the
            same pairs in each resample (so it may be told from 0 where the two intervals overlap).
    """

    def at(who: Float[Tensor, "size pair"], places: Int[Tensor, "*resample pair"]) -> Faithfulness:
        values, full, ablated = (part.double()[..., places.long()] for part in (who, scale.full, scale.ablated))
        return recovered(values, full, ablated)

    everyone = torch.arange(values.shape[1])
    for (name, edges), measure in sizes.measures().items():
        found = bootstrap(lambda places, measure=measure: measure(at(values, places)), everyone)
        row = dict(measure=name, edges=edges) | _named(found, "value", "low", "high")
        if reference is not None:
            more = bootstrap(
                lambda places, measure=measure: measure(at(values, places)) - measure(at(reference, places)), everyone
            )
            row |= _named(more, "beyond", "beyond_low", "beyond_high")
        yield row


def _named(estimate: Estimate, *names: str) -> dict[str, float]:
    return dict(zip(names, estimate.row(), strict=True))


def circuit_rows(
    model, searches: Mapping[str, Search], draws: list[PromptPairs], test: PromptPairs, sizes: Sizes
) -> Iterator[dict[str, object]]:
    """Every search's circuits, found in the first draw of pairs, and judged on others.

    Baselines that are drawn themselves (`DRAWN`) are drawn for each of ``draws``: a row for each, numbered by ``draw``.
    """
    scale, reference = baselines(model, test), None
    for name in sorted(searches, key=lambda name: name != REFERENCE):  # the reference first
        for number, pairs in enumerate(draws if name in DRAWN else draws[:1]):
            values = kept(model, searches[name](model, pairs), test, sizes, scale)
            reference = values if name == REFERENCE else reference
            row = dict(search=name, draw=number, pairs=len(test))
            yield from (row | found for found in estimates(values, scale, sizes, reference))


def task_circuits(model, task: Task) -> pd.DataFrame:
    """The rows of a task."""
    draws = [task_pairs(model, task.name, seed=seed) for seed in range(CHANCE)]
    sizes = Sizes(SIZES[task.model], Graph.from_model(model).n_edges)
    rows = circuit_rows(model, searches_for(task), draws, task_pairs(model, task.name, "test"), sizes)
    return pd.DataFrame(rows).assign(**_of(task))


def _of(task: Task) -> dict[str, str]:
    return dict(model=task.model, task=task.name, kind=task.kind)


def stability_rows(
    model, search: Search, pairs: PromptPairs, another: Circuit, draws: int = DRAWS
) -> Iterator[dict[str, object]]:
    """What stays of a search in resampled pairs, as many edges being taken as ``another`` task's circuit has.

    Yields:
        ``another draw``: the mean overlap (Jaccard) of two draws' circuits; ``another task``: of a draw's circuit and
        the other task's. ``one sign`` and ``one sign, in a circuit``: the share of edges whose scores have one sign in
        all draws, of all edges and of those in some draw's circuit; of fair coins, 2 to the power of 1 - draws. Its
        interval is exact, for independent edges. No share for a search whose scores are never negative, such as ranks.
        ``n`` is what each is a mean over: draws, or edges.
    """
    negative = False

    def noted(model, drawn: PromptPairs) -> Scores:
        nonlocal negative
        scores = search(model, drawn)
        negative = negative or bool((scores.values < 0).any())
        return scores

    found = stability(model, noted, pairs, size=another.n_edges, draws=draws)
    yield dict(measure="another draw", n=draws) | _named(found.jaccard, "value", "low", "high")
    others = with_interval(circuit.jaccard(another) for circuit in found.circuits)
    yield dict(measure="another task", n=draws) | _named(others, "value", "low", "high")
    union = torch.stack([circuit.mask for circuit in found.circuits]).any(0)
    for name, edges in (("one sign", another.graph.edges), ("one sign, in a circuit", union)):
        if negative:
            share = exact_interval(int((found.same_sign & edges).sum()), int(edges.sum()))
            yield dict(measure=name, n=int(edges.sum())) | _named(share, "value", "low", "high")


def task_stability(model, task: Task) -> pd.DataFrame:
    """The rows of a task: all searches that aren't slow, and the baselines."""
    pairs, size, rows = task_pairs(model, task.name), COMPARED[task.model], []
    another = another_task(task)(model, pairs).top(size)
    for name, search in (SEARCHES | BASELINES).items():
        own = dict(search=name, draws=DRAWS, pairs=len(pairs), size=size)
        rows += [own | row for row in stability_rows(model, search, pairs, another)]
    return pd.DataFrame(rows).assign(**_of(task))


def write_tables(load: Load, write: Write) -> None:
    """Judge all searches by their circuits, task by task."""
    models = {name: load(name) for name in dict.fromkeys(task.model for task in TASKS)}
    write_parts(write, "judged_circuits", (task_circuits(models[task.model], task) for task in tqdm(TASKS)))
    write_parts(write, "judged_stability", (task_stability(models[task.model], task) for task in tqdm(TASKS)))

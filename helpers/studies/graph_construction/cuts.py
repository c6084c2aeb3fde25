"""Many single cuts at once: what each costs, pair by pair; and a walk that keeps those that cost enough."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from helpers.circuits.ablation import Ablation, PatchingRun, in_places, scenes
from helpers.circuits.graph import Graph
from helpers.circuits.incremental import MaskedRun, sublayer_of
from helpers.circuits.metrics import logit_diff
from helpers.models.run import final_residual, repeat_past
from helpers.prompts.pairs import PromptPairs

TOKENS_AT_ONCE = 2048  # more don't fit into a processor's caches, and are slower


Cut = str | Sequence[str]  # an edge, or several into one reader that are cut together


@torch.no_grad()
def cut_costs(
    model, cuts: Sequence[Cut], pairs: PromptPairs, ablation: Ablation = "corrupt", reference: PromptPairs | None = None
) -> Float[Tensor, "cut batch"]:
    """How much the logit difference falls with each of some cuts, all other edges kept, for each pair.

    The same as running the circuit of all other edges (`run_circuit`), cut by cut; but what comes before a cut is run
    once, and cuts into the same reader go through the model together.

    Args:
        reference: for ``"mean"``, the pairs whose corrupt prompts the mean is taken over.

    Raises:
        ValueError: for a name that isn't an edge of the model's graph, or a cut into several readers.
    """
    graph = Graph.from_model(model)
    by_reader, parts = _by_reader(graph, cuts), []
    for places, scene in scenes(model, pairs, ablation, reference=reference):
        run = MaskedRun(scene, graph, graph.edges)
        whole = scene.measure_residual(logit_diff, run.inputs[-1][:, -1])
        fall = torch.zeros(len(cuts), len(scene.pairs))
        size = max(1, TOKENS_AT_ONCE // scene.embed.shape[:2].numel())
        for reader, own in by_reader.items():
            for some in torch.tensor([*own]).split(size):
                change = -torch.stack([run.differences[own[n]].sum(0) for n in some.tolist()])
                final = _final_with(run, scene, reader, change)
                fall[some] = (whole - scene.measure_residual(logit_diff, final)).cpu().float()
        parts.append((places, fall.T))
    return in_places(parts).T


def _by_reader(graph: Graph, cuts: Sequence[Cut]) -> dict[int, dict[int, list[int]]]:
    """Reader -> number of the cut -> its sources."""
    found: dict[int, dict[int, list[int]]] = {}
    for number, cut in enumerate(cuts):
        readers, sources = zip(*map(graph.place, [cut] if isinstance(cut, str) else cut), strict=True)
        if len(set(readers)) > 1:
            raise ValueError(f"a cut is of edges into one reader, not into {len(set(readers))}")
        found.setdefault(readers[0], {})[number] = list(sources)
    return found


def _final_with(
    run: MaskedRun, scene: PatchingRun, reader: int, change: Float[Tensor, "trial batch pos d_model"]
) -> Float[Tensor, "trial_and_batch d_model"]:
    """The final residual if so much were added to one reader's input, one trial after the other."""
    graph = run.graph
    following = sublayer_of(graph, reader) + 1
    if following > 2 * graph.n_layers:
        return (run.inputs[-1] + change)[:, :, -1].flatten(0, 1)
    resid = run.inputs[graph.reader_rows(following).start] + run.own_change(reader, change)
    return final_residual(run.net, resid.flatten(0, 1), following, repeat_past(scene.past, len(change)))


def edges_into(graph: Graph, reader: str) -> list[str]:
    """The names of all edges that lead into a reader."""
    row = graph.edges[graph.readers.index(reader)]
    return [f"{graph.sources[i]}->{reader}" for i in row.nonzero().flatten().tolist()]


def readers_of(graph: Graph, source: str) -> list[str]:
    """What a source reads with: query, key and value of a head, the MLP itself, nothing for the embedding."""
    row = graph.sources.index(source)
    return [graph.readers[i] for i in graph.feeds[:, row].nonzero().flatten().tolist()]

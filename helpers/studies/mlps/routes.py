"""Where an answer is looked up, by how many tokens the subject has: MLPs, heads and edges cut, window by window.

``make tables NAME=smollm2_mlps`` writes the table of SmolLM2: ``smollm2_mlps``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import pandas as pd
import torch

from helpers.circuits.ablation import run_circuits
from helpers.circuits.circuit import Circuit
from helpers.circuits.evaluation import edges_from
from helpers.circuits.graph import Graph
from helpers.circuits.metrics import logit_diff
from helpers.models.network import read_network
from helpers.models.predict import token_span
from helpers.models.run import forward, residuals, resume
from helpers.prompts.facts import TooFewPairs, known_facts, relation_pairs, split_of
from helpers.prompts.pairs import PromptPairs
from helpers.prompts.relations import Fact, Relation, relation
from helpers.statistics import Estimate, with_interval
from helpers.studies.mlps.cuts import At, split_positions, sublayer_writes
from helpers.studies.tables import Load, Write, write_parts

PLACES: tuple[At, ...] = ("subject_rest", "subject_last", "other", "last")
TOKENS = ("1", "2", "3", "4")  # of a subject; longer ones have too many lengths
PAIRS, FEWEST = 12, 6
# SmolLM2's layers, in windows that are cut together; the first MLP alone.
WINDOWS = (range(1), range(1, 5), *(range(n, n + 5) for n in range(5, 30, 5)))
# Relations whose subject isn't the prompt's first token, with a template that SmolLM2 knows well.
ASKED = {"country_capital": 0, "capital_country": 3, "landmark_country": 4, "person_occupation": 2}


def pairs_by_tokens(model, asked: Relation, template: int, pairs: int = PAIRS) -> Iterator[tuple[str, PromptPairs]]:
    """Pairs of known facts by how many tokens their subjects have; groups of fewer than `FEWEST` are left out."""
    groups: dict[str, list[Fact]] = {name: [] for name in TOKENS}
    held_out = [fact for fact in asked.facts if split_of(fact) == "test"]
    for fact in known_facts(model, asked, held_out, template):
        span = token_span(model.tokenizer, asked.prompt(fact, template), asked.place(fact, template))
        groups.get(str(span.stop - span.start), []).append(fact)
    for name, facts in groups.items():
        table = replace(asked, facts=tuple(facts))
        for n in range(pairs, FEWEST - 1, -1):
            try:
                yield name, relation_pairs(model, table, n, split="test", paraphrase=template, known=False)
                break
            except TooFewPairs:
                continue


@torch.no_grad()
def window_effects(
    model, pairs: PromptPairs, windows: Sequence[range], *, at: Sequence[At] = PLACES, part: str = "MLP"
) -> pd.DataFrame:
    """What the MLPs (or attentions) of some layers together are worth at some positions, pair by pair.

    They write there what they write in the corrupt prompt.

    Returns:
        Columns ``pair, layers`` (such as ``5-9``), ``at, part``, and in logits ``fall``, by which the logit difference
        falls, and ``whole``, by which it falls in the corrupt prompt.
    """
    net, rows = read_network(model), []
    for chosen, group in pairs.groups():
        other, stops = sublayer_writes(net, group.corrupt_tokens), residuals(net, group.clean_tokens)
        clean = logit_diff(net.unembed(stops[-1][:, -1]), group)
        whole = (clean - logit_diff(resume(net, net.embed(group.corrupt_tokens)), group)).tolist()
        masks = torch.cat([split_positions(group, place) for place in at])[..., None].to(stops.device)
        for window in windows:
            first = 2 * window[0] + (part == "MLP")
            for step in forward(net, stops[first].repeat(len(at), 1, 1), first):
                layer = step.sublayer // 2
                if step.is_mlp == (part == "MLP") and layer in window:
                    step.write(torch.where(masks, other[layer, part].repeat(len(at), 1, 1), step.written))
            logits = net.unembed(step.after[:, -1]).unflatten(0, (len(at), -1))
            for place, cut in zip(at, logits, strict=True):
                columns = {"pair": chosen.tolist(), "layers": named(window), "at": place, "part": part}
                numbers = {"fall": (clean - logit_diff(cut, group)).tolist(), "whole": whole}
                rows.append(pd.DataFrame(columns | numbers))
    return pd.concat(rows, ignore_index=True)


def named(window: range) -> str:
    """A window of layers as text."""
    return f"{window[0]}" if len(window) == 1 else f"{window[0]}-{window[-1]}"


def edge_cuts(graph: Graph) -> dict[str, list[str]]:
    """Edges from the first half of the layers into the values of the heads of the second half, by their source."""
    half = graph.n_layers // 2
    first, late = ([f"a{n}.h{h}" for n in some for h in range(graph.n_heads)] for some in _halves(graph, half))
    sources = {
        "all MLPs": [f"m{n}" for n in range(half)],
        "first MLP": ["m0"],
        "later MLPs": [f"m{n}" for n in range(1, half)],
        "heads": first,
        "embedding": ["embed"],
    }
    return {name: edges_from(graph, some, late, "v") for name, some in sources.items()}


def _halves(graph: Graph, half: int) -> tuple[range, range]:
    return range(half), range(half, graph.n_layers)


def edge_effects(model, pairs: PromptPairs) -> pd.DataFrame:
    """What the edges of `edge_cuts` are worth, pair by pair: columns ``pair, source, fall, whole``, in logits."""
    graph = Graph.from_model(model)
    cuts, full = edge_cuts(graph), Circuit.full(graph)
    circuits = [full - Circuit.from_edges(graph, edges) for edges in cuts.values()]
    logits = run_circuits(model, [Circuit.empty(graph), *circuits], pairs, "corrupt", whole=True)
    clean, nothing, *others = (logit_diff(row, pairs) for row in logits)
    parts = [pd.DataFrame({"source": n, "fall": (clean - o).tolist()}) for n, o in zip(cuts, others, strict=True)]
    return pd.concat([part.assign(pair=range(len(pairs)), whole=(clean - nothing).tolist()) for part in parts])


def shares(falls: pd.DataFrame, by: Sequence[str]) -> pd.DataFrame:
    """Shares of the logit difference, as ratios of sums over the pairs, with the number of pairs in ``facts``."""
    sums = falls.groupby(list(by), sort=False).agg(fall=("fall", "sum"), whole=("whole", "sum"), facts=("fall", "size"))
    return (sums.fall / sums.whole).to_frame("share").assign(facts=sums.facts).reset_index()


def estimate(falls: pd.DataFrame) -> Estimate:
    """The share of the logit difference, ratio of means, with its interval over pairs."""
    return with_interval(falls.fall / falls.whole.mean())


def relation_rows(model, name: str, template: int) -> Iterator[pd.DataFrame]:
    """The rows of a relation: windows of MLPs by place, and edges by source."""
    for tokens, pairs in pairs_by_tokens(model, relation(name), template):
        windows = shares(window_effects(model, pairs, WINDOWS), ("part", "layers", "at"))
        edges = shares(edge_effects(model, pairs), ("source",)).assign(part="edges")
        yield pd.concat([windows, edges]).assign(relation=name, tokens=tokens)


def write_tables(load: Load, write: Write) -> None:
    """Measure SmolLM2."""
    model = load("smollm2")
    parts = (rows for asked in ASKED.items() for rows in relation_rows(model, *asked))
    write_parts(write, "smollm2_mlps", parts)

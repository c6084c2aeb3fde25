"""The atlas: a circuit of each relation from each half of its facts, in SmolLM2 and in both seeds of Atlas.

``make tables NAME=map`` writes ``map_circuits`` (all of them), ``map_methods`` (another search on the same pairs, in
Atlas), ``map_exposures`` (home towns by how often they were stated) and ``map_names`` (people by the length of names).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

import pandas as pd
from tqdm.auto import tqdm

from helpers.circuits.circuit import Circuit, random_circuit
from helpers.circuits.evaluation import baselines, evaluate_circuit, faithfulness
from helpers.circuits.graph import Graph
from helpers.circuits.metrics import hit_at_k
from helpers.prompts.facts import TooFewPairs, relation_pairs
from helpers.prompts.pairs import PromptPairs
from helpers.prompts.relations import Relation, relation
from helpers.searches.acdc import acdc
from helpers.searches.attribution import eap_ig
from helpers.studies.asked_relations import REAL_MODEL, asked_templates
from helpers.studies.atlas_of_circuits.choices import chosen_relations, smallest_circuit
from helpers.studies.tables import Load, Write, read_table, write_parts

MODELS = (REAL_MODEL, "atlas2", "atlas2-seed1")
SIZED = MODELS[1:]  # SmolLM2's circuits of several sizes are in the table ``smollm2_circuits``
HALVES = ("train", "test")  # of a relation's facts: no subject is in both
PAIRS = 20  # of each half: a circuit is found on those of one, and judged on those of the other
KEEP = 0.9  # of the logit difference on the pairs of its own half: what a relation *needs* is the fewest edges for that
SIZE = {REAL_MODEL: 400, "atlas2": 100}  # edges at which circuits are compared: as in chapter 21
GRAPHS = {REAL_MODEL: Graph(30, 9, 3), "atlas2": Graph(8, 6, 6)}
TAU, EVERY = 0.1, 3  # ACDC's threshold, in logits; it searches every third relation
WORDS = (":one word", ":2 words")  # of a person's name
TOWNS, DRAWS, FEWER = "person_hometown:each", 8, 10  # samples of facts of each group, of so many pairs


def both_halves(model, asked: Relation, template: int) -> dict[str, PromptPairs]:
    """Pairs of both halves of a relation's facts.

    Raises:
        TooFewPairs: if the model knows too little of one half.
    """
    return {half: relation_pairs(model, asked, PAIRS, split=half, paraphrase=template) for half in HALVES}


def measured(model, circuit: Circuit, pairs: PromptPairs) -> dict[str, float]:
    """What a circuit keeps on pairs, with random edges and permuted heads of its size beside it."""
    scale = baselines(model, pairs)
    row = evaluate_circuit(model, circuit, pairs, scale)
    for name, like in (("random", {"n": circuit.n_edges}), ("permuted", {"like": circuit})):
        row[name] = float(faithfulness(model, random_circuit(circuit.graph, **like), pairs, scale=scale))
    row["model_hit1"] = hit_at_k(pairs.clean_logits(model), pairs, 1).mean().item()
    return row


def relation_rows(model, name: str, template: int, size: int, sized: bool) -> Iterator[dict[str, object]]:
    """A row for each half: its ``circuit``; the fewest edges that keep `KEEP`, and what they keep of the other half.

    Args:
        size: the edges of ``circuit``; none is kept for 0.
        sized: whether the fewest edges are looked for.
    """
    asked = relation(name)
    halves = both_halves(model, asked, template)
    for half, other in zip(HALVES, reversed(HALVES), strict=True):
        scores = eap_ig(model, halves[half])
        row = {"relation": name, "kind": asked.kind, "half": half}
        if sized:
            needed = smallest_circuit(model, scores, halves[half], KEEP)
            row |= {"needed": needed.n_edges} | measured(model, needed, halves[other])
        yield row | {"circuit": " ".join(scores.greedy(size).edges) if size else ""}


def method_row(model, name: str, template: int) -> dict[str, object]:
    """ACDC's circuit of a relation beside EAP-IG's of as many edges, from the same pairs."""
    halves = both_halves(model, relation(name), template)
    found = acdc(model, halves["train"], tau=TAU)
    other = eap_ig(model, halves["train"]).greedy(found.n_edges)
    chance = found.jaccard(random_circuit(other.graph, like=other))
    kept = (float(faithfulness(model, circuit, halves["test"])) for circuit in (found, other))
    shares = {"shared": found.jaccard(other), "chance": chance}
    return {"relation": name, "edges": found.n_edges, **dict(zip(("acdc", "eap_ig"), kept, strict=True)), **shares}


def sample_rows(model, group: Relation, draws: int) -> Iterator[dict[str, object]]:
    """What samples of the facts of one group need: each draw takes other pairs, each half of the facts has its own."""
    for draw in range(draws):
        for half, other in zip(HALVES, reversed(HALVES), strict=True):
            pairs, judged = (relation_pairs(model, group, FEWER, seed=draw, split=part) for part in (half, other))
            needed = smallest_circuit(model, eap_ig(model, pairs), pairs, KEEP)
            row = {"relation": group.name, "draw": draw, "half": half, "needed": needed.n_edges}
            yield row | {"kept": float(faithfulness(model, needed, judged))}


def named_people() -> list[Relation]:
    """What Atlas was told of its invented people, of those with a name of one word and of two, apart."""
    groups = chosen_relations(f"{name}:each" for name in asked_templates("atlas2") if name.startswith("resident_"))
    return [group for group in groups if group.name.endswith(WORDS)]


def read_map(model: str, half: str = "train") -> dict[str, Circuit]:
    """The committed circuits of all relations from one half of their facts."""
    table = read_table("map_circuits").query("model == @model and half == @half")
    return {row.relation: Circuit.from_edges(GRAPHS[model], row.circuit.split()) for row in table.itertuples()}


Rows = Callable[[str], Iterable[dict[str, object]]]  # of a relation


def _asked(rows: Rows, names: Sequence[str]) -> Iterator[pd.DataFrame]:
    for name in tqdm(names):
        try:
            yield pd.DataFrame(rows(name))
        except TooFewPairs:
            continue


def _circuits(model, name: str) -> Iterator[pd.DataFrame]:
    templates = asked_templates(name)
    size, sized = SIZE.get(name, 0), name in SIZED
    parts = _asked(lambda asked: relation_rows(model, asked, templates[asked], size, sized), list(templates))
    yield from (part.assign(model=name) for part in parts)


def write_tables(load: Load, write: Write) -> None:
    """Find, judge and keep the circuits of all relations that a model knows in both halves."""
    model, templates = load("atlas2"), asked_templates("atlas2")
    towns = {group.name: group for group in chosen_relations([TOWNS])}
    write_parts(write, "map_exposures", _asked(lambda name: sample_rows(model, towns[name], DRAWS), list(towns)))
    names = {group.name: group for group in named_people()}
    write_parts(write, "map_names", _asked(lambda name: sample_rows(model, names[name], 1), list(names)))
    write_parts(write, "map_circuits", (part for name in MODELS for part in _circuits(load(name), name)))
    methods = _asked(lambda name: [method_row(model, name, templates[name])], list(templates)[::EVERY])
    write_parts(write, "map_methods", methods)

"""Circuits of SmolLM2's relations: found on one half of the facts, judged on the other, beside three opponents."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

import pandas as pd

from helpers.circuits.circuit import Circuit, random_circuit
from helpers.circuits.evaluation import Baselines, baselines, evaluate_circuit
from helpers.circuits.metrics import HITS, logit_diff
from helpers.circuits.scores import Scores
from helpers.prompts.facts import TooFewPairs, relation_pairs
from helpers.prompts.pairs import PromptPairs
from helpers.searches.acdc import acdc
from helpers.searches.attribution import eap_ig
from helpers.studies.tables import Load, Write, read_table, write_parts

SIZES = (50, 100, 200, 400, 800, 1600)
COMPARED = 400  # edges at which opponents and draws are compared
KNOWN, PAIRS, TEST, DRAWS = 30, 20, 20, 3
TAU, ACDC_PAIRS, ACDC_RELATIONS = 0.05, 10, 6  # ACDC takes ten minutes and more for a relation
OTHERS = ("element_symbol", "country_capital")  # opponents: the second is the first one's


def known_relations() -> dict[str, int]:
    """The relations of which SmolLM2 knows `KNOWN` facts or more, best known first, with their best template.

    Which template is best was asked of facts of both halves; no edge is chosen on the test half.
    """
    table = read_table("smollm2_knows").query("model == 'smollm2' and known >= @KNOWN")
    order = (table.known / table.facts).sort_values(ascending=False).index
    return table.loc[order].set_index("relation").template.to_dict()


def found(model, name: str, template: int, seed: int = 0) -> Scores:
    """The scores of one draw of train pairs."""
    return eap_ig(model, relation_pairs(model, name, PAIRS, seed=seed, paraphrase=template))


def judged(model, circuit: Circuit, test: PromptPairs, scale: Baselines, who: str) -> dict[str, object]:
    """What a circuit keeps on held-out pairs."""
    return dict(circuit=who, edges=circuit.n_edges, **evaluate_circuit(model, circuit, test, scale))


def relation_rows(model, name: str, template: int, other: Scores) -> Iterator[dict[str, object]]:
    """The circuits of a relation at all sizes, and its opponents at one: random edges, permuted heads, another's."""
    test = relation_pairs(model, name, TEST, split="test", paraphrase=template)
    scale = baselines(model, test, logit_diff, "corrupt")
    draws = [found(model, name, template, seed) for seed in range(DRAWS)]
    row = dict(relation=name, template=template)
    row |= {f"model_{hit}": metric(test.clean_logits(model), test).mean().item() for hit, metric in HITS.items()}
    for size in SIZES:
        yield row | judged(model, draws[0].greedy(size), test, scale, "found")
    circuits = [scores.greedy(COMPARED) for scores in draws]
    for drawn in circuits[1:]:
        yield row | judged(model, drawn, test, scale, "another draw")
    opponents = {
        "random": random_circuit(circuits[0].graph, COMPARED),
        "permuted heads": random_circuit(circuits[0].graph, like=circuits[0]),
        "another relation": other.greedy(COMPARED),
    }
    for who, circuit in opponents.items():
        yield row | judged(model, circuit, test, scale, who)
    for first, second in combinations(circuits, 2):
        shared = (first & second).n_edges / (first | second).n_edges
        yield row | dict(circuit="Jaccard of two draws", edges=COMPARED, jaccard=shared)


def all_rows(model) -> Iterator[pd.DataFrame]:
    """All relations with enough pairs in both halves, each beside one of quite other subjects (`OTHERS`)."""
    asked = known_relations()
    others = {name: found(model, name, asked[name]) for name in OTHERS}
    for name, template in asked.items():
        other = next(scores for opponent, scores in others.items() if opponent != name)
        try:
            yield pd.DataFrame(relation_rows(model, name, template, other))
        except TooFewPairs:
            continue


def sparsest() -> dict[str, int]:
    """The relations whose circuits keep most at `COMPARED` edges, with their templates: ACDC ends soonest on these."""
    found = read_table("smollm2_circuits").query("circuit == 'found' and edges == @COMPARED")
    chosen = found.nlargest(ACDC_RELATIONS, "faithfulness")
    return chosen.set_index("relation").template.to_dict()


def acdc_rows(model, name: str, template: int) -> Iterator[dict[str, object]]:
    """ACDC's circuit of a relation, run to its end, beside as many of EAP-IG's edges from the same pairs."""
    train = relation_pairs(model, name, ACDC_PAIRS, paraphrase=template)
    test = relation_pairs(model, name, TEST, split="test", paraphrase=template)
    scale = baselines(model, test, logit_diff, "corrupt")
    pruned = acdc(model, train, logit_diff, tau=TAU)
    ranked = eap_ig(model, train).greedy(pruned.n_edges)
    row = dict(relation=name, template=template, jaccard=(pruned & ranked).n_edges / (pruned | ranked).n_edges)
    for who, circuit in {"ACDC": pruned, "EAP-IG": ranked}.items():
        yield row | judged(model, circuit, test, scale, who)


def write_tables(load: Load, write: Write) -> None:
    """Find and judge circuits of all relations that SmolLM2 knows; ACDC's of some."""
    model = load("smollm2")
    write_parts(write, "smollm2_circuits", all_rows(model))
    write_parts(write, "smollm2_acdc", (pd.DataFrame(acdc_rows(model, *asked)) for asked in sparsest().items()))

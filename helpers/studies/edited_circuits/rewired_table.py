"""What edits do to circuits: the tables behind the chapter on edited circuits.

``make tables NAME=rewired`` writes them to ``helpers/tables``: ``rewired`` (a row for each edit, and for each
yardstick without one), ``rewired_ranks`` (the new answer's rank behind each sublayer) and ``rewired_leaks`` (whether
keys tell which other subjects an edit changes).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import torch
from torch import Tensor
from tqdm.auto import tqdm

from helpers.atlas.sample import corpus_covariance
from helpers.circuits.circuit import Circuit, random_circuit
from helpers.circuits.evaluation import baselines, faithfulness
from helpers.circuits.graph import Graph, head_place
from helpers.circuits.metrics import logit_diff
from helpers.components.head_classes import classify_heads
from helpers.components.heads import random_heads_like
from helpers.components.lens import answer_by_layer, attribution_by_sublayer
from helpers.editing.edit import At, Edit
from helpers.editing.fine_tuning import ft_m
from helpers.editing.requests import EditRequest, edit_requests
from helpers.editing.rome import rome
from helpers.models.predict import first_token, next_token_probabilities
from helpers.models.run import stop_names
from helpers.prompts.facts import relation_pairs
from helpers.prompts.pairs import PromptPairs
from helpers.prompts.relations import relation
from helpers.statistics import Estimate, judge, with_interval
from helpers.studies.edited_circuits.edit_leaks import edit_keys, key_overlap, key_similarity
from helpers.studies.edited_circuits.edited_circuits import (
    asked_again,
    carried,
    control_fact,
    fact_circuit,
    fact_pairs,
    near_from,
    other_facts,
    shared,
)
from helpers.studies.tables import Load, Write

ASKED = ("country_capital", "landmark_country", "person_hometown", "company_country")
EDITS = {"atlas": 5, "atlas-seed1": 3}  # for each relation
SEED = 1  # of the requests, as in the table of editors
EDITORS = {"ROME, last token": (0, 3, 5), "ROME, subject's last token": (0, 1), "FT-M": (0, 3, 5)}
LAYERS = (0, 1, 3, 5)
NEIGHBOURS = 12
YARDSTICKS = ("another draw", "other words", "another fact", "other heads", "blind edges")


@dataclass(frozen=True)
class Case:
    """A request with everything about the unedited model that its edits are compared with."""

    request: EditRequest
    train: PromptPairs
    test: PromptPairs
    before: Circuit
    twin: Circuit
    neighbours: tuple[EditRequest, ...]
    movers: tuple[str, ...]


def movers_of(model, name: str) -> tuple[str, ...]:
    """The movers and mixture heads of a relation (`classify_heads`, 20 training pairs)."""
    classes = classify_heads(model, relation_pairs(model, name, 20)).set_index("head")["class"]
    return tuple(classes.index[classes.isin(["mover", "mixture"])])


def make_case(model, request: EditRequest, movers: Sequence[str]) -> Case:
    """Pairs, circuits and other subjects of a request.

    Raises:
        ValueError: if the relation has no other subjects of equal length.
    """
    train, test = (fact_pairs(model, request, half=half) for half in ("train", "test"))
    before, twin = (fact_circuit(model, p) for p in (train, fact_pairs(model, control_fact(request))))
    template = relation(request.relation).templates.index(request.prompt)
    others = other_facts(model, request, NEIGHBOURS, template)
    bare = replace(request, paraphrases=(), neighbours=(), portability=())
    neighbours = tuple(replace(bare, subject=f.subject, old=f.answer) for f in others)
    return Case(request, train, test, before, twin, neighbours, tuple(movers))


def place_of(editor: str) -> At:
    """The position that an editor looks at."""
    return "subject_last" if "subject" in editor else "last"


def make(model, editor: str, request: EditRequest, layer: int, moment: Tensor) -> Edit:
    """An edit with the settings of the table of editors: three wordings, no prefixes.

    Raises:
        ValueError: for an unknown editor.
    """
    if editor not in EDITORS:
        raise ValueError(f"unknown editor {editor!r}; choose from {', '.join(EDITORS)}")
    if editor == "FT-M":
        return ft_m(model, request, layer, wordings=2)
    return rome(model, request, layer, at=place_of(editor), prefixes=(), wordings=2, covariance=moment)


def yardstick_rows(model, case: Case) -> list[dict]:
    """How much two circuits share that no edit lies between; each is compared with the one before the edit."""
    graph = case.before.graph
    other = {
        "another draw": fact_circuit(model, fact_pairs(model, case.request, seed=1)),
        "other words": fact_circuit(model, case.test),
        "another fact": case.twin,
        "other heads": random_circuit(graph, like=case.before),
        "blind edges": random_circuit(graph, case.before.n_edges),
    }
    kept = float(faithfulness(model, case.before, case.test))
    rows = [{"editor": name, "layer": -1, **shared(case.before, circuit)} for name, circuit in other.items()]
    logs = _log_ranks(_ranks(model, case.test))
    for layer in LAYERS:
        row = {"editor": "unedited", "layer": layer, "kept": kept, "at_layer": _fall(logs, layer)}
        rows.append(row | {f"rank{n}": value for n, value in enumerate(logs)})
    return rows


def _ranks(model, pairs: PromptPairs) -> pd.DataFrame:
    table = answer_by_layer(model, pairs, places=("last",))
    return table[table.token == "answer"]


def _log_ranks(ranks: pd.DataFrame) -> np.ndarray:
    return np.log10(ranks["rank"]).groupby(ranks.stop).mean().to_numpy()


def _fall(logs: np.ndarray, layer: int) -> float:
    """The share of the whole fall of the rank (its logarithm) that happens at one MLP."""
    stop = 2 * layer + 2
    return (logs[stop - 1] - logs[stop]) / (logs[0] - logs[-1])


def edit_row(model, case: Case, editor: str, layer: int, moment: Tensor) -> tuple[dict, pd.DataFrame]:
    """One edit: a row of the table, and its neighbours.

    Returns:
        The row: ``edges, heads`` (overlap with the circuit before), ``to_twin`` (edges shared with the twin's circuit),
        ``kept, kept_before, kept_chance`` (faithfulness in the edited model, held out: of the circuit found in it, of
        the one found before, of the former with other heads), ``scale`` (logits between the edited model and none of
        its edges), ``top1`` (held-out wordings), ``leak`` (share of other subjects that get the new answer),
        ``at_layer`` (share of the fall of the rank at the edited MLP), ``near`` (layers from the edited MLP to a rank
        of 10), ``wrote`` (logits that the edited MLP adds to the new answer), ``alone_..., lost_...`` (`carried`),
        ``gained_there`` (share of the gained edges that touch the edited MLP), ``rank0`` to the last stop (log10).
    """
    request = case.request
    edit = make(model, editor, request, layer, moment)
    stop = 2 * layer + 2
    old = asked_again(model, case.test, request.new)
    wrote = -attribution_by_sublayer(model, old)[stop].mean().item()
    with edit:
        train, test = (asked_again(model, pairs, request.new) for pairs in (case.train, case.test))
        after = fact_circuit(model, train)
        scale = baselines(model, test, logit_diff, "corrupt")
        circuits = {"kept": after, "kept_before": case.before, "kept_chance": random_circuit(after.graph, like=after)}
        kept = {name: float(faithfulness(model, c, test, scale=scale)) for name, c in circuits.items()}
        ranks = _ranks(model, test)
        top1 = (test.clean_logits(model).argmax(-1) == test.answer_ids).float().mean().item()
        wrote += attribution_by_sublayer(model, test)[stop].mean().item()
        said = next_token_probabilities(model, [n.text for n in case.neighbours]).argmax(-1).tolist()
    logs = _log_ranks(ranks)
    new = first_token(model, request.text, request.new)
    neighbours = _neighbours(model, case, edit, editor, layer, moment).assign(leaks=[token == new for token in said])
    row = {"editor": editor, "layer": layer, **shared(case.before, after), **kept}
    row["to_twin"] = after.jaccard(case.twin)
    row["scale"] = (scale.full.mean() - scale.ablated.mean()).item()
    row["top1"] = top1
    row["leak"] = neighbours.leaks.mean()
    row |= {"at_layer": _fall(logs, layer), "wrote": wrote, "near": (near_from(ranks).median() - stop) / 2}
    row["gained_there"] = _touching(after - case.before, f"m{layer}")
    row |= _carried(model, case, edit, layer) | {f"rank{n}": value for n, value in enumerate(logs)}
    return row, neighbours


def _neighbours(model, case: Case, edit: Edit, editor: str, layer: int, moment: Tensor) -> pd.DataFrame:
    own, *keys = edit_keys(model, [case.request, *case.neighbours], layer, place_of(editor))
    ((name, before),) = edit.before.items()
    keys = torch.stack(keys)
    rows = {"fired": key_overlap(edit.after[name] - before, own, keys), "similar": key_similarity(moment, own, keys)}
    return pd.DataFrame({column: values.tolist() for column, values in rows.items()})


def _touching(circuit: Circuit, node: str) -> float:
    names = [edge.split("->") for edge in circuit.edges]
    return sum(node in edge for edge in names) / len(names) if names else float("nan")


def heads_above(graph: Graph, layer: int) -> list[str]:
    """All heads of later layers."""
    return [head for head in graph.sources if ".h" in head and head_place(head)[0] > layer]


def _carried(model, case: Case, edit: Edit, layer: int) -> dict[str, float]:
    """`carried` by the movers above the edited MLP, by as many other heads of their layers, and by all heads there."""
    above = heads_above(Graph.from_model(model), layer)
    movers = [head for head in case.movers if head in above]
    sets = {"movers": movers, "others": random_heads_like(model, movers, movers), "heads": above}
    table = carried(model, edit, case.test, case.request, sets)
    return {f"{column}_{name}": table.loc[name, column].item() for column in ("alone", "lost") for name in sets}


def model_rows(model, n: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """``n`` facts of each relation edited in one model: the edits' rows, with the yardsticks', and their neighbours."""
    rows, neighbours = [], []
    moments = {layer: corpus_covariance(model, layer) for layer in LAYERS}
    for name in ASKED:
        movers = movers_of(model, name)
        for number, request in enumerate(tqdm(edit_requests(model, name, n, SEED), desc=name)):
            case, about = make_case(model, request, movers), {"relation": name, "edit": number}
            rows += [about | row for row in yardstick_rows(model, case)]
            for editor, layer in ((editor, layer) for editor, layers in EDITORS.items() for layer in layers):
                row, others = edit_row(model, case, editor, layer, moments[layer])
                rows.append(about | row)
                neighbours.append(others.assign(editor=editor, layer=layer, **about))
    return pd.DataFrame(rows), pd.concat(neighbours, ignore_index=True)


def tables(parts: Mapping[str, tuple[pd.DataFrame, pd.DataFrame]]) -> dict[str, pd.DataFrame]:
    """The three tables by name, from what `model_rows` found in each model."""
    rows, neighbours = (
        pd.concat([part[i].assign(model=name) for name, part in parts.items()], ignore_index=True) for i in (0, 1)
    )
    by, asked = ["model", "editor", "layer"], ("fired", "similar")
    columns = [c for c in rows if c.startswith("rank")]
    stops = list(zip(stop_names((len(columns) - 1) // 2), columns, strict=True))
    ranked = rows[rows.editor.isin([*EDITORS, "unedited"])].groupby(by, sort=False)
    ranks = [(*key, stop, *with_interval(part[c].tolist()).row()) for key, part in ranked for stop, c in stops]
    leaks = []
    for key, part in neighbours.groupby(by, sort=False):
        found = [judge(part[c].tolist(), (part.leaks - 0.5).tolist())["AUC"] for c in asked]
        leaks.append((*key, len(part), int(part.leaks.sum()), *(x for auc in found for x in auc.row())))
    auc = [f"{c}{end}" for c in asked for end in ("", "_low", "_high")]
    return {
        "rewired": rows.drop(columns=columns).set_index("model").reset_index().round(3),
        "rewired_ranks": pd.DataFrame(ranks, columns=[*by, "behind", "log_rank", "low", "high"]),
        "rewired_leaks": pd.DataFrame(leaks, columns=[*by, "neighbours", "leaks", *auc]),
    }


def by_setting(table: pd.DataFrame, column: str) -> dict[tuple[str, int], Estimate]:
    """The mean of a column with its interval, for each editor and layer and for each yardstick (layer -1)."""
    rows = table[table.editor.isin([*EDITORS, *YARDSTICKS]) & table[column].notna()]
    groups = rows.groupby(["editor", "layer"], sort=False)[column]
    return {key: with_interval(values.tolist()) for key, values in groups}


def setting_name(editor: str, layer: int) -> str:
    """A short name of an editor at a layer, or of a yardstick (layer -1)."""
    short = editor.replace("subject's last token", "subject")
    return short if layer < 0 else f"{short}, layer {layer}"


def write_tables(load: Load, write: Write) -> None:
    """Edit facts of both models, and find their circuits before and after."""
    for name, table in tables({name: model_rows(load(name), n) for name, n in EDITS.items()}).items():
        write(name, table)

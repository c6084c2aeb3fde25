"""What edits do to circuits, in SmolLM2 and Atlas: the tables behind the chapter on edited circuits.

``make tables NAME=edited`` writes to ``helpers/tables``, case by case: ``edited_reads`` (the new answer by layer),
``edited_ways`` (where an edit works and which heads carry it), ``edited_overlaps`` and ``edited_kept`` (circuits before
and after, beside their controls).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping

import pandas as pd
from torch import Tensor
from tqdm.auto import tqdm

from helpers.atlas.sample import corpus_covariance
from helpers.circuits.circuit import Circuit, random_circuit
from helpers.circuits.graph import Graph, head_place
from helpers.circuits.scores import Scores
from helpers.editing.edit import Edit
from helpers.editing.fine_tuning import ft_m
from helpers.editing.requests import EditRequest
from helpers.editing.rome import key_covariance, rome, statements
from helpers.prompts.facts import relation_pairs
from helpers.searches.attribution import eap_ig
from helpers.studies.edited_circuits.carriers import carried, effect_by_place, needed, read_by_layer
from helpers.studies.edited_circuits.cases import SIZE, Case, case_pairs, cases, circuit_of
from helpers.studies.other_circuits import kept_by, unrelated_circuit
from helpers.studies.tables import Load, Write

ROME, LAST, FT_M = "ROME, subject", "ROME, prompt's end", "FT-M"
NONE = "unedited"
REAL = "smollm2"
MODELS = ("atlas2", "atlas2-seed1", REAL)
# The relations that are edited, with the template in which a model knows most of them.
RELATIONS = {
    REAL: {"country_capital": 0, "country_language": 0, "country_continent": 5, "city_country": 3},
    "atlas2": dict.fromkeys(("resident_town", "resident_dish", "resident_instrument", "resident_firm"), 0),
}
CASES = {REAL: 4, "atlas2": 6}  # for each relation
# The layer at which circuits are searched again is the first one: the best of those for ROME at the subject in the
# tables ``own_edits`` and ``edit_places``.
LAYERS = {REAL: (6, 18), "atlas2": (0, 2)}
# Heads that are undone one by one: in SmolLM2 those of the layers in which the answer leaves the subject.
HEADS = {REAL: range(21, 25), "atlas2": range(8)}
# Relations of other subjects and answers whose mean scores give a circuit that knows nothing of the fact.
POOL = {
    REAL: ("antonym", "plural", "object_superclass", "element_symbol", "substance_phase", "work_location"),
    "atlas2": ("antonym", "plural", "object_superclass", "element_symbol", "country_capital", "landmark_country"),
}
POOL_PAIRS, PERMUTED, CORRUPTS, TEXTS = 12, 3, 2, 300
HALVES = ("found", "held out")  # where a circuit is found, and where it is judged
ABOVE = "all heads above"
DRAW, SAME, NEW, HEADS_PERMUTED = "another draw", "same answer", "new answer", "permuted heads"
HERE, BEFORE, UNRELATED, OTHER = "found here", "found before", "unrelated relations", "plural"


def kind_of(name: str) -> str:
    """SmolLM2, or Atlas of either seed: what is asked and edited hangs on it."""
    return REAL if name == REAL else "atlas2"


def covariance_of(model, name: str, layer: int) -> Tensor:
    """The key covariance for ROME: of statements of real facts, or of the corpus that Atlas read."""
    if name == REAL:
        return key_covariance(model, layer, statements(model, most=TEXTS))
    return corpus_covariance(model, layer, told="profiles")


def make_edit(model, editor: str, request: EditRequest, layer: int, covariance: Tensor) -> Edit:
    """An edit that sees nothing but the request's own prompt.

    Raises:
        ValueError: for an unknown editor.
    """
    if editor not in (ROME, LAST, FT_M):
        raise ValueError(f"unknown editor {editor!r}; choose from {ROME}, {LAST}, {FT_M}")
    if editor == FT_M:
        return ft_m(model, request, layer)
    at = "subject_last" if editor == ROME else "last"
    return rome(model, request, layer, at=at, prefixes=(), covariance=covariance)


def pool_scores(model, name: str) -> dict[str, Scores]:
    """EAP-IG's scores of the relations in `POOL`."""
    return {asked: eap_ig(model, relation_pairs(model, asked, POOL_PAIRS)) for asked in POOL[kind_of(name)]}


def head_sets(model, name: str) -> dict[str, list[str]]:
    """The heads that are undone one by one."""
    return {head: [head] for head in Graph.from_model(model).heads if head_place(head)[0] in HEADS[kind_of(name)]}


def heads_above(model, layer: int) -> list[str]:
    """All heads of later layers."""
    return [head for head in Graph.from_model(model).heads if head_place(head)[0] > layer]


def natural_circuits(model, case: Case, size: int) -> dict[str, Circuit]:
    """The circuits without any edit: the fact's own twice, of another subject of the old and of the new answer."""
    same, new = case.same_answer, case.new_answer
    asked = {BEFORE: {}, DRAW: {"part": "again"}, NEW: {"subject": new.subject, "answer": new.answer}}
    if same:
        asked[SAME] = {"subject": same.subject}
    return {name: circuit_of(model, case_pairs(model, case, **options), size) for name, options in asked.items()}


def shared_rows(circuits: Mapping[str, Circuit], edited: Mapping[str, Circuit]) -> pd.DataFrame:
    """Jaccard overlaps of the circuit before with all others, and of those after an edit with the controls.

    Returns:
        Columns ``of, to, shared, chance``; chance is the overlap when the second circuit's heads are permuted, the mean
        over `PERMUTED` draws.
    """
    every = {**circuits, **edited}
    couples = [(BEFORE, name) for name in every if name != BEFORE]
    couples += [(editor, name) for editor in edited for name in (NEW, SAME) if name in circuits]
    rows = []
    for one, other in couples:
        permuted = [random_circuit(every[other].graph, like=every[other], seed=seed) for seed in range(PERMUTED)]
        chance = sum(map(every[one].jaccard, permuted)) / PERMUTED
        rows.append((one, other, every[one].jaccard(every[other]), chance))
    return pd.DataFrame(rows, columns=["of", "to", "shared", "chance"])


def kept_rows(model, circuits: Mapping[str, Circuit], pairs) -> pd.DataFrame:
    """What circuits keep of the logit difference in the model as it is now, columns ``circuit, kept``.

    The row of permuted heads is the mean over `PERMUTED` draws of the circuit found before.
    """
    before = circuits[BEFORE]
    permuted = [random_circuit(before.graph, like=before, seed=seed) for seed in range(PERMUTED)]
    kept = kept_by(model, [*circuits.values(), *permuted], pairs)
    rows = dict(zip(circuits, kept, strict=False))
    rows[HEADS_PERMUTED] = sum(kept[len(circuits) :]) / PERMUTED
    return pd.DataFrame({"circuit": list(rows), "kept": list(rows.values())})


def ways_of(shares: Mapping[str, float], **about: object) -> pd.DataFrame:
    """Columns ``way, share``, and what they are about."""
    return pd.DataFrame({"way": list(shares), "share": list(shares.values())}).assign(**about)


def reads_of(model, case: Case, **about: object) -> pd.DataFrame:
    """`read_by_layer` with the layer that is read in the column ``stop``, since ``layer`` is the edit's."""
    return read_by_layer(model, case).rename(columns={"layer": "stop"}).assign(**about)


def case_rows(
    model, name: str, case: Case, pool: Mapping[str, Scores], moments: Mapping[int, Tensor]
) -> Iterator[tuple[str, pd.DataFrame]]:
    """Everything about one case: rows, each with the name of the table that they belong to."""
    kind = kind_of(name)
    size, (first, _) = SIZE[kind], LAYERS[kind]
    sets, held_out = head_sets(model, name), case_pairs(model, case, "held out")
    circuits, edited = natural_circuits(model, case, size), {}
    foreign = {UNRELATED: unrelated_circuit(pool, case.request.relation, size), OTHER: pool[OTHER].greedy(size)}
    known = {BEFORE: circuits[BEFORE], NEW: circuits[NEW], **foreign}
    about = dict(editor=NONE, layer=-1)
    yield "reads", reads_of(model, case, **about)
    yield "ways", ways_of(needed(model, held_out.select(range(CORRUPTS)), sets), **about)
    yield "kept", kept_rows(model, {HERE: circuits[DRAW], **known}, held_out).assign(**about)
    for editor, layer in settings(kind):
        about = dict(editor=editor, layer=layer)
        edit = make_edit(model, editor, case.request, layer, moments[layer])
        yield "ways", ways_of(effect_by_place(model, edit, layer, case), **about)
        yield "ways", ways_of(carried(model, edit, case, sets | {ABOVE: heads_above(model, layer)}), **about)
        with edit:
            rows = [("reads", reads_of(model, case, **about))]
            if layer == first and editor != LAST:
                found, judged = (case_pairs(model, case, part, answer=case.request.new) for part in HALVES)
                edited[editor] = circuit_of(model, found, size)
                rows.append(("kept", kept_rows(model, {HERE: edited[editor], **known}, judged).assign(**about)))
        yield from rows
    yield "overlaps", shared_rows(circuits, edited).assign(new=case.request.new)


def settings(kind: str) -> list[tuple[str, int]]:
    """The edits of each case: editors and layers."""
    first, second = LAYERS[kind]
    return [(ROME, first), (FT_M, first), (LAST, first), (ROME, second), (FT_M, second)]


def all_cases(model, name: str) -> list[Case]:
    """The cases of a model, relation by relation in turns: in Atlas those of subjects of several tokens."""
    kind = kind_of(name)
    n, tokens = CASES[kind], 1 if kind == REAL else 2
    found = [cases(model, asked, template, n, tokens=tokens) for asked, template in RELATIONS[kind].items()]
    return [case for turn in zip(*found, strict=True) for case in turn]


def write_tables(load: Load, write: Write) -> None:
    """Edit facts of all models, case by case."""
    whole = defaultdict(list)
    for name in MODELS:
        model, layers = load(name), LAYERS[kind_of(name)]
        moments = {layer: covariance_of(model, name, layer) for layer in layers}
        pool = pool_scores(model, name)
        for case in tqdm(all_cases(model, name), desc=name):
            for table, rows in case_rows(model, name, case, pool, moments):
                whole[table].append(rows.assign(model=name, **case.about))
            for table, parts in whole.items():
                write(f"edited_{table}", pd.concat(parts, ignore_index=True))

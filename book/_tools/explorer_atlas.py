"""Atlas in the book's explorer: the relations of the sweep, facts before and after an edit, and lists."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial

import pandas as pd

from _tools.explorer_circuits import SEARCHES, Halves, given, yardstick
from _tools.explorer_data import Entry, Job, Source, about, questions
from _tools.explorer_prompts import head_reasons
from helpers.atlas.sample import corpus_covariance
from helpers.components.heads import measure_heads
from helpers.editing.requests import EditRequest, edit_requests
from helpers.editing.rome import rome
from helpers.prompts.facts import relation_pairs
from helpers.prompts.relations import relation
from helpers.studies.atlas_of_circuits.run import read_sweep
from helpers.studies.edge_pruning.relation_table import PAIRS
from helpers.studies.edited_circuits.fact_pairs import asked_again, fact_pairs
from helpers.studies.in_context_learning.few_shot import FewShotPrompts, few_shot_prompts
from helpers.studies.in_context_learning.list_pairs import few_shot_pairs

MODEL = "atlas"
EDITED = ("country_capital", "landmark_country", "person_hometown", "company_country")
SEED = 1  # of the requests
LAYER = 5  # by ROME at the last token, where edits of the first Atlas hold
EDITS = 3  # for each relation
LISTED = ("comparative", "substance_phase", "person_occupation", "country_capital", "country_currency")
LINES, FOUND_ON, JUDGED_ON = 4, 24, 40
PROMPTS = 3
SIDES = {"edit": ("before", "after"), "list": ("zero-shot", "few-shot")}


def swept() -> dict[str, dict[str, pd.Series]]:
    """The relations of the committed sweep that both of its methods asked, with their circuits: `acdc` and `eap_ig`."""
    table = read_sweep()
    rows = table[(table.model == MODEL) & (table.seed == 0)]
    found = {name: {row.method: row for _, row in part.iterrows()} for name, part in rows.groupby("relation")}
    return {name: by for name, by in found.items() if {"acdc", "eap_ig"} <= set(by)}


def relation_entry(model, name: str, swept_rows: dict[str, pd.Series], searches: Sequence[tuple] = SEARCHES) -> Entry:
    """A relation as the sweep asked it; the size that keeps 90 % joins those of EAP-IG, and ACDC's circuit the methods.

    Raises:
        ValueError: for an unknown relation.
    """
    halves = Halves(*(relation_pairs(model, name, n, split=split) for split, n in PAIRS.items()))
    keep, circuit = int(swept_rows["eap_ig"].edges), swept_rows["acdc"].circuit
    entry = questions(model, halves, searches, keep, PROMPTS)
    own = entry["searches"]["eap_ig/corrupt"]
    own["keep"] = keep
    widths = dict(zip(own["edges"], own["scores"], strict=True))
    by = yardstick(model, halves.test, "corrupt", [circuit.n_edges])
    entry["searches"]["acdc/corrupt"] = given(model, halves, circuit, widths, by)
    return entry | {"heads": head_reasons(measure_heads(model, halves.train))}


def edit_entries(model, request: EditRequest) -> tuple[Entry, Entry]:
    """One fact before and after an edit: the same prompts, asked for the old answer and then for the new one."""
    before = Halves(*(fact_pairs(model, request, half=half) for half in ("train", "test")))
    first = questions(model, before)
    moment = corpus_covariance(model, LAYER)  # kept in the cache folder
    with rome(model, request, LAYER, at="last", prefixes=(), wordings=2, covariance=moment):
        after = Halves(*(asked_again(model, pairs, request.new) for pairs in (before.train, before.test)))
        second = questions(model, after)
    return first, second


def list_entries(model, name: str) -> tuple[Entry, Entry]:
    """Questions of a relation as the first line of a list, and behind lines that show what is asked."""

    def found(shots: Sequence[Sequence[FewShotPrompts]]) -> Entry:
        return questions(model, Halves(*(few_shot_pairs(model, s) for s in shots)))

    behind = few_shot_prompts(name, FOUND_ON, LINES, split="train"), few_shot_prompts(name, JUDGED_ON, LINES)
    return found([[one.without_demonstrations() for one in part] for part in behind]), found(behind)


def jobs(model) -> Iterator[Job]:
    """All jobs: relations, edits, lists."""
    for name, rows in swept().items():
        yield Job(name, partial(_one, model, name, rows))
    for name in EDITED:
        for number, request in enumerate(edit_requests(model, name, EDITS, SEED)):
            label = f"{request.subject}: {request.old} \u2192 {request.new}"
            both = partial(edit_entries, model, request)
            yield Job(f"edit.{name}.{number}", partial(_couple, "edit", label, f"{name}.{number}", both, name))
    for name in LISTED:
        both = partial(list_entries, model, name)
        yield Job(f"list.{name}", partial(_couple, "list", name.replace("_", " "), name, both, name))


def _one(model, name: str, rows: dict[str, pd.Series]) -> list[tuple]:
    entry = relation_entry(model, name, rows)
    return [(about(name, relation(name).kind, name.replace("_", " "), entry, name), entry, None)]


def _couple(kind: str, label: str, ident: str, both, name: str) -> Iterator[tuple]:
    idents = [f"{kind}.{ident}.{side}" for side in SIDES[kind]]
    couple = {"kind": kind, "label": label, "a": idents[0], "b": idents[1]}
    for ident, side, entry, own in zip(idents, SIDES[kind], both(), (None, couple), strict=True):
        yield about(ident, kind, f"{label} ({side})", entry, name), entry, own


SOURCE = Source(MODEL, "Atlas (6 layers)", jobs, 50)

"""The data of the book's explorer: a script for each set of questions, which its page loads when it is asked for.

``make explorer`` writes them to ``book/_static/explorer/data``. They are scripts and no JSON, because a
page opened from disk may load scripts and nothing else. What is in an entry: `_tools.explorer_circuits` and
`_tools.explorer_prompts`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

import pandas as pd
from tqdm.auto import tqdm

from _tools import ToolError
from _tools.explorer_circuits import ONE_SEARCH, SEARCHES, SIZES, Halves, given, searched, yardstick
from _tools.explorer_prompts import head_reasons, prompt_views, said_words, some_prompts
from helpers.atlas.sample import corpus_covariance
from helpers.circuits.circuit import Circuit
from helpers.circuits.graph import Graph
from helpers.editing.requests import EditRequest, edit_requests
from helpers.editing.rome import rome
from helpers.figures.circuit_layout import arcs_of, place
from helpers.figures.display import COLORS
from helpers.files import write_whole
from helpers.models.run import stop_names
from helpers.prompts.facts import relation_pairs
from helpers.prompts.relations import relation
from helpers.studies.atlas_of_circuits.run import read_sweep
from helpers.studies.edge_pruning.relation_table import PAIRS
from helpers.studies.edited_circuits.edited_circuits import asked_again, fact_pairs
from helpers.studies.edited_circuits.rewired_table import ASKED as EDITED
from helpers.studies.edited_circuits.rewired_table import SEED
from helpers.studies.in_context_learning.few_shot import FewShotPrompts, few_shot_pairs, few_shot_prompts

MODEL = "atlas"
DATA = Path("book") / "_static" / "explorer" / "data"
EDITOR, LAYER = "ROME, last token", 5  # the edits that chapter 11 draws
EDITS = 3  # for each relation
LISTED = ("comparative", "substance_phase", "person_occupation", "country_capital", "country_currency")
LINES, FOUND_ON, JUDGED_ON = 4, 24, 40
PROMPTS = 3
CALL = "kcExplorer.{}({});\n"
Entry = dict[str, object]


def swept() -> dict[str, dict[str, pd.Series]]:
    """The relations of the committed sweep that both of its methods asked, with their circuits: `acdc` and `eap_ig`."""
    table = read_sweep()
    rows = table[(table.model == MODEL) & (table.seed == 0)]
    found = {name: {row.method: row for _, row in part.iterrows()} for name, part in rows.groupby("relation")}
    return {name: by for name, by in found.items() if {"acdc", "eap_ig"} <= set(by)}


def questions(model, halves: Halves, searches: Sequence[tuple] = ONE_SEARCH, keep: int = 0, prompts: int = 1) -> Entry:
    """What every entry holds: searches, words, and views of some prompts.

    Args:
        searches: methods and ablations.
        keep: a size that joins the others in the first search.
    """
    words, views = prompt_views(model, halves.train, some_prompts(halves.train, prompts))
    found: Entry = {}
    for ablation in dict.fromkeys(ablation for _, ablation in searches):
        first = ablation == searches[0][1]
        sizes = sorted({*SIZES, keep} - {0}) if first else SIZES
        by = yardstick(model, halves.test, ablation, sizes)
        for method in (method for method, other in searches if other == ablation):
            own = sizes if first and method == searches[0][0] else SIZES
            found[f"{method}/{ablation}"] = searched(model, halves, method, by, own)
    return {"searches": found, "words": said_words(model, halves.train), "vocabulary": words, "prompts": views}


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
    return entry | {"heads": head_reasons(model, halves.train)}


def edit_entries(model, request: EditRequest, moment) -> tuple[Entry, Entry]:
    """One fact before and after an edit: the same prompts, asked for the old answer and then for the new one."""
    before = Halves(*(fact_pairs(model, request, half=half) for half in ("train", "test")))
    first = questions(model, before)
    with rome(model, request, LAYER, at="last", prefixes=(), wordings=2, covariance=moment):
        after = Halves(*(asked_again(model, pairs, request.new) for pairs in (before.train, before.test)))
        second = questions(model, after)
    return first, second


def list_entries(model, name: str) -> tuple[Entry, Entry]:
    """Questions of a relation as the first line of a list, and behind lines that show what is asked."""

    def found(shots: Sequence[Sequence[FewShotPrompts]]) -> Entry:
        return questions(model, Halves(*(few_shot_pairs(model, s) for s in shots)))

    behind = few_shot_prompts(name, FOUND_ON, LINES, split="train"), few_shot_prompts(name, JUDGED_ON, LINES)
    return found([[one.without_lines() for one in part] for part in behind]), found(behind)


def about(ident: str, group: str, label: str, entry: Entry, heads_of: str) -> Entry:
    """What the index says of an entry: everything that a page needs before it loads it."""
    sizes = ("sizes", "keep")
    searches = {key: {n: found[n] for n in sizes if n in found} for key, found in entry["searches"].items()}
    example = f"{entry['prompts'][0]['text']} \u2026 {entry['prompts'][0]['answer']}"
    line = {"id": ident, "group": group, "label": label, "example": example, "searches": searches}
    return line | {"heads_of": heads_of}


def entries(model) -> Iterator[tuple[Entry, Entry, dict | None]]:
    """All entries: what the index says of each, the entry, and the couple that it completes, if any."""
    for name, rows in tqdm(swept().items(), desc="relations"):
        entry = relation_entry(model, name, rows)
        yield about(name, relation(name).kind, name.replace("_", " "), entry, name), entry, None
    moment = corpus_covariance(model, LAYER)
    for name in tqdm(EDITED, desc="edits"):
        for number, request in enumerate(edit_requests(model, name, EDITS, SEED)):
            label = f"{request.subject}: {request.old} \u2192 {request.new}"
            yield from _couple("edit", label, f"{name}.{number}", edit_entries(model, request, moment), name)
    for name in tqdm(LISTED, desc="lists"):
        yield from _couple("list", name.replace("_", " "), name, list_entries(model, name), name)


SIDES = {"edit": ("before", "after"), "list": ("zero-shot", "few-shot")}


def _couple(kind: str, label: str, ident: str, both: tuple[Entry, Entry], name: str) -> Iterator[tuple]:
    idents = [f"{kind}.{ident}.{side}" for side in SIDES[kind]]
    couple = {"kind": kind, "label": label, "a": idents[0], "b": idents[1]}
    for ident, side, entry, own in zip(idents, SIDES[kind], both, (None, couple), strict=True):
        yield about(ident, kind, f"{label} ({side})", entry, name), entry, own


def layout(graph: Graph) -> Entry:
    """Where parts stand, and how edges bend, as in the book's other pictures of circuits.

    Returns:
        ``places``, a point for each part; ``bends``, by how much the middle of an edge can lie beside the middle of the
        straight line; ``bent``, which of them each edge has, by its number.
    """
    ends = [arc.points for arc in arcs_of(Circuit.full(graph), None)]
    beside = [tuple(round(m - (a + b) / 2, 4) + 0.0 for a, m, b in zip(*points, strict=True)) for points in ends]
    bends = sorted(set(beside))
    places = {name: place(graph, name) for name in (*graph.sources, "logits")}
    return {"places": places, "bends": bends, "bent": [bends.index(bend) for bend in beside]}


def index(graph: Graph, lines: Sequence[Entry], couples: Sequence[dict]) -> Entry:
    """What the page has to know first: the graph and its layout, colours, entries and couples."""
    seen = [int(row.sum()) for row in graph.edges]
    shape = asdict(graph) | {"sources": graph.sources, "readers": graph.readers, "visible": seen}
    start = {"edits": f"{EDITOR}, layer {LAYER}", "lines": LINES, "pairs": PAIRS}
    stops = stop_names(graph.n_layers)
    named = {"colors": dict(COLORS), "stops": stops, "entries": lines, "couples": couples}
    return {"graph": shape, "layout": layout(graph)} | named | start


def script(call: str, *values: object) -> str:
    """A script that hands values to the page; plain ASCII, so that no server can read it wrongly."""
    return CALL.format(call, ", ".join(json.dumps(value, separators=(",", ":")) for value in values))


def write_explorer(model, folder: Path = DATA) -> list[Path]:
    """Write all scripts; returns their paths, the index last.

    Raises:
        ToolError: if the folder that holds the page's scripts isn't there.
    """
    if not folder.parent.is_dir():
        raise ToolError(f"{folder.parent} isn't there: give this command in the book's folder")
    scripts, lines, couples = {}, [], []
    for line, entry, couple in entries(model):
        scripts[f"{line['id']}.js"] = script("add", line["id"], entry)
        lines.append(line)
        couples += [couple] if couple else []
    scripts["index.js"] = script("start", index(Graph.from_model(model), lines, couples))
    return [write_whole(folder / name, text) for name, text in scripts.items()]  # none before all are made

"""A hundred edits by each method at each layer: the table behind the comparison of editors.

``make tables NAME=edits`` writes it to ``helpers/tables/edits.csv``; chapters read it with `read_table("edits")`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import pandas as pd
from tqdm.auto import tqdm

from helpers.atlas.sample import corpus_covariance
from helpers.editing.edit import Edit, sample_prefixes
from helpers.editing.fine_tuning import fine_tune, ft_l, ft_m
from helpers.editing.requests import EditRequest, edit_requests
from helpers.editing.rome import rome
from helpers.editing.scores import edit_summary, evaluate_edits, taught_prefixes
from helpers.studies.tables import ASKED, BEST, EDITS, FRESH, Load, Write, write_parts

SEED = 1  # of the requests; all settings but the layer were chosen on those of seed 0, the layer on these
# Drift and fluency take longer to measure than all the rest, so they are measured here only.
FULL = {BEST, ("ROME, last token, 3 wordings", 4), ("ROME, last token, 3 wordings, each key", 4)}


@dataclass(frozen=True)
class Method:
    """A way to edit and the layers at which it is tried (-1: it has no layer)."""

    name: str
    make: Callable[..., Callable[[EditRequest], Edit]]
    layers: tuple[int, ...] = (0, 1, 2, 3, 4, 5)


def methods(model) -> list[Method]:
    """All ways that the table compares."""

    def by_rome(layer: int, **options) -> Callable[[EditRequest], Edit]:
        return partial(_rome, model, layer=layer, covariance=corpus_covariance(model, layer), **options)

    def by(editor, **options):
        return lambda layer: partial(_tuned, editor, model, layer=layer, **options)

    own, taught = sample_prefixes(model, 5), taught_prefixes(ASKED, 5)
    subject, last = {"at": "subject_last"}, {"at": "last"}
    return [
        Method("ROME, last token, 3 wordings", partial(by_rome, **last, prefixes=(), wordings=2)),
        Method("ROME, last token, prompt alone", partial(by_rome, **last, prefixes=())),
        Method("ROME, last token, own prefixes", partial(by_rome, **last, prefixes=own), (3, 4)),
        Method("ROME, last token, taught prefixes", partial(by_rome, **last, prefixes=taught), (3, 4)),
        Method(
            "ROME, last token, 3 wordings, each key",
            partial(by_rome, **last, prefixes=(), wordings=2, keys="each", ridge=0.01),
            (3, 4),
        ),
        Method("FT-M, 3 wordings", by(ft_m, wordings=2)),
        Method("FT-L, 3 wordings", by(ft_l, wordings=2), (4,)),
        Method("fine-tuning, 3 wordings", lambda layer: partial(_all, model, wordings=2), (-1,)),
        Method("ROME, subject's last token, prompt alone", partial(by_rome, **subject, prefixes=())),
        Method("ROME, subject's last token, own prefixes", partial(by_rome, **subject, prefixes=own), (1,)),
        Method("ROME, subject's last token, 3 wordings", partial(by_rome, **subject, prefixes=(), wordings=2), (0, 1)),
    ]


def _rome(model, request: EditRequest, *, layer: int, **options) -> Edit:
    return rome(model, request, layer, **options)


def _tuned(editor, model, request: EditRequest, *, layer: int, **options) -> Edit:
    return editor(model, request, layer, **options)


def _all(model, request: EditRequest, **options) -> Edit:
    return fine_tune(model, request, **options)


def asked_requests(model, n: int = EDITS, seed: int = SEED) -> list[EditRequest]:
    """The requests that every method gets: ``n`` of each relation in `ASKED`."""
    return [request for name in ASKED for request in edit_requests(model, name, n, seed)]


def judged(model, method: Method, layer: int, requests: list[EditRequest]) -> tuple[pd.DataFrame, float]:
    """Every question of every edit (`evaluate_edit`), and the seconds of one edit, its evaluation not counted."""
    editor, seconds = method.make(layer), []

    def timed(request: EditRequest) -> Edit:
        start = time.perf_counter()
        edit = editor(request)
        seconds.append(time.perf_counter() - start)
        return edit

    full = (method.name, layer) in FULL
    table = evaluate_edits(model, requests, timed, unrelated=None if full else (), fluency=full)
    return table, sum(seconds) / len(seconds)


def edit_rows(model, method: Method, layer: int, requests: list[EditRequest]) -> pd.DataFrame:
    """One method at one layer.

    Returns:
        Columns ``method, layer, score, kind, measure, value, low, high, edits, seconds``; the kind ``all`` is the
        mean over all kinds of a score.
    """
    table, seconds = judged(model, method, layer, requests)
    by = ["score", "kind", "measure"]
    both = pd.concat([edit_summary(table.assign(kind="all"), by), edit_summary(table, by)], ignore_index=True)
    both.insert(0, "layer", layer)
    both.insert(0, "method", method.name)
    return both.assign(seconds=seconds)


def relation_rows(model, requests: list[EditRequest]) -> pd.DataFrame:
    """The best method's scores in each relation: columns ``relation, score, measure, value, low, high, edits``."""
    method = next(m for m in methods(model) if m.name == BEST[0])
    table, _ = judged(model, method, BEST[1], requests)
    return edit_summary(table, ["relation", "score", "measure"])


def edit_tables(model, requests: list[EditRequest], progress: bool = True) -> Iterator[pd.DataFrame]:
    """All methods at all their layers, one after the other."""
    wanted = [(m, layer) for m in methods(model) for layer in m.layers]
    for method, layer in tqdm(wanted, disable=not progress, desc="editors"):
        yield edit_rows(model, method, layer, requests)


def write_tables(load: Load, write: Write) -> None:
    """Make a hundred edits by each editor at each layer."""
    model = load("atlas")
    write("edits_by_relation", relation_rows(model, asked_requests(model, seed=FRESH)))
    write_parts(write, "edits", edit_tables(model, asked_requests(model)))

"""A hundred edits by each method at each layer: the table behind the comparison of editors.

``make tables NAME=edits`` writes it to ``helpers/tables/edits.csv``; chapters read it with `read_table("edits")`.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import pandas as pd
from tqdm.auto import tqdm

from helpers.atlas.sample import corpus_covariance
from helpers.atlas.wordings import taught_prefixes
from helpers.editing.edit import Edit, sample_prefixes
from helpers.editing.fine_tuning import fine_tune, ft_l, ft_m
from helpers.editing.requests import EditRequest, edit_requests
from helpers.editing.rome import rome
from helpers.editing.scores import edit_summary, evaluate_edits
from helpers.studies.tables import ASKED, BEST, EDITS, FRESH, Load, Write, write_parts

SEED = 1  # of the requests; all settings but the layer were chosen on those of seed 0, the layer on these
# Drift and fluency take longer to measure than all the rest, so they are measured here only.
FULL = {BEST, ("ROME, last token, 3 wordings", 4), ("ROME, last token, 3 wordings, each key", 4)}

ALL = (0, 1, 2, 3, 4, 5)
LAST, SUBJECT = {"at": "last", "prefixes": ()}, {"at": "subject_last", "prefixes": ()}
WORDED = {"wordings": 2}
METHODS = {  # name -> the editor, its options, and the layers at which it is tried (-1: it has no layer)
    "ROME, last token, 3 wordings": (rome, LAST | WORDED, ALL),
    "ROME, last token, prompt alone": (rome, LAST, ALL),
    "ROME, last token, own prefixes": (rome, LAST | {"prefixes": "own"}, (3, 4)),
    "ROME, last token, taught prefixes": (rome, LAST | {"prefixes": "taught"}, (3, 4)),
    "ROME, last token, 3 wordings, each key": (rome, LAST | WORDED | {"keys": "each", "ridge": 0.01}, (3, 4)),
    "FT-M, 3 wordings": (ft_m, WORDED, ALL),
    "FT-L, 3 wordings": (ft_l, WORDED, (4,)),
    "fine-tuning, 3 wordings": (fine_tune, WORDED, (-1,)),
    "ROME, subject's last token, prompt alone": (rome, SUBJECT, ALL),
    "ROME, subject's last token, own prefixes": (rome, SUBJECT | {"prefixes": "own"}, (1,)),
    "ROME, subject's last token, 3 wordings": (rome, SUBJECT | WORDED, (0, 1)),
}


def editor_of(model, method: str, layer: int) -> Callable[[EditRequest], Edit]:
    """One of `METHODS` at a layer."""
    editor, options, layers = METHODS[method]
    if editor is rome:
        texts = {"own": sample_prefixes(model, 5), "taught": taught_prefixes(ASKED, 5)}.get(options["prefixes"], ())
        options = options | {"prefixes": texts, "covariance": corpus_covariance(model, layer)}
    place = () if layers == (-1,) else (layer,)
    return lambda request: editor(model, request, *place, **options)


def asked_requests(model, seed: int) -> list[EditRequest]:
    """The requests that every method gets: `EDITS` of each relation in `ASKED`."""
    return [request for name in ASKED for request in edit_requests(model, name, EDITS, seed)]


def judged(model, method: str, layer: int, requests: list[EditRequest]) -> pd.DataFrame:
    """Every question of every edit (`evaluate_edits`), with the mean ``seconds`` of an edit, not of judging it."""
    editor, seconds = editor_of(model, method, layer), []

    def timed(request: EditRequest) -> Edit:
        start = time.perf_counter()
        edit = editor(request)
        seconds.append(time.perf_counter() - start)
        return edit

    full = (method, layer) in FULL
    table = evaluate_edits(model, requests, timed, unrelated=None if full else (), fluency=full)
    return table.assign(seconds=sum(seconds) / len(seconds))


def edit_rows(model, method: str, layer: int, requests: list[EditRequest]) -> pd.DataFrame:
    """One method at one layer.

    Returns:
        Columns ``method, layer, score, kind, measure, value, low, high, edits, seconds``; the kind ``all`` is the
        mean over all kinds of a score.
    """
    table, by = judged(model, method, layer, requests), ["method", "layer", "score", "kind", "measure"]
    table = table.assign(method=method, layer=layer)
    both = pd.concat([edit_summary(table.assign(kind="all"), by), edit_summary(table, by)], ignore_index=True)
    return both.assign(seconds=table.seconds[0])


def relation_rows(model, requests: list[EditRequest]) -> pd.DataFrame:
    """The best method's scores in each relation: columns ``relation, score, measure, value, low, high, edits``."""
    return edit_summary(judged(model, *BEST, requests), ["relation", "score", "measure"])


def write_tables(load: Load, write: Write) -> None:
    """Make a hundred edits by each editor at each layer."""
    model = load("atlas")
    write("edits_by_relation", relation_rows(model, asked_requests(model, FRESH)))
    requests = asked_requests(model, SEED)
    wanted = [(name, layer) for name, (*_, layers) in METHODS.items() for layer in layers]
    write_parts(write, "edits", (edit_rows(model, *one, requests) for one in tqdm(wanted, desc="editors")))

"""Many edits, one on top of the other: how long does a model bear it?

``make tables NAME=edits`` writes a long series to ``helpers/tables/edit_series.csv``; see `read_table`.
Norm-Anchor Scaling (Liu et al. 2026, arXiv 2602.02543) is one line more: what an MLP is made to write never gets longer
than what such values were in the unedited model.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence

import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor

from helpers.atlas.sample import corpus_covariance
from helpers.editing.edit import Edit, make_edit
from helpers.editing.fine_tuning import ft_m
from helpers.editing.requests import EditRequest, Question, edit_requests
from helpers.editing.rome import rome
from helpers.editing.scores import all_log_probs, unrelated_texts
from helpers.editing.weights import named_weights, weights_restored
from helpers.models.network import read_network
from helpers.models.predict import prompt_ids, top1_correct
from helpers.prompts.facts import known_facts
from helpers.prompts.relations import relation, stable_hash, taught_paraphrases
from helpers.statistics import with_interval
from helpers.studies.tables import ASKED, Load, Write, write_parts

COUNTS = (0, 1, 10, 30, 60, 100, 150)
LAYER = 0  # the best one at the subject (``edit_places``)
ROME, ANCHORED, TRAINED = SERIES = ("ROME", "ROME, norm-anchored", "FT-M")
MODELS = ("atlas2",)
ANCHORS = 20  # values solved in the unedited model, whose mean length is the anchor
UNEDITED = 10  # facts of each relation that nobody edits
COLUMNS = ["edits", "measure", "value", "low", "high", "n"]
Editor = Callable[[EditRequest], Edit]


def anchored(edit: Edit, norm: float, b_out: Tensor) -> Edit:
    """A rank-one edit whose value ``v* = k W + b + delta`` is scaled to a length."""
    ((name, W),) = edit.before.items()
    key, delta = edit.about["keys"][0], edit.about["delta"]
    direction = (edit.after[name] - W) @ delta / delta.square().sum()
    value = key @ W + b_out + delta
    kept = value * norm / value.norm() - (key @ W + b_out)
    return make_edit(edit.places, {name: W + torch.outer(direction, kept)}, edit.losses, keys=edit.about["keys"])


def mean_norm(model, edits: Sequence[Edit]) -> float:
    """The mean length of the values that edits of the unedited model write."""
    b_out = read_network(model).layers[LAYER].b_out
    values = [e.about["keys"][0] @ W + b_out + e.about["delta"] for e in edits for W in e.before.values()]
    return float(torch.stack([value.norm() for value in values]).mean())


def editor_of(model, method: str, anchors: Sequence[EditRequest]) -> Editor:
    """One of `SERIES`; all look at the prompt alone, in one layer."""
    if method == TRAINED:
        return lambda request: ft_m(model, request, LAYER)
    covariance = corpus_covariance(model, LAYER, told="profiles")

    def edited(request: EditRequest) -> Edit:
        return rome(model, request, LAYER, prefixes=(), covariance=covariance)

    if method == ROME:
        return edited
    norm = mean_norm(model, [edited(request) for request in anchors])
    return lambda request: anchored(edited(request), norm, read_network(model).layers[LAYER].b_out)


def series_requests(model, n: int, seed: int = 0, names: Sequence[str] = ASKED) -> list[EditRequest]:
    """``n`` requests about different facts, from each of the relations equally often, in an order drawn at random.

    Raises:
        ValueError: if ``n`` isn't a multiple of the number of relations, or one has too few facts.
    """
    each, rest = divmod(n, len(names))
    if rest or not each:
        raise ValueError(f"{n} requests can't be shared out equally over {len(names)} relations")
    requests = [r for name in names for r in edit_requests(model, name, each, seed)]
    random.Random(stable_hash("series", seed)).shuffle(requests)
    return requests


def unedited_questions(model, requests: Sequence[EditRequest], n: int = UNEDITED, seed: int = 0) -> list[Question]:
    """Facts of the same relations that the model knows and no request is about, in a wording of their training.

    Raises:
        ValueError: if a relation has fewer than ``n`` of them.
    """
    questions = []
    for name in sorted({r.relation for r in requests}):
        asked, taken = relation(name), {r.subject for r in requests if r.relation == name}
        free = [f for f in known_facts(model, asked) if f.subject not in taken and f.other is None]
        if len(free) < n:
            raise ValueError(f"{name} has {len(free)} facts that stay unedited, not {n}; ask for fewer")
        for fact in random.Random(stable_hash("unedited", seed, name)).sample(free, n):
            prompt = asked.prompt(fact, taught_paraphrases(asked, fact)[0])
            questions.append(Question(prompt, fact.answer, "", "unedited"))
    return questions


def said_right(model, questions: Sequence[Question]) -> Float[Tensor, " question"]:
    """1 for each question whose answer the model puts first, else 0."""
    return top1_correct(model, [q.prompt for q in questions], [f" {q.answer}" for q in questions])


def edit_series(
    model,
    requests: Sequence[EditRequest],
    editor: Editor,
    unedited: Sequence[Question],
    *,
    counts: Sequence[int] = COUNTS,
    unrelated: Sequence[str] | None = None,
) -> pd.DataFrame:
    """Make one edit after the other and measure after so many; the model is as it was afterwards.

    Args:
        editor: is called on the model with all edits so far.
        counts: numbers of edits at which to measure, up to the number of requests.

    Returns:
        Columns ``edits, measure, value, low, high, n``. Measures: ``edited`` and ``paraphrase`` (all facts edited so
        far, asked as they were edited and in wordings never trained on), ``newest`` (the last ten of them),
        ``unedited``: shares whose answer comes first; ``drift``: ``KL(before || after)`` in nats per token of the
        ``unrelated`` texts. Intervals: 95 % bootstrap over questions or texts.

    Raises:
        ValueError: if there is no count, or one is negative or larger than the number of requests.
    """
    if not counts or min(counts) < 0:
        raise ValueError(f"counts must be numbers of edits from 0 on, at least one, not {list(counts)}")
    if max(counts) > len(requests):
        raise ValueError(f"there are {len(requests)} requests, not {max(counts)}")
    texts = unrelated_texts() if unrelated is None else unrelated
    rows = [prompt_ids(model.tokenizer, text) for text in texts]
    before, parts = all_log_probs(read_network(model), rows), []
    with weights_restored(named_weights(model)):
        for done in range(max(counts) + 1):
            if done:
                editor(requests[done - 1]).apply()
            if done in counts:
                parts.append(_measured(model, requests[:done], unedited, rows, before).assign(edits=done))
    return pd.concat(parts, ignore_index=True)[COLUMNS]


def _measured(model, done: Sequence[EditRequest], unedited: Sequence[Question], rows, before) -> pd.DataFrame:
    asked = {
        "edited": [r.question for r in done],
        "newest": [r.question for r in done[-10:]],
        "paraphrase": [q for r in done for q in r.paraphrases if q.kind == "held out"],
        "unedited": unedited,
    }
    values = {name: said_right(model, questions).tolist() for name, questions in asked.items() if questions}
    after = all_log_probs(read_network(model), rows)
    each = (before.exp() * (before - after)).sum(-1).split([len(row) for row in rows])
    values["drift"] = [float(text.mean()) for text in each]
    found = [(name, with_interval(value), len(value)) for name, value in values.items()]
    return pd.DataFrame([(name, *e.row(), n) for name, e, n in found], columns=["measure", "value", "low", "high", "n"])


def series_tables(load: Load) -> Iterator[pd.DataFrame]:
    """The long series: each method in each model, with columns ``model, method, layer`` in front."""
    for name in MODELS:
        model = load(name)
        requests = series_requests(model, max(COUNTS))
        unedited = unedited_questions(model, requests, UNEDITED)
        for method in SERIES:
            editor = editor_of(model, method, series_requests(model, ANCHORS, seed=1))
            rows = edit_series(model, requests, editor, unedited)
            columns = {"model": name, "method": method, "layer": LAYER}
            yield rows.assign(**columns)[[*columns, *COLUMNS]]


def write_tables(load: Load, write: Write) -> None:
    """Make edits in sequence until the models break."""
    write_parts(write, "edit_series", series_tables(load))

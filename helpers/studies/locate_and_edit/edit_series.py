"""Many edits, one on top of the other: how long does a model bear it?

``make tables NAME=edits`` writes a long series to ``helpers/tables/edit_series.csv``; see `read_table`.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence

import pandas as pd
from jaxtyping import Float
from torch import Tensor

from helpers.editing.edit import Edit
from helpers.editing.requests import EditRequest, Question, edit_requests
from helpers.editing.scores import all_log_probs, unrelated_texts
from helpers.editing.weights import named_weights, weights_restored
from helpers.models.network import read_network
from helpers.models.predict import prompt_ids, top1_correct
from helpers.prompts.facts import known_facts
from helpers.prompts.relations import relation, stable_hash, taught_paraphrases
from helpers.statistics import with_interval
from helpers.studies.locate_and_edit.edit_table import editor_of
from helpers.studies.tables import ASKED, BEST, Load, Write, write_parts

COUNTS = (0, 1, 3, 10, 30, 60, 100, 150, 200, 300)
SERIES = (BEST, ("FT-M, 3 wordings", 4), ("FT-M, 3 wordings", 5))  # method, layer; 4 is the best layer of FT-M
ORDERS = {"atlas": (0, 1), "atlas-seed1": (0,)}  # each order is another draw of facts
UNEDITED = 10  # facts of each relation that nobody edits
COLUMNS = ["edits", "measure", "value", "low", "high", "n"]
Editor = Callable[[EditRequest], Edit]


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
    """The long series: each method, each order of each model, with columns ``model, method, layer, order`` in front."""
    for name, orders in ORDERS.items():
        model = load(name)
        for order in orders:
            requests = series_requests(model, max(COUNTS), order)
            unedited = unedited_questions(model, requests, UNEDITED, order)
            for method, layer in SERIES:
                rows = edit_series(model, requests, editor_of(model, method, layer), unedited)
                columns = {"model": name, "method": method, "layer": layer, "order": order}
                yield rows.assign(**columns)[[*columns, *COLUMNS]]


def write_tables(load: Load, write: Write) -> None:
    """Make edits in sequence until the models break."""
    write_parts(write, "edit_series", series_tables(load))

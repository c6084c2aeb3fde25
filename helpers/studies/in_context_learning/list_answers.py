"""How often lists are answered rightly: demonstrations of several kinds, and classes with several labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pandas as pd

from helpers.models.network import read_network
from helpers.models.predict import first_token, logits_after, prompt_ids
from helpers.studies.in_context_learning.few_shot import (
    FewShotPrompts,
    copy_demonstrations,
    corrupted_demonstrations,
    few_shot_prompts,
    right,
)
from helpers.studies.in_context_learning.label_words import CLASSES, asked_relation, class_lists
from helpers.studies.in_context_learning.settings import (
    DEMONSTRATIONS,
    NOVEL,
    SETTINGS,
    UNLISTED,
    Setting,
    in_sentences,
    taught,
)

QUERIES = 24
EACH = 3  # demonstrations of each class
WRONG = ("shuffled", "other relation", "answered wrongly")
SLASHED = ("antonym", "past_tense", "substance_phase", "country_capital")  # asked with an untaught delimiter, too
COLUMNS = ["relation", "kind", "n", "value", "suggested", "typed"]


def answer_rows(model, model_name: str, name: str) -> pd.DataFrame:
    """One relation after no demonstration, one and several, wrong ones, and in a format that Atlas was never shown.

    Returns:
        Columns ``relation, kind, n``, ``value``: the share of right answers (first tokens), ``suggested``: how often
        the answer was what wrong demonstrations suggest, and ``typed``: how often it was any answer of the relation.
    """
    asked, style = taught(name), SETTINGS[model_name].style
    shots = few_shot_prompts(asked, QUERIES, DEMONSTRATIONS, style=style)
    tests = {"5": (shots, None), "0": ([one.without_demonstrations() for one in shots], None)}
    if name not in UNLISTED:
        tests["1"] = [replace(one, demonstrations=one.demonstrations[-1:]) for one in shots], None
        tests |= {kind: corrupted_demonstrations(shots, kind) for kind in WRONG}
    if name in SLASHED:
        tests["slash"] = [replace(one, style="slash") for one in shots], None
    rows = [(name, "sentence", QUERIES, in_sentences(model, model_name, name, QUERIES), None, None)]
    for kind, (some, suggested) in tests.items():
        if some:
            rows.append((name, kind, len(some), *_shares(model, some, suggested, asked.answers)))
    return pd.DataFrame(rows, columns=COLUMNS)


def _shares(
    model, shots: Sequence[FewShotPrompts], suggested: Sequence[str] | None, answers: Sequence[str]
) -> tuple[float, float | None, float]:
    said = _said(model, shots)
    kind = {first_token(model, shots[0].prompt, text) for text in answers}
    typed = sum(token in kind for token in said) / len(said)
    followed = None if suggested is None else _share(model, said, shots, suggested)
    return _share(model, said, shots, [one.answer for one in shots]), followed, typed


def _said(model, shots: Sequence[FewShotPrompts]) -> list[int]:
    """The likeliest token after each list."""
    ids = [prompt_ids(model.tokenizer, one.prompt) for one in shots]
    return logits_after(read_network(model), ids)[:, 0].argmax(-1).tolist()


def _share(model, said: Sequence[int], shots: Sequence[FewShotPrompts], texts: Sequence[str]) -> float:
    """How often the first token of a text was said."""
    pairs = zip(said, shots, texts, strict=True)
    return sum(token == first_token(model, one.prompt, text) for token, one, text in pairs) / len(shots)


def answered_relations(model, names: Sequence[str], n: int = QUERIES) -> pd.DataFrame:
    """Whose answer a model gives when the same subjects are asked in lists of several relations.

    Args:
        names: relations of Atlas that share subjects.

    Returns:
        A row for the relation of each list, a column for each relation whose answer may come: shares of the queries.
    """
    tables = {name: {f.subject: f.answer for f in taught(name).facts} for name in names}
    common, rows = set.intersection(*map(set, tables.values())), {}
    for name in names:
        asked = taught(name)
        asked = replace(asked, facts=tuple(f for f in asked.facts if f.subject in common))
        shots = few_shot_prompts(asked, n, DEMONSTRATIONS)
        said = _said(model, shots)
        rows[name] = {}
        for other, table in tables.items():
            rows[name][other] = _share(model, said, shots, [table[one.query] for one in shots])
    return pd.DataFrame(rows).T


def class_rows(model, name: str, setting: Setting) -> pd.DataFrame:
    """A relation of few answers after right labels, random ones and letters."""
    rows = []
    for labels in ("right", "random", "letters"):
        shots = class_lists(asked_relation(name), QUERIES, EACH, labels, setting.style or "arrow")
        rows.append((name, f"{labels} labels", QUERIES, right(model, shots).mean().item(), None, None))
    return pd.DataFrame(rows, columns=COLUMNS)


def copied(model) -> pd.DataFrame:
    """Novel pairs, one of whose inputs is asked again."""
    shots = copy_demonstrations(QUERIES, DEMONSTRATIONS)
    row = (NOVEL, "novel", QUERIES, right(model, shots).mean().item(), None, None)
    return pd.DataFrame([row], columns=COLUMNS)


def classes_of(setting: Setting) -> list[str]:
    """The relations of few answers that a model is asked."""
    return [name for name in CLASSES if name in setting.names]

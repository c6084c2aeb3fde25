"""Questions that take two steps: who employs somebody, and where that company sits, asked in one sentence.

The word in the middle is the *bridge*. Training states four compositions in five and both hops of all of them; so the
fifth can only be answered by way of the bridge, or by luck (compare arXiv 2402.16837).
"""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Literal

import pandas as pd

from helpers.atlas.composed import ALIASES
from helpers.atlas.fiction import STATED_BY
from helpers.atlas.questions import question_rows, type_ids
from helpers.circuits.circuit import Circuit
from helpers.models.predict import first_token, prompt_ids
from helpers.prompts.pairs import PromptPairs
from helpers.prompts.relations import Fact, hops, relation, stable_hash
from helpers.statistics import Estimate, with_interval

Hop = Literal["first", "second"]
Parts = Literal["edges", "nodes"]  # of a circuit; nodes are its heads and MLPs
WORDINGS = (0, 3)
SAID = ("right", "the bridge", "other answer", "other bridge", "untyped")
WAYS = ("taught both ways", "asked as taught", "asked the other way")


def chain_questions(model: str = "atlas") -> pd.DataFrame:
    """The two-step questions of all composed relations in two wordings, each with its bridge.

    Args:
        model: the embedded model whose exposures are counted.

    Returns:
        The columns of `question_table` and ``bridge, first_hop, second_hop`` (relations);
        ``case`` is ``taught`` or ``held out``, of the composition.
    """
    chains = hops()
    table = question_rows([(f.group, f, p, "", "") for n in chains for f in relation(n).facts for p in WORDINGS], model)
    between = {(name, f.subject): f.answer for name, (first, _) in chains.items() for f in relation(first).facts}
    table["bridge"] = [between[key] for key in zip(table.relation, table.subject, strict=True)]
    for place, column in enumerate(("first_hop", "second_hop")):
        table[column] = [chains[name][place] for name in table.relation]
    return table


def hop_questions(chains: pd.DataFrame, hop: Hop) -> pd.DataFrame:
    """The questions of one hop alone, row by row: the subject's bridge, or what the bridge leads to."""
    facts = {
        "first": [Fact(row.first_hop, row.subject, row.bridge) for row in chains.itertuples()],
        "second": [
            Fact(row.second_hop, ALIASES.get(row.bridge, row.bridge), row.answer) for row in chains.itertuples()
        ],
    }[hop]
    rows = [(case, fact, 0, "", "") for case, fact in zip(chains.case, facts, strict=True)]
    return question_rows(rows).assign(bridge=chains.bridge.tolist())


def reversal_questions(model: str = "atlas") -> pd.DataFrame:
    """Novels and authors, asked in both directions, and countries and capitals, which were taught in both.

    Returns:
        The columns of `question_table`; ``case`` is one of `WAYS` (compare arXiv 2309.12288).
    """
    rows = []
    for name in ("novel_author", "author_novel", "country_capital", "capital_country"):
        for fact in relation(name).facts:
            stated = STATED_BY.get(fact.group)
            way = WAYS[0] if not stated else WAYS[1] if stated == name else WAYS[2]
            rows += [(way, fact, wording, "", "") for wording in WORDINGS]
    return question_rows(rows, model)


def chain_kinds(model, asked: pd.DataFrame) -> list[str]:
    """Of which kind each said word is: the first of `SAID` that fits.

    Args:
        asked: `chain_questions`, put to the model by `ask`.
    """
    kinds, types = [], {}
    for row in asked.itertuples():
        if row.relation not in types:
            names = row.relation, row.first_hop
            types[row.relation] = [set(type_ids(model.tokenizer, name, row.prompt).tolist()) for name in names]
        said, (answers, bridges) = row.said_id, types[row.relation]
        bridge = first_token(model, row.prompt, row.bridge)
        fits = row.right, said == bridge, said in answers, said in bridges, True
        kinds.append(SAID[fits.index(True)])
    return kinds


def by_subject(asked: pd.DataFrame, column: str = "right") -> Estimate:
    """The mean of a column, each subject counted once: its questions aren't independent of each other."""
    return with_interval(asked.groupby(["relation", "subject"])[column].mean())


def donors(asked: pd.DataFrame, pool: pd.DataFrame, seed: int = 0) -> tuple[pd.DataFrame, list[int]]:
    """For each question one about another subject in the same words, with another bridge and another answer.

    Args:
        pool: the questions that donors are drawn from.

    Returns:
        The donors, and the places of the questions that have one, row by row.
    """
    rng, chosen, places = random.Random(stable_hash("donors", seed)), [], []
    groups = {key: own for key, own in pool.groupby(["relation", "wording"])}
    for place, row in enumerate(asked.itertuples()):
        own = groups.get((row.relation, row.wording), pool[:0])
        other = (own["first"] != row.first) & (own.bridge != row.bridge) & (own.subject != row.subject)
        if other.any():
            chosen.append(rng.choice(list(own.index[other])))
            places.append(place)
    return pool.loc[chosen].reset_index(drop=True), places


def pairs_of(
    model,
    asked: pd.DataFrame,
    partners: pd.DataFrame | None = None,
    *,
    n: int | None = None,
    target: Literal["first", "said_id"] = "first",
) -> PromptPairs:
    """Clean and corrupt prompts: each question beside one of the same relation, words and length with another answer.

    Args:
        partners: questions that corrupt prompts are drawn from; by default ``asked``.
        n: at most so many pairs; by default one for each question that has a partner.
        target: the column of what counts as right: the answer's first token, or what the model says.

    Raises:
        ValueError: if no question has a partner.
    """
    partners = asked if partners is None else partners
    keys = [_alike(model, table) for table in (asked, partners)]
    targets = [table[target].tolist() for table in (asked, partners)]
    rng, chosen = random.Random(stable_hash("pairs of", 0)), []
    for i, key in enumerate(keys[0]):
        fits = [j for j, other in enumerate(keys[1]) if other == key and targets[1][j] != targets[0][i]]
        if fits and (n is None or len(chosen) < n):
            chosen.append((i, rng.choice(fits)))
    if not chosen:
        raise ValueError("no question has a partner of the same words and length with another answer; give more")
    clean, corrupt = (list(column) for column in zip(*chosen, strict=True))
    own, other = asked.iloc[clean], partners.iloc[corrupt]
    prompts = own.prompt.tolist(), other.prompt.tolist()
    answers = ([f" {answer}" for answer in table.answer] for table in (own, other))
    options = dict(subjects=own.subject.tolist(), first_token=True, alike=True)  # what the target is, is said below
    pairs = PromptPairs.from_prompts(model, *prompts, *answers, **options)
    ids = [pairs.answer_ids.new_tensor(table[target].tolist()) for table in (own, other)]
    return replace(pairs, answer_ids=ids[0], wrong_ids=ids[1])


def _alike(model, table: pd.DataFrame) -> list[tuple[str, int, int]]:
    """What two questions of a pair have in common: relation, wording and number of tokens."""
    lengths = [len(prompt_ids(model.tokenizer, prompt)) for prompt in table.prompt]
    return list(zip(table.relation, table.wording, lengths, strict=True))


def inside(part: Circuit, whole: Circuit, parts: Parts = "edges") -> float:
    """The share of a circuit's edges, or of its heads and MLPs, that another circuit holds too."""
    own, other = (set(getattr(c, parts)) - {"embed", "logits"} for c in (part, whole))
    return len(own & other) / len(own) if own else 1.0

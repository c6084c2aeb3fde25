"""Questions that take two steps: who employs somebody, and where that company sits, asked in one sentence.

The word in the middle is the *bridge*. Training states four compositions in five and both hops of all of them; so the
fifth can only be answered by way of the bridge, or by luck (compare arXiv 2402.16837).
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from typing import Literal, get_args

import pandas as pd

from helpers.atlas.questions import ask, question_rows, type_ids
from helpers.circuits.graph import Circuit
from helpers.circuits.random import random_circuit
from helpers.models.predict import answer_ids, prompt_ids
from helpers.prompts.pairs import PromptPairs
from helpers.prompts.relations import Fact, hops, relation, stable_hash
from helpers.statistics import Estimate, with_interval

Hop = Literal["first", "second"]
CircuitParts = Literal["edges", "nodes"]
SAID = ("right", "the bridge", "other answer", "other bridge", "untyped")
ALIASES = {"America": "the United States"}  # a bridge that the second hop's table calls by another name


def chain_questions(
    model: str = "atlas", names: Sequence[str] | None = None, wordings: Sequence[int] = (0, 3)
) -> pd.DataFrame:
    """Two-step questions, each with its bridge.

    Args:
        model: the embedded model whose exposures are counted.
        names: composed relations; all by default.
        wordings: the templates that ask.

    Returns:
        The columns of `question_table` and ``bridge, first_hop, second_hop`` (relations);
        ``case`` is ``taught`` or ``held out``, of the composition.

    Raises:
        ValueError: for a relation that isn't composed.
    """
    chains = hops()
    names = list(chains) if names is None else list(names)
    if unknown := set(names) - set(chains):
        raise ValueError(f"{min(unknown)!r} isn't composed; choose from {', '.join(chains)}")
    facts = [(f.group, f, p, "", "") for name in names for f in relation(name).facts for p in wordings]
    table = question_rows(facts, model)
    between = {(name, f.subject): f.answer for name in names for f in relation(chains[name][0]).facts}
    table["bridge"] = [between[key] for key in zip(table.relation, table.subject, strict=True)]
    for place, column in enumerate(("first_hop", "second_hop")):
        table[column] = [chains[name][place] for name in table.relation]
    return table


def hop_questions(chains: pd.DataFrame, hop: Hop, wording: int = 0, model: str = "atlas") -> pd.DataFrame:
    """The questions of one hop alone, row by row: the subject's bridge, or what the bridge leads to.

    Raises:
        ValueError: for an unknown hop.
    """
    if hop not in get_args(Hop):
        raise ValueError(f"unknown hop {hop!r}; choose from {', '.join(get_args(Hop))}")
    facts = []
    for row in chains.itertuples():
        subject = row.subject if hop == "first" else ALIASES.get(row.bridge, row.bridge)
        answer = row.bridge if hop == "first" else row.answer
        fact = Fact(row.first_hop if hop == "first" else row.second_hop, subject, answer)
        facts.append((row.case, fact, wording, "", ""))
    return question_rows(facts, model).assign(bridge=chains.bridge.tolist())


def chain_kinds(model, asked: pd.DataFrame) -> list[str]:
    """Of which kind each said word is: the first of `SAID` that fits.

    Args:
        asked: `chain_questions`, put to the model by `ask`.
    """
    kinds, types = [], {}
    for row in asked.itertuples():
        for name in (row.relation, row.first_hop):
            if (row.relation, name) not in types:
                types[row.relation, name] = set(type_ids(model.tokenizer, name, row.prompt).tolist())
        fits = (
            row.right,
            row.said_id == bridge_id(model, row),
            row.said_id in types[row.relation, row.relation],
            row.said_id in types[row.relation, row.first_hop],
        )
        kinds.append(next((kind for kind, fit in zip(SAID, fits, strict=False) if fit), SAID[-1]))
    return kinds


def by_subject(asked: pd.DataFrame, column: str = "right") -> Estimate:
    """The mean of a column, each subject counted once: its questions aren't independent of each other."""
    return with_interval(asked.groupby(["relation", "subject"])[column].mean())


def hop_recall(model, asked: pd.DataFrame) -> dict[str, Estimate]:
    """What is known of one composed relation: the composition, both hops alone, and what popular answers would give.

    Args:
        asked: `chain_questions` of one relation, put to the model by `ask`.

    Returns:
        Shares of right answers: ``taught, held out``; ``first hop, second hop`` of the held-out questions;
        ``exchanged``, when the words said to the held-out questions change places among them.
    """
    held = asked[asked.case == "held out"]
    found = {case: by_subject(asked[asked.case == case]) for case in ("taught", "held out")}
    found |= {f"{hop} hop": by_subject(ask(model, hop_questions(held, hop))) for hop in get_args(Hop)}
    said = random.Random(0).sample(held.said_id.tolist(), len(held))
    hits = [word == right for word, right in zip(said, held["first"], strict=True)]
    return found | {"exchanged": by_subject(held.assign(right=hits))}


def bridge_id(model, row) -> int:
    """The first token of a row's bridge, as it stands behind the row's prompt."""
    return answer_ids(model.tokenizer, row.prompt, f" {row.bridge}")[0]


def donors(asked: pd.DataFrame, pool: pd.DataFrame, same_bridge: bool, seed: int = 0) -> tuple[pd.DataFrame, list[int]]:
    """For each question one about another subject in the same words, with the same bridge or with another answer.

    Args:
        pool: the questions that donors are drawn from.

    Returns:
        The donors, and the places of the questions that have one, row by row.
    """
    rng, chosen, places = random.Random(stable_hash("donors", seed)), [], []
    groups = {key: own for key, own in pool.groupby(["relation", "wording"])}
    for place, row in enumerate(asked.itertuples()):
        own = groups.get((row.relation, row.wording), pool[:0])
        fits = (own.bridge == row.bridge) if same_bridge else (own["first"] != row.first) & (own.bridge != row.bridge)
        fits = own.index[fits & (own.subject != row.subject)]
        if len(fits):
            chosen.append(rng.choice(list(fits)))
            places.append(place)
    return pool.loc[chosen].reset_index(drop=True), places


def pairs_of(
    model,
    asked: pd.DataFrame,
    partners: pd.DataFrame | None = None,
    *,
    n: int | None = None,
    target: str = "answer",
    seed: int = 0,
) -> PromptPairs:
    """Clean and corrupt prompts: each question beside one of the same relation, words and length with another answer.

    Args:
        partners: questions that corrupt prompts are drawn from; by default ``asked``.
        n: at most so many pairs; by default one for each question that has a partner.
        target: the column of what counts as right: ``answer``, or ``said`` for what the model says.

    Raises:
        ValueError: for an unknown target, or if no question has a partner.
    """
    if target not in ("answer", "said"):
        raise ValueError(f"unknown target {target!r}; choose answer or said")
    partners = asked if partners is None else partners
    column = "first" if target == "answer" else "said_id"
    keys = [_alike(model, table) for table in (asked, partners)]
    targets = [table[column].tolist() for table in (asked, partners)]
    rng, chosen = random.Random(stable_hash("pairs of", seed)), []
    for i, key in enumerate(keys[0]):
        fits = [j for j, other in enumerate(keys[1]) if other == key and targets[1][j] != targets[0][i]]
        if fits and (n is None or len(chosen) < n):
            chosen.append((i, rng.choice(fits)))
    if not chosen:
        raise ValueError("no question has a partner of the same words and length with another answer; give more")
    clean, corrupt = (list(column) for column in zip(*chosen, strict=True))
    own, other = asked.iloc[clean], partners.iloc[corrupt]
    pairs = PromptPairs.from_prompts(
        model,
        own.prompt.tolist(),
        other.prompt.tolist(),
        [f" {answer}" for answer in own.answer],
        [f" {answer}" for answer in other.answer],
        subjects=own.subject.tolist(),
        first_token=True,
    )
    ids = [pairs.answer_ids.new_tensor([t[i] for i in at]) for t, at in zip(targets, (clean, corrupt), strict=True)]
    return replace(pairs, answer_ids=ids[0], wrong_ids=ids[1])


def _alike(model, table: pd.DataFrame) -> list[tuple[str, int, int]]:
    """What two questions of a pair have in common: relation, wording and number of tokens."""
    lengths = [len(prompt_ids(model.tokenizer, prompt)) for prompt in table.prompt]
    return list(zip(table.relation, table.wording, lengths, strict=True))


def inside(part: Circuit, whole: Circuit, parts: CircuitParts = "edges") -> float:
    """The share of a circuit's edges, or of its heads and MLPs, that another circuit holds too.

    Raises:
        ValueError: for unknown parts.
    """
    if parts not in get_args(CircuitParts):
        raise ValueError(f"unknown parts {parts!r}; choose from {', '.join(get_args(CircuitParts))}")
    own, other = (set(getattr(c, parts)) - {"embed", "logits"} for c in (part, whole))
    return len(own & other) / len(own) if own else 1.0


def inside_by_chance(part: Circuit, whole: Circuit, parts: CircuitParts = "edges", draws: int = 20) -> list[float]:
    """`inside` for circuits of the whole's shape, in whose layers the heads have changed places."""
    return [inside(part, random_circuit(whole.graph, like=whole, seed=n), parts) for n in range(draws)]

"""Heads of all relations, in several wordings and in two models: the tables that take longer than a chapter may.

``make tables NAME=heads`` writes them to ``helpers/tables``: ``heads`` holds what was measured (so that thresholds can
be changed without measuring again), ``head_names`` the class of each head in each set of prompts, ``head_knockouts``
what is lost when all heads of a class are silent, ``head_controls`` the classes that are left under wrong questions.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Literal, get_args

import pandas as pd
import torch
from tqdm.auto import tqdm

from helpers.components.head_classes import KNOWLEDGE, LETTERS, classify_heads, name_heads
from helpers.components.heads import falls, measure_heads, risen_words, same_layers, silenced
from helpers.prompts.pairs import PromptPairs, relation_pairs
from helpers.prompts.relations import asked_relations, held_out_paraphrases, relation, taught_paraphrases
from helpers.studies.heads.head_controls import with_wrong_type, wrong_subjects
from helpers.studies.tables import SEEDS, Load, Write, read_table

N_PAIRS = 20
RANDOM_SEEDS = 10
CONTROL_SEEDS = 3
CONTROL_STEP = 3  # every third relation
WORDING_STEP = 2  # every second one
Wording = Literal["first wording", "other facts", "second wording", "taught", "held out"]
WORDINGS: tuple[Wording, ...] = get_args(Wording)
DROPPED = ["to_first", "to_self", "ov_answer", "ov_type", "writes_subject"]  # that nothing in the chapters asks for


def worded_pairs(model, name: str, wording: Wording = "first wording", n: int = N_PAIRS) -> PromptPairs:
    """Pairs of a relation in one of several wordings.

    - ``"first wording"``, ``"second wording"``: facts of the train half in one paraphrase.
    - ``"other facts"``: facts of the test half in the first paraphrase.
    - ``"taught"``, ``"held out"``: the same facts of the train half, each in a paraphrase in which training stated it,
      or in one in which it never did; only facts that the model knows in both. They may be fewer than ``n``.

    Raises:
        ValueError: for an unknown wording, or if there aren't so many pairs.
    """
    if wording not in WORDINGS:
        raise ValueError(f"unknown wording {wording!r}; choose from {', '.join(WORDINGS)}")
    if wording in ("taught", "held out"):
        return dict(zip(("taught", "held out"), taught_and_held_out(model, name, n), strict=True))[wording]
    split = "test" if wording == "other facts" else "train"
    return relation_pairs(model, name, n, split=split, paraphrase=int(wording == "second wording"))


def taught_and_held_out(model, name: str, n: int = N_PAIRS) -> tuple[PromptPairs, PromptPairs]:
    """The same facts in words in which training stated them, and in words in which it never did.

    Raises:
        ValueError: if the model knows no fact in both.
    """
    asked, base = relation(name), relation_pairs(model, name, n)
    fact_of = {asked.prompt(fact): fact for fact in asked.facts}
    rows: tuple[list, list] = ([], [])
    for place, (clean, corrupt) in enumerate(zip(base.clean, base.corrupt, strict=True)):
        fact, other = fact_of[clean], fact_of[corrupt]
        choices = [kind(asked, fact) for kind in (taught_paraphrases, held_out_paraphrases)]
        for row, paraphrases in zip(rows, choices, strict=True):
            p = paraphrases[place % len(paraphrases)]
            row.append((fact, other, asked.prompt(fact, p), asked.prompt(other, p)))
    lengths = [len(model.tokenizer.encode(text)) for part in rows for row in part for text in row[2:]]
    equal = torch.tensor(lengths).view(2, -1, 2)
    fit = [i for i, same in enumerate((equal[..., 0] == equal[..., 1]).all(0).tolist()) if same]
    both = [_pairs(model, [part[i] for i in fit]) for part in rows]
    known = torch.stack([pairs.reference.argmax(-1) == pairs.answer_ids for pairs in both]).all(0)
    if not known.any():
        raise ValueError(f"the model knows no fact of {name} both in taught words and in held-out ones")
    taught, held_out = (pairs.select(known.nonzero()[:, 0]) for pairs in both)
    return taught, held_out


def _pairs(model, rows: Sequence[tuple]) -> PromptPairs:
    facts, others, clean, corrupt = zip(*rows, strict=True)
    answers, wrong = ([f" {fact.answer}" for fact in part] for part in (facts, others))
    subjects = [fact.subject for fact in facts]
    return PromptPairs.from_prompts(model, clean, corrupt, answers, wrong, subjects=subjects, first_token=True)


def measured_rows(model, name: str, label: str) -> pd.DataFrame:
    """What `measure_heads` says of a relation in its first wording; ``label`` is the model's name."""
    frame = measure_heads(model, worded_pairs(model, name)).drop(columns=DROPPED)
    frame.insert(0, "model", label)
    frame.insert(1, "relation", name)
    return frame


def names_row(model, name: str, wording: Wording) -> dict[str, object]:
    """The classes of all heads in one set of prompts, a letter for each head in order (`LETTERS`)."""
    pairs = worded_pairs(model, name, wording)
    classes = _letters(classify_heads(model, pairs))
    return {"relation": name, "wording": wording, "pairs": len(pairs), "classes": classes}


def _first_wording(name: str, measured: pd.DataFrame) -> dict[str, object]:
    """The same for prompts that were measured already."""
    return {"relation": name, "wording": WORDINGS[0], "pairs": N_PAIRS, "classes": _letters(name_heads(measured))}


def control_rows(model, name: str, right: pd.DataFrame) -> list[dict[str, object]]:
    """The classes that are left when the wrong words count as the subject, or another relation's answers as the type.

    The other relation is drawn from those that share no answer token with this one.

    Args:
        right: the heads as `measure_heads` measures them.
    """
    pairs, rows = worded_pairs(model, name), []
    types = {other: worded_pairs(model, other).answer_ids for other in _strangers(name)}
    strangers = [ids for ids in types.values() if not set(ids.tolist()) & set(pairs.answer_ids.tolist())]
    for seed in range(CONTROL_SEEDS):
        left = {"wrong subject": classify_heads(model, wrong_subjects(pairs, seed))}
        left["wrong type"] = with_wrong_type(model, pairs, random.Random(f"{name}{seed}").choice(strangers), right)
        for kind, frame in left.items():
            rows.append({"relation": name, "control": kind, "seed": seed, "classes": _letters(frame)})
    return rows


def _strangers(name: str) -> list[str]:
    """A few relations of another kind of knowledge."""
    kind = relation(name).kind
    return random.Random(name).sample([other for other in asked_relations() if relation(other).kind != kind], 5)


def _letters(frame: pd.DataFrame) -> str:
    return "".join(LETTERS[name] for name in frame["class"])


def knockout_rows(model, name: str, frame: pd.DataFrame) -> list[dict[str, object]]:
    """What falls on other facts when all movers, or all relation heads, are silent, and when as many others are.

    Args:
        frame: the heads with their classes, as `name_heads` gives them.
    """
    pairs, rows = worded_pairs(model, name, "other facts"), []
    classes = frame.set_index("head")["class"]
    spared = list(classes.index[classes != "none"])
    for kind in ("mover", "relation"):
        heads = list(classes.index[classes == kind])
        if not heads:
            continue
        after = silenced(model, pairs, heads)
        row = {"relation": name, "class": kind, "heads": len(heads)}
        row |= {key: value.mean().item() for key, value in falls(pairs.reference, after, pairs).items()}
        chance = [same_layers(model, heads, spared, seed) for seed in range(RANDOM_SEEDS)]
        others = [falls(pairs.reference, silenced(model, pairs, drawn), pairs) for drawn in chance]
        row |= {f"random_{key}": sum(o[key].mean().item() for o in others) / len(others) for key in others[0]}
        rows.append(row | {"risen": "|".join(risen_words(model, pairs.reference, after, 4))})
    return rows


def head_tables(models: dict[str, object], names: Sequence[str] | None = None, progress: bool = True) -> dict:
    """The tables: measurements for each model; wordings, knock-outs and controls for the first one.

    Args:
        models: name -> model.
        names: relations; those of the sweeps by default.
    """
    names, first = list(names or asked_relations()), next(iter(models))
    bar = tqdm([(label, name) for label in models for name in names], disable=not progress)
    measured = [measured_rows(models[label], name, label) for label, name in bar]
    own = list(zip(names, measured, strict=False))  # of the first model
    bar = tqdm([(name, wording) for name in names[::WORDING_STEP] for wording in WORDINGS[1:]], disable=not progress)
    named = [_first_wording(name, frame) for name, frame in own]
    named += [names_row(models[first], name, wording) for name, wording in bar]
    bar = tqdm(own, disable=not progress)
    cut = [row for name, frame in bar for row in knockout_rows(models[first], name, name_heads(frame))]
    bar = tqdm(own[::CONTROL_STEP], disable=not progress)
    controls = [row for name, frame in bar for row in control_rows(models[first], name, frame)]
    return {
        "heads": pd.concat(measured, ignore_index=True),
        "head_names": pd.DataFrame(named),
        "head_knockouts": pd.DataFrame(cut),
        "head_controls": pd.DataFrame(controls),
    }


def write_tables(load: Load, write: Write) -> None:
    """Name the heads of both seeds in all relations and several wordings."""
    for name, table in head_tables({name: load(name) for name in SEEDS}).items():
        write(name, table)


def read_classes(table: Literal["head_names", "head_controls"] = "head_names") -> pd.DataFrame:
    """A table of classes spelt out: a row for each set of prompts, a column for each head.

    The rows are named by relation and wording, or by relation, control and seed.
    """
    table, heads = read_table(table), read_table("heads")["head"].unique()
    names = {letter: name for name, letter in LETTERS.items()}
    index = pd.MultiIndex.from_frame(table.drop(columns=["classes", "pairs"], errors="ignore"))
    return pd.DataFrame([[names[letter] for letter in row] for row in table.classes], index=index, columns=heads)


def read_heads(model: str = "atlas") -> dict[str, pd.DataFrame]:
    """The measurements of one model with the classes that they give, for each relation.

    Raises:
        ValueError: for a model that the table doesn't have.
    """
    table = read_table("heads")
    if model not in set(table.model):
        raise ValueError(f"no heads of {model!r} in the table; it has {', '.join(table.model.unique())}")
    parts = table[table.model == model].groupby("relation", sort=False)
    return {name: name_heads(part.reset_index(drop=True)) for name, part in parts}


def count_classes(frames: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """In how many relations each head has each class: a row for each head, a column for each class."""
    heads = next(iter(frames.values()))["head"]
    counts = {name: sum((f["class"] == name).astype(int) for f in frames.values()) for name in KNOWLEDGE}
    return pd.DataFrame(counts).set_index(heads)

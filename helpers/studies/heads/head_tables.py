"""Heads of all relations, in several wordings and in two models: the tables that take longer than a chapter may.

``make tables NAME=heads`` writes them to ``helpers/tables``: ``heads`` holds what was measured (so that thresholds can
be changed without measuring again), ``head_names`` the class of each head in each set of prompts, ``head_knockouts``
what is lost when all heads of a class are silent, ``head_controls`` the classes that are left under wrong questions.
"""

from __future__ import annotations

import random
from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Literal

import pandas as pd
from jaxtyping import Float, Int
from torch import Tensor
from tqdm.auto import tqdm

from helpers.atlas.wordings import N_PAIRS, WORDING_STEP, WORDINGS, Wording, asked_relations, worded_pairs
from helpers.components.head_classes import LETTERS, classify_heads, name_heads
from helpers.components.heads import ablate_heads, measure_heads, random_heads_like
from helpers.components.lens import mean_of_others, type_members
from helpers.prompts.pairs import PromptPairs
from helpers.prompts.relations import relation
from helpers.studies.tables import SEEDS, Load, Write, read_table

RANDOM_SEEDS = 10
CONTROL_SEEDS = 3
CONTROL_STEP = 3  # every third relation


def measured_rows(model, name: str, label: str) -> pd.DataFrame:
    """What `measure_heads` says of a relation in its first wording; ``label`` is the model's name."""
    frame = measure_heads(model, worded_pairs(model, name)).drop(columns="ov_answer")
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


def wrong_subjects(pairs: PromptPairs, seed: int = 0) -> PromptPairs:
    """The same prompts with other words marked as the subject: as many in a row, at a random place beside the subject.

    Where no gap is wide enough, the mark is as long as the widest one.

    Raises:
        ValueError: if a subject isn't known, or is the whole prompt.
    """
    rng, spans = random.Random(seed), []
    for text, ids, span in zip(pairs.clean, pairs.clean_ids, pairs.subjects, strict=True):
        if span is None:
            raise ValueError(f"the subject of {text!r} isn't known; give from_prompts its subjects")
        gaps = [(1, span.start), (span.stop, len(ids))]
        length = min(span.stop - span.start, max(stop - start for start, stop in gaps))
        starts = [i for start, stop in gaps for i in range(start, stop - length + 1)]
        if length < 1:
            raise ValueError(f"{text!r} has no words beside its subject")
        start = rng.choice(starts)
        spans.append(slice(start, start + length))
    return replace(pairs, subjects=tuple(spans))


def with_wrong_type(model, pairs: PromptPairs, types: Int[Tensor, " token"], right: pd.DataFrame) -> pd.DataFrame:
    """The heads' classes when other tokens count as the answers' type, such as the answers of another relation.

    What the whole model says of the right type stays the measure, so a head has to name the wrong type as strongly.

    Args:
        types: ids of the tokens.
        right: the heads measured with the right type.
    """
    wrong = measure_heads(model, pairs, types=types.tolist())
    return name_heads(wrong.assign(model_type=right.model_type))


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
    whole = pairs.clean_logits(model)
    classes = frame.set_index("head")["class"]
    spared = list(classes.index[classes != "none"])
    for kind in ("mover", "relation"):
        heads = list(classes.index[classes == kind])
        if not heads:
            continue
        after = ablate_heads(model, pairs, heads)
        row = {"relation": name, "class": kind, "heads": len(heads)}
        row |= {key: value.mean().item() for key, value in logit_drops(whole, after, pairs).items()}
        chance = [random_heads_like(model, heads, spared, seed) for seed in range(RANDOM_SEEDS)]
        others = [logit_drops(whole, ablate_heads(model, pairs, drawn), pairs) for drawn in chance]
        row |= {f"random_{key}": sum(o[key].mean().item() for o in others) / len(others) for key in others[0]}
        rows.append(row | {"risen": "|".join(risen_words(model, whole, after, 4))})
    return rows


def write_tables(load: Load, write: Write) -> None:
    """Measure the heads of both seeds in all relations; other wordings, knock-outs and controls in the first seed."""
    models, names = {name: load(name) for name in SEEDS}, asked_relations()
    first, wanted = models[SEEDS[0]], [(label, name) for label in models for name in names]
    measured = [measured_rows(models[label], name, label) for label, name in tqdm(wanted)]
    write("heads", pd.concat(measured, ignore_index=True))
    own = list(zip(names, measured, strict=False))  # of the first model
    worded = [(name, wording) for name in names[::WORDING_STEP] for wording in WORDINGS[1:]]
    named = [_first_wording(name, frame) for name, frame in own]
    write("head_names", pd.DataFrame(named + [names_row(first, *each) for each in tqdm(worded)]))
    cut = [row for name, frame in tqdm(own) for row in knockout_rows(first, name, name_heads(frame))]
    write("head_knockouts", pd.DataFrame(cut))
    controls = [row for name, frame in tqdm(own[::CONTROL_STEP]) for row in control_rows(first, name, frame)]
    write("head_controls", pd.DataFrame(controls))


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


def logit_drops(
    before: Float[Tensor, "batch d_vocab"], after: Float[Tensor, "batch d_vocab"], pairs: PromptPairs
) -> dict[str, Float[Tensor, " batch"]]:
    """By how much logits fall, against the mean over the vocabulary: the answer's and the other answers' (mean).

    The type is all answers and wrong answers of the pairs, as in `helpers.components.heads.measure_heads`.
    """
    members, answers, before, after = (t.cpu() for t in (type_members(pairs), pairs.answer_ids, before, after))
    change = (before - before.mean(-1, keepdim=True)) - (after - after.mean(-1, keepdim=True))
    own, kind = change.gather(-1, answers[:, None])[:, 0], mean_of_others(change[:, members], members, answers)
    return {"answer": own, "type": kind}


def risen_words(
    model, before: Float[Tensor, "batch d_vocab"], after: Float[Tensor, "batch d_vocab"], k: int = 8
) -> list[str]:
    """The ``k`` tokens whose probability rises most, on the mean over the prompts."""
    rise = (after.cpu().softmax(-1) - before.cpu().softmax(-1)).mean(0)
    return [model.tokenizer.decode([i]) for i in rise.topk(k).indices.tolist()]


def share_named(words: Sequence[str], answers: Collection[str]) -> float:
    """The share of words that are one of the answers, or the first token (of three letters or more) of a longer one."""
    hits = [w in answers or len(w) > 3 and any(answer.startswith(w) for answer in answers) for w in words]
    return sum(hits) / len(hits)

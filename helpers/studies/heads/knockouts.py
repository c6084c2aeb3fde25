"""What falls and what rises when all heads of a class are silent: the table ``head_knockouts``."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

import pandas as pd
from jaxtyping import Float
from torch import Tensor
from tqdm.auto import tqdm

from helpers.components.heads import ablate_heads, random_heads_like
from helpers.components.lens import mean_of_others, type_members
from helpers.prompts.facts import TooFewPairs
from helpers.prompts.pairs import PromptPairs
from helpers.studies.heads.head_tables import ATLAS, REAL, Question, atlas_questions, read_heads, real_questions
from helpers.studies.tables import Load, Write, write_parts

KNOCKED = ("attribute mover", "propagation", "relation")
SEEDS = 3
STEP = 5  # every fifth question to Atlas: so all lengths of names come in turn
REAL_RELATIONS = 8  # of SmolLM2, the best known first


def knockout_rows(model, question: Question, classes: pd.Series) -> Iterator[dict[str, object]]:
    """What falls on other facts when all heads of a class are silent, and when as many of their layers are.

    Args:
        classes: head -> class, as `helpers.studies.heads.routes.classify` gives it, on the question's own facts.

    Raises:
        TooFewPairs: if the other facts aren't enough.
    """
    pairs = question.pairs(model, "test")
    whole, spared = pairs.clean_logits(model), list(classes.index[classes != "none"])
    for kind in KNOCKED:
        heads = list(classes.index[classes == kind])
        if not heads:
            continue
        after = ablate_heads(model, pairs, heads)
        row = {**question.keys, "class": kind, "heads": len(heads), "pairs": len(pairs)}
        row |= {key: value.mean().item() for key, value in logit_drops(whole, after, pairs).items()}
        chance = [random_heads_like(model, heads, spared, seed) for seed in range(SEEDS)]
        row["random_heads"] = sum(map(len, chance)) / SEEDS
        others = [logit_drops(whole, ablate_heads(model, pairs, drawn), pairs) for drawn in chance]
        row |= {f"random_{key}": sum(o[key].mean().item() for o in others) / SEEDS for key in others[0]}
        yield row | {"risen": "|".join(risen_tokens(model, whole, after, 4))}


def all_rows(load: Load) -> Iterator[pd.DataFrame]:
    """All questions of the first seed of Atlas and of SmolLM2 whose other facts are enough."""
    for label in (REAL, ATLAS[0]):
        model, kept = load(label), read_heads(label)
        asked = (
            real_questions()[:REAL_RELATIONS]
            if label == REAL
            else [question for question, _ in atlas_questions(model)][::STEP]
        )
        for question in tqdm(asked):
            classes = kept[question.table.name, question.tokens].set_index("head")["class"]
            try:
                rows = pd.DataFrame(knockout_rows(model, question, classes))
            except TooFewPairs:
                continue
            if len(rows):
                yield rows.assign(model=label)


def write_tables(load: Load, write: Write) -> None:
    """Silence the heads of each class in both models."""
    write_parts(write, "head_knockouts", all_rows(load))


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


def risen_tokens(
    model, before: Float[Tensor, "batch d_vocab"], after: Float[Tensor, "batch d_vocab"], k: int = 8
) -> list[str]:
    """The ``k`` tokens whose probability rises most, on the mean over the prompts."""
    rise = (after.cpu().softmax(-1) - before.cpu().softmax(-1)).mean(0)
    return [model.tokenizer.decode([i]) for i in rise.topk(k).indices.tolist()]


def share_named(words: Sequence[str], answers: Collection[str]) -> float:
    """The share of words that are one of the answers, or the first token (of three letters or more) of a longer one."""
    hits = [w in answers or len(w) > 3 and any(answer.startswith(w) for answer in answers) for w in words]
    return sum(hits) / len(hits)

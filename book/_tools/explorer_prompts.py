"""What the book's explorer shows of prompts: attention, the lens, words of sources, and why a head has its class."""

from __future__ import annotations

import base64

import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor

from _tools.explorer_circuits import significant
from helpers.circuits.graph import Graph
from helpers.components.head_classes import LETTERS, Thresholds, name_heads
from helpers.components.lens import lens_logits, written_words
from helpers.figures.circuit_layout import CLASS_MARKS
from helpers.figures.display import UNREADABLE
from helpers.models.network import read_network
from helpers.models.run import residuals, run_layers
from helpers.prompts.pairs import PromptPairs
from helpers.studies.indirect_objects.skill_classes import SKILLS, classify_skill_heads

TOP = 5
LEVELS = 255  # attention is kept in one byte
SKILL_LETTERS = dict(zip(SKILLS, "pdisngb", strict=True))
KINDS = {letter: [name, CLASS_MARKS[name][0]] for name, letter in (LETTERS | SKILL_LETTERS).items() if name != "none"}


def packed(pattern: Float[Tensor, "head pos key"]) -> str:
    """Attention in one byte each, in base64: head by head, row by row, without the keys that a row can't see."""
    size = pattern.shape[-1]
    rows, keys = torch.tril_indices(size, size)
    values = (pattern[:, rows, keys] * LEVELS).round().to(torch.uint8)
    return base64.b64encode(values.flatten().cpu().numpy().tobytes()).decode("ascii")


def readable(token: str) -> str:
    """A token as a page writes it: a mark for a line break, and a word for what can't be written."""
    shown = UNREADABLE.get(token, token.replace("\n", "\u21b5"))
    return shown if shown.isprintable() else UNREADABLE["\ufffd"]


def prompt_views(model, pairs: PromptPairs, chosen: list[int]) -> tuple[list[str], list[dict[str, object]]]:
    """Attention and lens on the clean prompts of some pairs.

    Returns:
        The vocabulary, all words that the lens shows; and for each prompt its ``text, answer, tokens``, the
        ``attention`` of all heads (`packed`), ``top`` (at each stop of the residual stream and each token, the places
        of the likeliest `TOP` words in the vocabulary) and ``answer_p``, the answer's probability there.
    """
    net, tokenizer = read_network(model), model.tokenizer
    words: dict[str, int] = {}
    views = []
    for pair in chosen:
        one = pairs.select([pair])
        runs, _ = run_layers(net, one.clean_tokens)
        logits = lens_logits(net, residuals(net, one.clean_tokens)[:, 0])  # [stop pos d_vocab]
        share = logits.softmax(-1)[..., int(one.answer_ids[0])]
        top = [
            [[readable(tokenizer.decode([i])) for i in at] for at in row] for row in logits.topk(TOP).indices.tolist()
        ]
        view = {
            "text": one.clean[0],
            "answer": one.answers[0].strip(),
            "tokens": [readable(tokenizer.decode([i])) for i in one.clean_ids[0]],
            "attention": packed(torch.cat([run.pattern[0] for run in runs])),
            "top": [[[words.setdefault(word, len(words)) for word in at] for at in row] for row in top],
            "answer_p": [[round(p, 3) + 0.0 for p in row] for row in share.tolist()],
        }
        views.append(view)
    return list(words), views


def some_prompts(pairs: PromptPairs, n: int) -> list[int]:
    """The places of the first ``n`` pairs with different clean prompts."""
    first = {text: place for place, text in reversed(list(enumerate(pairs.clean)))}
    return sorted(first.values())[:n]


def said_words(model, pairs: PromptPairs) -> list[list[str]]:
    """The words that each source writes at the last token (`written_words`), source by source."""
    sources = Graph.from_model(model).sources
    words = written_words(model, pairs, sources, TOP)
    return [[readable(word) for word in words[name]] for name in sources]


def head_reasons(measured: pd.DataFrame) -> dict[str, object]:
    """The class of each head with the numbers that the rule of `name_heads` compares.

    Args:
        measured: the heads in one relation, as `measure_heads` measures them.

    Returns:
        ``classes``, a letter for each head; ``measured``, for each head its attention to the subject and to the other
        words, and in logits what it brings for the answer (beyond the type), its effect from the subject, and what it
        brings for the type; ``needed``, the value from which on each of the five counts (none where the model itself
        shows nothing).
    """
    thresholds = Thresholds()
    frame = name_heads(measured, thresholds)
    lead = frame.from_subject_answer - frame.from_subject_type
    columns = (frame.to_subject, frame.to_relation, lead, frame.effect_from_subject, frame.from_relation_type)
    first, heads = frame.iloc[0], len(frame)
    wholes = (
        (first.model_answer - first.model_type, thresholds.writes_times),
        (first.model_diff, thresholds.effect_times),
        (first.model_type, thresholds.writes_times),
    )
    needed = [first.uniform_subject * thresholds.subject_times, first.uniform_relation * thresholds.relation_times]
    needed += [times * whole / heads if whole > 0 else None for whole, times in wholes]
    return {
        "classes": "".join(LETTERS[kind] for kind in frame["class"]),
        "measured": [[significant(v) for v in row] for row in zip(*columns, strict=True)],
        "needed": [None if value is None else significant(value) for value in needed],
    }


def skill_classes(model, pairs: PromptPairs) -> dict[str, object]:
    """The classes of heads in skills (`classify_skill_heads`), a letter for each head as in `KINDS`.

    Args:
        pairs: of indirect objects.
    """
    letters = SKILL_LETTERS | {"none": LETTERS["none"]}
    return {"classes": "".join(letters[kind] for kind in classify_skill_heads(model, pairs=pairs)["class"])}

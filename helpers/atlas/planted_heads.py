"""A transformer whose heads have known jobs: what the names of heads are tried on first.

As in `planted`, features are orthonormal and one large constant feature makes all residuals equally long.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from transformers import GPT2LMHeadModel

from helpers.atlas.planted import feature, finished, idle_gpt2, pairs_of_tokens
from helpers.circuits.graph import head_place
from helpers.prompts.pairs import PromptPairs

D_MODEL, HEADS, LAYERS = 256, 8, 4
D_HEAD = D_MODEL // HEADS
SUBJECTS, RELATIONS, ANSWERS, LAST, FILLERS = range(1, 4), range(4, 6), range(6, 12), 12, range(13, 15)
WORDS, POSITIONS = range(1, 15), 17
CONSTANT, TOKEN, PREVIOUS, DUPLICATE, INHIBIT, OUT, POSITION = 0, 1, 16, 31, 46, 61, 76  # first feature of each kind
UNREAD = 100
SCALE = 16.0  # of the constant feature
SHARP = 12.0  # makes attention all or nothing
KNOWLEDGE_HEADS = {"a0.h0": "mover", "a0.h1": "relation", "a0.h2": "mixture"}
SKILL_HEADS = {
    "a0.h3": "previous token",
    "a0.h4": "duplicate token",
    "a1.h0": "induction",
    "a1.h1": "S-inhibition",
    "a2.h0": "name mover",
    "a2.h1": "negative name mover",
    "a3.h0": "backup name mover",
}


@dataclass(frozen=True)
class PlantedHeads:
    """The model, its pairs (known subjects; indirect objects), and each head's class; heads not named have none.

    ``a0.h5`` moves the subject where nothing reads it; all other heads are switched off.
    """

    model: object
    pairs: PromptPairs
    indirect: PromptPairs
    knowledge: dict[str, str]
    skills: dict[str, str]
    vocabulary: tuple[int, ...]


def planted_heads(folder: Path | None = None) -> PlantedHeads:
    """Three subjects, two relations, an attribute for each of both, and indirect objects with these as names.

    The mover brings a subject's attributes of both relations, the relation head all attributes of its relation: only
    their sum points at one answer. The mixture head does both by half.
    """
    model = _blank()
    _knowledge(model)
    _repeats(model)
    _names(model)
    bridge = finished(model, folder)
    rows = []
    for i, relation in enumerate(RELATIONS):
        for s in SUBJECTS:
            for other in set(SUBJECTS) - {s}:
                clean, corrupt = ([FILLERS[0], who, relation, LAST] for who in (s, other))
                rows.append((clean, corrupt, _attribute(s, i), _attribute(other, i)))
    pairs = pairs_of_tokens(bridge, rows)
    names = [(a, b) for a in ANSWERS for b in ANSWERS if a != b]
    indirect = pairs_of_tokens(
        bridge, [([a, b, FILLERS[0], a, LAST], [a, b, FILLERS[0], b, LAST], b, a) for a, b in names]
    )
    return PlantedHeads(
        bridge,
        replace(pairs, subjects=(slice(2, 3),) * len(pairs)),
        indirect,
        {**KNOWLEDGE_HEADS},
        {**SKILL_HEADS},
        tuple(WORDS),
    )


def _attribute(subject: int, relation: int) -> int:
    """The answer token of a subject in the first (0) or second (1) relation."""
    return ANSWERS[relation * len(SUBJECTS) + SUBJECTS.index(subject)]


def _feature(index: int) -> torch.Tensor:
    return feature(index, D_MODEL)


def _blank() -> GPT2LMHeadModel:
    """Words and positions as features, an unembedding for each word, and nothing in between."""
    model = idle_gpt2(D_MODEL, LAYERS, HEADS, positions=64)
    with torch.no_grad():
        model.transformer.wte.weight += SCALE * _feature(CONSTANT)
        for word in (0, *WORDS):
            model.transformer.wte.weight[word] += _feature(TOKEN + word)
            model.lm_head.weight[word] = 10 * _feature(OUT + word)
        for position in range(POSITIONS):
            model.transformer.wpe.weight[position] = _feature(POSITION + position)
    return model


Entries = Iterable[tuple[int, int, float]]


@torch.no_grad()
def _set_head(model, name: str, *, q: Entries = (), k: Entries = (), v: Entries = (), out: Entries = ()) -> None:
    """Set a head's matrices from (feature, column, weight) triples."""
    layer, head = head_place(name)
    attn = model.transformer.h[layer].attn
    for part, entries in enumerate((q, k, v)):
        for row, column, weight in entries:
            attn.c_attn.weight[:, part * D_MODEL + head * D_HEAD + column] += weight * _feature(row)
    for row, column, weight in out:
        attn.c_proj.weight[head * D_HEAD + column] += weight * _feature(row)


def _same(base: int, words: Iterable[int] = WORDS, weight: float = 1.0, start: int = 0) -> list[tuple[int, int, float]]:
    """Each word's feature of one kind in a column of its own."""
    return [(base + word, start + word, weight) for word in words]


def _knowledge(model) -> None:
    asks = [(TOKEN + LAST, 0, SHARP)]
    subjects = [(TOKEN + s, 0, SHARP) for s in SUBJECTS]
    relations = [(TOKEN + r, 0, SHARP) for r in RELATIONS]
    facts = [(OUT + _attribute(s, i), s, 1.0) for s in SUBJECTS for i in range(len(RELATIONS))]
    kinds = [(OUT + _attribute(s, i), r, 1.0) for i, r in enumerate(RELATIONS) for s in SUBJECTS]
    _set_head(model, "a0.h0", q=asks, k=subjects, v=_same(TOKEN, SUBJECTS), out=facts)
    _set_head(model, "a0.h1", q=asks, k=relations, v=_same(TOKEN, RELATIONS), out=kinds)
    both = _same(TOKEN, (*SUBJECTS, *RELATIONS))
    _set_head(model, "a0.h2", q=asks, k=subjects + relations, v=both, out=facts + kinds)
    _set_head(model, "a0.h5", q=asks, k=subjects, v=_same(TOKEN, SUBJECTS), out=_same(UNREAD, SUBJECTS))


def _repeats(model) -> None:
    back = [(POSITION + p, p - 1, SHARP) for p in range(1, POSITIONS)]
    here = [(POSITION + p, p, SHARP) for p in range(POSITIONS)]
    _set_head(model, "a0.h3", q=back, k=here, v=_same(TOKEN), out=_same(PREVIOUS))
    # a token's own place is barred, and BOS (column 0) is where to look when there is no duplicate
    bar, place = (
        [(POSITION + p, len(WORDS) + 1 + p, weight) for p in range(POSITIONS)] for weight in (-2 * SHARP, SHARP)
    )
    sink = [(CONSTANT, 0, SHARP / SCALE / 2)], [(TOKEN, 0, SHARP)]
    words = _same(TOKEN, weight=SHARP)
    _set_head(model, "a0.h4", q=words + bar + sink[0], k=words + place + sink[1], v=_same(TOKEN), out=_same(DUPLICATE))
    _set_head(model, "a1.h0", q=words, k=_same(PREVIOUS, weight=SHARP), v=_same(TOKEN), out=_same(OUT))


def _names(model) -> None:
    asks = [(TOKEN + LAST, 0, SHARP)]
    seen = [(DUPLICATE + w, 0, SHARP) for w in WORDS]
    _set_head(model, "a1.h1", q=asks, k=seen, v=_same(DUPLICATE), out=_same(INHIBIT))
    names = [(TOKEN + w, 0, SHARP) for w in ANSWERS] + _same(TOKEN, ANSWERS, weight=SHARP)
    barred = _same(INHIBIT, ANSWERS, weight=-SHARP)
    for head, strength in (("a2.h0", 1.0), ("a2.h1", -0.5)):
        _set_head(
            model, head, q=asks + barred, k=names, v=_same(TOKEN, ANSWERS), out=_same(OUT, ANSWERS, weight=strength)
        )
    # the backup looks at BOS (column 1) as soon as the name movers have written the name
    sink, written = [(CONSTANT, 1, SHARP / SCALE / 3)], _same(OUT, ANSWERS, weight=-1.5 * SHARP)
    backup = dict(v=_same(TOKEN, ANSWERS), out=_same(OUT, ANSWERS))
    _set_head(model, "a3.h0", q=asks + barred + written + sink, k=[*names, (TOKEN, 1, SHARP)], **backup)

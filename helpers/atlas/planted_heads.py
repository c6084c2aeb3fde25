"""A transformer whose heads have known jobs: what the names of heads are tried on first.

As in `planted`, features are orthonormal and one large constant feature makes all residuals equally long.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from helpers.atlas.planted import blank, each, finished, pairs_of_tokens, set_head
from helpers.prompts.pairs import PromptPairs

SHAPE = 256, 4, 8  # d_model, layers, heads
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


def planted_heads() -> PlantedHeads:
    """Three subjects, two relations, an attribute for each of both, and indirect objects with these as names.

    The mover brings a subject's attributes of both relations, the relation head all attributes of its relation: only
    their sum points at one answer. The mixture head does both by half.
    """
    model = blank(SHAPE, range(WORDS.stop), POSITIONS, (CONSTANT, TOKEN, OUT, POSITION), SCALE)
    _knowledge(model)
    _repeats(model)
    _names(model)
    bridge = finished(model)
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
    pairs = replace(pairs, subjects=(slice(2, 3),) * len(pairs))
    return PlantedHeads(bridge, pairs, indirect, {**KNOWLEDGE_HEADS}, {**SKILL_HEADS}, tuple(WORDS))


def _attribute(subject: int, relation: int) -> int:
    """The answer token of a subject in the first (0) or second (1) relation."""
    return ANSWERS[relation * len(SUBJECTS) + SUBJECTS.index(subject)]


def _knowledge(model) -> None:
    asks = [(TOKEN + LAST, 0, SHARP)]
    subjects = [(TOKEN + s, 0, SHARP) for s in SUBJECTS]
    relations = [(TOKEN + r, 0, SHARP) for r in RELATIONS]
    facts = [(OUT + _attribute(s, i), s, 1.0) for s in SUBJECTS for i in range(len(RELATIONS))]
    kinds = [(OUT + _attribute(s, i), r, 1.0) for i, r in enumerate(RELATIONS) for s in SUBJECTS]
    set_head(model, "a0.h0", q=asks, k=subjects, v=each(TOKEN, SUBJECTS), out=facts)
    set_head(model, "a0.h1", q=asks, k=relations, v=each(TOKEN, RELATIONS), out=kinds)
    both = each(TOKEN, (*SUBJECTS, *RELATIONS))
    set_head(model, "a0.h2", q=asks, k=subjects + relations, v=both, out=facts + kinds)
    set_head(model, "a0.h5", q=asks, k=subjects, v=each(TOKEN, SUBJECTS), out=each(UNREAD, SUBJECTS))


def _repeats(model) -> None:
    back = [(POSITION + p, p - 1, SHARP) for p in range(1, POSITIONS)]
    here = each(POSITION, range(POSITIONS), SHARP)
    set_head(model, "a0.h3", q=back, k=here, v=each(TOKEN, WORDS), out=each(PREVIOUS, WORDS))
    # a token's own place is barred, and BOS (column 0) is where to look when there is no duplicate
    bar, place = (each(POSITION, range(POSITIONS), weight, len(WORDS) + 1) for weight in (-2 * SHARP, SHARP))
    sink = [(CONSTANT, 0, SHARP / SCALE / 2)], [(TOKEN, 0, SHARP)]
    words = each(TOKEN, WORDS, SHARP)
    said = each(TOKEN, WORDS)
    set_head(model, "a0.h4", q=words + bar + sink[0], k=words + place + sink[1], v=said, out=each(DUPLICATE, WORDS))
    set_head(model, "a1.h0", q=words, k=each(PREVIOUS, WORDS, SHARP), v=said, out=each(OUT, WORDS))


def _names(model) -> None:
    asks = [(TOKEN + LAST, 0, SHARP)]
    seen = [(DUPLICATE + w, 0, SHARP) for w in WORDS]
    set_head(model, "a1.h1", q=asks, k=seen, v=each(DUPLICATE, WORDS), out=each(INHIBIT, WORDS))
    names = [(TOKEN + w, 0, SHARP) for w in ANSWERS] + each(TOKEN, ANSWERS, SHARP)
    barred = each(INHIBIT, ANSWERS, -SHARP)
    for head, strength in (("a2.h0", 1.0), ("a2.h1", -0.5)):
        set_head(model, head, q=asks + barred, k=names, v=each(TOKEN, ANSWERS), out=each(OUT, ANSWERS, strength))
    # the backup looks at BOS (column 1) as soon as the name movers have written the name
    sink, written = [(CONSTANT, 1, SHARP / SCALE / 3)], each(OUT, ANSWERS, -1.5 * SHARP)
    backup = dict(v=each(TOKEN, ANSWERS), out=each(OUT, ANSWERS))
    set_head(model, "a3.h0", q=asks + barred + written + sink, k=[*names, (TOKEN, 1, SHARP)], **backup)

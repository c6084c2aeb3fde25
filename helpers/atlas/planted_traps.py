"""Larger planted models, of both shapes, whose circuit is known and holds what searches stumble over.

A prompt's last word decides which of six small circuits answers; the pairs ask each of them. Every other head is busy:
it attends sharply and writes a lot, which differs between clean and corrupt, and comes to nothing.

- **softmax**: queries and keys decide where a head looks, so sharply that its softmax has no gradient to speak of.
  (At temperature 2, it is still larger than what rounding does; in an even sharper one, that would be gone, too.)
- **backup**: a head of the last layer answers as soon as the head that answers has nothing to say.
- **product**: an MLP needs two things at once, that two heads bring (in Llama's shape, its gate reads one of them).
- **closed**: a neuron that would speak for the wrong answer, and is held closed, where its activation is flat.
- **norm**: a head takes away most of a feature that nobody reads, but which makes the residual longer.
- **plain**: a head copies the answer.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import permutations, product

import numpy as np

from helpers.atlas.architectures import Architecture
from helpers.atlas.planted import Planted, finished, pairs_of_tokens
from helpers.atlas.planted_canvas import CONSTANT, D_HEAD, N_LAYERS, SCALE, Canvas, Entries, canvas

# Tokens: two questions, words of two classes, three subjects and nobody, relations, switches and a blank, last words.
BOS, ASKS, WORDS, SUBJECTS, NOBODY = 0, range(1, 3), (range(3, 6), range(6, 9)), range(9, 12), 12
RELATIONS, QUIET, SWITCH, BLANK = range(13, 15), 15, 16, 17
LASTS = SHARP, SPARED, BOTH, SHUT, PLAIN, NOTHING = range(18, 24)
FIRST_ANSWER = 24
# Features: what a residual can hold beside the constant one.
LOUD, CLOSING, CLASS, ASKED, SUBJECT, RELATION, TOKEN, OUT, UNREAD = 1, 2, 5, 8, 10, 13, 15, 39, 52
N_OUT = UNREAD - OUT
FACTS, NAMED, SHOUT = 3, 9, 12  # the first answer that is a fact, that names a subject, and one more
LAYERS = {  # of the heads with a job
    "subject": 0,
    "relation": 1,
    "question": 1,
    "closer": 1,
    "chooser": 2,
    "answerer": 2,
    "mover": 2,
    "backup": 3,
    "quieter": 3,
}
FULL, SINK = 40.0, 0.4  # the score of what a head looks for, and which share of it looking at BOS has
LOUDNESS, TAKEN = 24.0, 0.7  # the loud feature's size, and how much of it is taken away
BUSY, WHISPER, VAIN = 2.0, 0.004, 0.15  # sizes: of what busy heads write, of their whispers, of what is read in vain
KINDS = 4  # features that a busy head writes: one for each kind of word
Row = tuple[list[int], list[int], int, int]  # clean, corrupt, answer, wrong answer


@dataclass(frozen=True)
class PlantedTraps(Planted):
    """A `Planted` model; what is hard about its true edges, and about its pairs.

    Attributes:
        traps: the true edges by trap; together they are ``edges``.
        kinds: the trap that each pair asks for.
        heads: the heads with a job, by its name.
        busy: the heads that come to nothing, those in one place whispering against each other.
    """

    traps: Mapping[str, frozenset[str]]
    kinds: tuple[str, ...]
    heads: Mapping[str, str]
    busy: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class _Draft:
    board: Canvas
    heads: dict[str, str]
    rng: np.random.Generator

    def size(self) -> float:
        return float(self.rng.uniform(0.8, 1.25))

    def reader(self, job: str, letter: str) -> str:
        return self.board.graph.reader_of(self.heads[job], letter)

    def root(self, score: float = FULL) -> float:
        """The weight with which a query and a key, reading a feature of size 1 each, have this score."""
        return (score * D_HEAD**0.5) ** 0.5 / self.board.unit

    def copies(self, tokens: Iterable[int], to: int, strength: float = 1.0) -> dict[str, Entries]:
        """Values and outputs that turn tokens into features that follow each other."""
        v = [(TOKEN + token, column, 1 / self.board.unit) for column, token in enumerate(tokens)]
        return dict(v=v, out=[(to + column, column, strength) for _, column, _ in v])

    def looks(self, asked: Iterable[int], targets: Iterable[int]) -> dict[str, Entries]:
        """Queries and keys that look from some last words at some tokens, and else at BOS."""
        w = self.root(FULL * self.size())
        q = [*((TOKEN + token, 0, w) for token in asked), (CONSTANT, 1, SINK * w / SCALE)]
        return dict(q=q, k=[*((TOKEN + token, 0, w) for token in targets), (TOKEN + BOS, 1, w)])

    def head(self, job: str, **parts: Entries) -> None:
        self.board.head(self.heads[job], **parts)


def planted_traps(architecture: Architecture = "gpt2", seed: int = 0, each: int = 3) -> PlantedTraps:
    """A model with all traps: GPT-2's shape has 927 edges, Llama's 1,055.

    Args:
        seed: draws the basis of features, the places of heads, strengths, and the words of the pairs.
        each: pairs of each kind of corruption, of which there are eleven.
    """
    rng = np.random.default_rng(seed)
    words = {token: [(TOKEN + token, 1.0)] for token in range(FIRST_ANSWER)}
    words[PLAIN].append((LOUD, LOUDNESS))
    board = canvas(architecture, rng, words, {FIRST_ANSWER + n: OUT + n for n in range(N_OUT)})
    heads, busy = _places(board, rng)
    draft = _Draft(board, heads, rng)
    parts = {"softmax": _softmax, "backup": _backup, "product": _product, "closed": _closed, "norm": _norm}
    made = {name: part(draft) for name, part in (parts | {"plain": _plain}).items()}
    _busy(draft, busy)
    rows, kinds = [], []
    for name, (_, corruptions) in made.items():
        for some in corruptions:
            drawn = [some[i] for i in rng.permutation(len(some))[:each]]
            rows, kinds = rows + drawn, kinds + [name] * len(drawn)
    bridge = finished(board.model)
    traps = {name: frozenset(edges) for name, (edges, _) in made.items()}
    pairs = pairs_of_tokens(bridge, rows)
    return PlantedTraps(bridge, pairs, frozenset().union(*traps.values()), traps, tuple(kinds), heads, busy)


def _places(board: Canvas, rng: np.random.Generator) -> tuple[dict[str, str], tuple[tuple[str, ...], ...]]:
    """A head for each job, in a key/value group of its own, and the others by two."""
    graph, heads, busy = board.graph, {}, []
    size = graph.n_heads // graph.n_groups
    for layer in range(N_LAYERS):
        groups = [[f"a{layer}.h{group * size + h}" for h in range(size)] for group in rng.permutation(graph.n_groups)]
        for job in (job for job, own in LAYERS.items() if own == layer):
            heads[job] = str(rng.choice(groups.pop()))
        left = [name for group in groups for name in group]
        busy += [tuple(left[i : i + 2]) for i in range(0, len(left), 2)]
    return heads, tuple(busy)


def _answer(number: int) -> int:
    return FIRST_ANSWER + number


def _softmax(draft: _Draft) -> tuple[list[str], list[list[Row]]]:
    """One head brings the question, the first MLP says each word's class, and a head looks at the class asked for."""
    board, w = draft.board, draft.root(44 * draft.rng.uniform(0.9, 1.1))
    draft.head("question", **draft.looks([SHARP], ASKS), **draft.copies(ASKS, ASKED))
    known = {token for words in WORDS for token in words}
    for n, tokens in enumerate((*WORDS, [t for t in range(FIRST_ANSWER) if t not in known])):
        board.neuron(0, [(TOKEN + token, 1.0) for token in tokens], [(CLASS + n, 1 / board.unit)])
    q = [*((ASKED + n, n, w) for n in range(2)), (CONSTANT, 2, 0.2 * w / SCALE)]
    k = [(CLASS, 0, w), (CLASS + 1, 1, w * draft.rng.uniform(0.75, 1)), (TOKEN + BOS, 2, w)]
    v = [(TOKEN + token, n, 1 / board.unit) for words in WORDS for n, token in enumerate(words)]
    draft.head("chooser", q=q, k=k, v=v, out=[(OUT + n, n, draft.size()) for n in range(3)])
    asked, looking, chooser = (draft.heads["question"], *(draft.reader("chooser", letter) for letter in "qk"))
    edges = [f"embed->{draft.reader('question', 'v')}", f"{asked}->{looking}", "embed->m0", f"m0->{chooser}"]
    edges += [f"embed->{draft.reader('chooser', 'v')}", f"{draft.heads['chooser']}->logits"]
    by_query, by_key, by_value = [], [], []
    for (i, j), c, turned in product(permutations(range(3), 2), range(2), (1, -1)):
        same, other = WORDS[c], WORDS[1 - c]
        clean, swapped, renamed = ([same[i], other[j]], [other[i], same[j]], [same[j], other[i]])
        clean, swapped, renamed = ([ASKS[c], *words[::turned], SHARP] for words in (clean, swapped, renamed))
        said = _answer(i), _answer(j)
        by_query.append((clean, [ASKS[1 - c], *clean[1:]], *said))
        by_key.append((clean, swapped, *said))
        by_value.append((clean, renamed, *said))
    return edges, [by_query, by_key, by_value]


def _backup(draft: _Draft) -> tuple[list[str], list[list[Row]]]:
    """Two heads that can answer; the later one looks at BOS as soon as the first has written something."""
    w, named, strength = draft.root(1.0), [OUT + NAMED + n for n in range(3)], draft.size()
    k = [*((TOKEN + s, 0, w) for s in SUBJECTS), (TOKEN + BOS, 1, w)]
    idle, late = draft.rng.uniform(8, 13), draft.rng.uniform(0.5, 0.8)  # when they wake up on the way to the last word
    q = [(TOKEN + SPARED, 0, FULL * w), (CONSTANT, 1, idle * w / SCALE), (TOKEN + SPARED, 1, (FULL - idle - 3) * w)]
    draft.head("answerer", q=q, k=k, **draft.copies(SUBJECTS, OUT + NAMED, strength))
    q = [
        (TOKEN + SPARED, 0, FULL * w),
        (CONSTANT, 1, late * FULL * w / SCALE),
        *((f, 1, 1.5 * FULL * w) for f in named),
    ]
    draft.head("backup", q=q, k=k, **draft.copies(SUBJECTS, OUT + NAMED, strength))
    edges = [f"embed->{draft.reader('answerer', letter)}" for letter in "qkv"]
    edges.append(f"{draft.heads['answerer']}->logits")
    unasked, nobody = [], []
    for i, j in permutations(range(3), 2):
        clean, said = [SUBJECTS[i], BLANK, SPARED], (_answer(NAMED + i), _answer(NAMED + j))
        unasked.append((clean, [*clean[:2], NOTHING], *said))
        nobody.append((clean, [NOBODY, *clean[1:]], *said))
    return edges, [unasked, nobody]


def _product(draft: _Draft) -> tuple[list[str], list[list[Row]]]:
    """Two heads bring a subject and a relation; an MLP's neurons need one of each."""
    board, size = draft.board, draft.size()
    draft.head("subject", **draft.looks([BOTH], SUBJECTS), **draft.copies(SUBJECTS, SUBJECT))
    draft.head("relation", **draft.looks([BOTH], RELATIONS), **draft.copies(RELATIONS, RELATION))
    for s, r in product(range(3), range(2)):
        said, one, other = [(OUT + FACTS + 2 * s + r, size)], (SUBJECT + s, 1.0), (RELATION + r, 1.0)
        if "up" in board.branches:
            board.neuron(1, [other], said, times=[one])
        else:
            board.neuron(1, [one, other, (CONSTANT, -1.4 / SCALE)], [(said[0][0], 2 * size)])
    edges = [f"embed->{draft.reader(job, 'v')}" for job in ("subject", "relation")]
    edges += [f"{draft.heads[job]}->m1" for job in ("subject", "relation")] + ["m1->logits"]
    kinds: list[list[Row]] = [[], [], []]
    facts = list(product(range(3), range(2)))
    for (s, r), (t, p) in permutations(facts, 2):
        kind = (s == t) + 2 * (r == p)  # the subject differs, the relation, or both
        clean, corrupt = ([SUBJECTS[a], RELATIONS[b], BOTH] for a, b in ((s, r), (t, p)))
        kinds[kind].append((clean, corrupt, _answer(FACTS + 2 * s + r), _answer(FACTS + 2 * t + p)))
    return edges, kinds


def _closed(draft: _Draft) -> tuple[list[str], list[list[Row]]]:
    """A head brings what closes a neuron that the last word opens; open, it speaks for a wrong answer."""
    slots = [SWITCH, QUIET, BLANK]
    draft.head("closer", **draft.looks([SHUT], slots), **draft.copies(slots, CLOSING))
    draft.board.neuron(2, [(TOKEN + SHUT, 1.0), (CLOSING, -2.0)], [(OUT + SHOUT, draft.size())])
    edges = [f"embed->{draft.reader('closer', 'v')}", f"{draft.heads['closer']}->m2", "m2->logits"]
    rows = [
        ([s, SWITCH, SHUT], [s, slot, SHUT], _answer(NAMED + n), _answer(SHOUT))
        for n, s in enumerate(SUBJECTS)
        for slot in (QUIET, BLANK)
    ]
    return edges, [rows]


def _norm(draft: _Draft) -> tuple[list[str], list[list[Row]]]:
    """The last word is loud where nobody reads, and a head takes most of that away: so the logits are larger."""
    looks = draft.looks([PLAIN], [QUIET, SWITCH, BLANK])
    draft.head("quieter", **looks, **draft.copies([QUIET], LOUD, -TAKEN * LOUDNESS))
    rows = [
        ([s, QUIET, PLAIN], [s, slot, PLAIN], _answer(NAMED + i), _answer(NAMED + j))
        for (i, s), (j, _) in permutations(enumerate(SUBJECTS), 2)
        for slot in (SWITCH, BLANK)
    ]
    return [f"embed->{draft.reader('quieter', 'v')}", f"{draft.heads['quieter']}->logits"], [rows]


def _plain(draft: _Draft) -> tuple[list[str], list[list[Row]]]:
    draft.head("mover", **draft.looks([PLAIN, SHUT], SUBJECTS), **draft.copies(SUBJECTS, OUT + NAMED, draft.size()))
    rows = [
        ([s, QUIET, PLAIN], [t, QUIET, PLAIN], _answer(NAMED + i), _answer(NAMED + j))
        for (i, s), (j, t) in permutations(enumerate(SUBJECTS), 2)
    ]
    return [f"embed->{draft.reader('mover', 'v')}", f"{draft.heads['mover']}->logits"], [rows]


def _busy(draft: _Draft, busy: tuple[tuple[str, ...], ...]) -> None:
    """Heads that look at the token that they like best and say which kind it is, where nobody reads or in vain.

    What they write is always equally long. Two of a place do the same, and their whispers for the answers cancel. What
    those of the first layer write is read by neurons that are back at nothing when it is there, with a slope.
    """
    board, rng, feature = draft.board, draft.rng, UNREAD
    tokens, w = [t for t in range(FIRST_ANSWER) if t not in LASTS], draft.root(25.0)
    for heads in busy:
        whisper = rng.normal(size=(KINDS, N_OUT)) * WHISPER * (len(heads) - 1)
        liked, kinds = rng.permutation(len(tokens)), rng.integers(KINDS, size=len(tokens))
        k = [
            *((TOKEN + t, 0, w * n) for t, n in zip(tokens, liked, strict=True)),
            *((TOKEN + t, 0, -99 * w) for t in LASTS),
        ]
        v = [(TOKEN + t, int(kind), 1 / board.unit) for t, kind in zip(tokens, kinds, strict=True)]
        for number, head in enumerate(heads):
            out = [(feature + kind, kind, BUSY) for kind in range(KINDS)]
            out += [
                (OUT + n, kind, (-1) ** number * float(whisper[kind, n])) for kind in range(KINDS) for n in range(N_OUT)
            ]
            own = {} if number and board.graph.n_groups < board.graph.n_heads else dict(k=k, v=v)
            board.head(head, q=[(CONSTANT, 0, w / SCALE)], out=out, **own)
            for kind in range(KINDS) if head.startswith("a0.") else ():
                _in_vain(board, feature + kind, rng.normal(size=N_OUT) * VAIN)
            feature += KINDS


def _in_vain(board: Canvas, feature: int, said: np.ndarray) -> None:
    """Neurons of the last MLP that write nothing where a feature is 0 or `BUSY`, and something in between."""
    for threshold, factor in ((0.0, -1), (BUSY / 2, 2)):
        reads = [(feature, 1.0), (CONSTANT, -threshold / SCALE)]
        board.neuron(N_LAYERS - 1, reads, [(OUT + n, factor * float(size)) for n, size in enumerate(said)])

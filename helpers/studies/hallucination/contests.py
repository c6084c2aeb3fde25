"""Two answers and their way through the layers: which is ahead where, and which sublayer puts the other one in front.

Along each way a *loser* and a *winner* are read by the logit lens at the prompt's last position:

- ``"wrong"``: the right answer loses to what is said;
- ``"detour"``: it loses its place to a word after which it still comes ("Malaysian ringgit"): no mistake;
- ``"equal in the end"``: in the place of the right answer another wrong one, which ends with nearly the same logit;
- ``"random"``: in its place any other wrong answer;
- ``"right"``: a rightly answered question, in which the best wrong answer loses to the right one.

The claim behind it (arXiv 2405.17969, section 5): a model that answers wrongly has often gathered the right answer,
until a mover head of a middle or late layer brings something else; or the answer never reached the last position.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import pandas as pd
import torch
from jaxtyping import Float, Int
from torch import Tensor

from helpers.components.lens import PARTS, direct_logit_attribution
from helpers.models.network import Network
from helpers.models.run import forward, stop_names
from helpers.prompts.relations import Fact

WRONG, DETOUR, EQUAL, RANDOM, RIGHT = "wrong", "detour", "equal in the end", "random", "right"


@dataclass(frozen=True)
class Asked:
    """One question: its tokens, the positions of its subject, and the first tokens of its right answers and of all.

    ``accepted`` begins with the answer of the fact that is asked; a subject may have others.
    """

    fact: Fact
    template: int
    prompt: str
    ids: tuple[int, ...]
    subject: slice
    accepted: tuple[int, ...]
    members: tuple[int, ...]

    @cached_property
    def others(self) -> list[int]:
        """The type's answers that would be wrong."""
        return [token for token in self.members if token not in self.accepted]


@dataclass(frozen=True)
class Seen:
    """Runs of questions: the last position's state at all stops, attention to the subject, the subject's state.

    A head's attention is its largest from the last position to a token of the subject; the subject's state is that
    of its last token, half-way through the layers.
    """

    last: Float[Tensor, "stop question d_model"]
    attention: Float[Tensor, "question head"]
    subject: Float[Tensor, "question d_model"]


def batches(asked: Sequence[Asked], most: int = 48) -> Iterator[tuple[list[int], Int[Tensor, "batch pos"]]]:
    """Questions of equal length, few at a time: their places, and their tokens."""
    lengths: dict[int, list[int]] = {}
    for place, question in enumerate(asked):
        lengths.setdefault(len(question.ids), []).append(place)
    for places in lengths.values():
        for start in range(0, len(places), most):
            some = places[start : start + most]
            yield some, torch.tensor([asked[i].ids for i in some])


@torch.no_grad()
def look(net: Network, asked: Sequence[Asked]) -> Seen:
    """Run all questions once and keep what `Seen` has."""
    order, parts = [], []
    for places, tokens in batches(asked):
        resid, inside = net.embed(tokens), torch.zeros(tokens.shape)
        for row, place in zip(inside, places, strict=True):
            row[asked[place].subject] = 1
        ends = torch.tensor([asked[place].subject.stop - 1 for place in places])
        last, attention = [resid[:, -1]], []
        for step in forward(net, resid):
            if not step.is_mlp:
                attention.append((step.pattern[:, :, -1] * inside[:, None]).amax(-1))
            last.append(step.after[:, -1])
            if step.sublayer == len(net.layers) + 1:
                subject = step.after[torch.arange(len(places)), ends]
        order += places
        parts.append((torch.stack(last, 1), torch.cat(attention, 1), subject))
    last, attention, subject = (torch.cat(part)[torch.tensor(order).argsort()] for part in zip(*parts, strict=True))
    return Seen(last.transpose(0, 1), attention, subject)


def contests(
    asked: Sequence[Asked], logits: Float[Tensor, "question d_vocab"], detours: Sequence[bool] | None = None
) -> list[tuple[int, str, int, int]]:
    """The ways that there are to follow: question, way, loser and winner.

    Args:
        detours: which questions get to the right answer after another word.
    """
    rng, rows = random.Random(0), []
    for place, (question, row) in enumerate(zip(asked, logits, strict=True)):
        said = int(row.argmax())
        others = [token for token in question.others if token != said]
        if not others:
            continue
        if said in question.accepted:
            rows.append((place, RIGHT, max(others, key=lambda token: row[token].item()), said))
            continue
        right = question.accepted[0]
        if detours is not None and detours[place]:
            rows.append((place, DETOUR, right, said))
            continue
        equal = min(others, key=lambda token: abs(row[token] - row[right]).item())
        rows += [(place, WRONG, right, said), (place, EQUAL, equal, said), (place, RANDOM, rng.choice(others), said)]
    return rows


@torch.no_grad()
def way_rows(
    net: Network, last: Float[Tensor, "stop question d_model"], found: Sequence[tuple[int, str, int, int]]
) -> pd.DataFrame:
    """Each way through the second half of the layers: earlier readings of the lens mean little.

    Args:
        last: of `look`.
        found: of `contests`.

    Returns:
        ``question, way, loser, winner``; ``ahead`` (the loser was ahead after some sublayer), ``led`` (it was the
        likeliest of all tokens), ``lead`` (its largest, in logits), ``passed`` and ``part`` (the sublayer after which
        the winner is ahead for good, and whether that is an attention or an MLP), ``attention`` and ``MLP`` (what each
        adds to loser minus winner, by direct logit attribution), and ``stops``: a 1 for each stop where it is ahead.
    """
    places, _, losers, winners = (list(column) for column in zip(*found, strict=True))
    ids, names = torch.tensor([losers, winners]), stop_names(len(net.layers))
    final, late = len(names) - 1, late_stops(net)
    at = torch.tensor(places)
    apart, offset = (net.W_U[:, ids[0]] - net.W_U[:, ids[1]]).T, net.b_U[ids[0]] - net.b_U[ids[1]]
    gaps = torch.stack([(net.norm(last[stop, at]) * apart).sum(-1) + offset for stop in late])
    ahead, led = gaps > 0, torch.zeros(len(places), dtype=torch.bool)
    for stop, leads in zip(late, ahead, strict=True):
        asked, row_of = at[leads].unique(return_inverse=True)  # only who is ahead of one can be ahead of all
        if len(asked):
            led[leads] |= net.unembed(last[stop, asked]).argmax(-1)[row_of] == ids[0, leads]
    written = last[late.start :, places] - last[late.start - 1 : -1, places]
    added = direct_logit_attribution(net, written, last[-1, places], apart[:, None])[..., 0]
    table = pd.DataFrame(found, columns=["question", "way", "loser", "winner"])
    table["ahead"], table["led"] = ahead.any(0).numpy(), led.numpy()
    table["lead"] = gaps.amax(0).tolist()
    passed = [late[int(column.nonzero().max())] + 1 if column.any() else None for column in ahead.T]
    table["passed"] = [names[stop] if stop else None for stop in passed]
    table["part"] = [PARTS[(stop - 1) % 2] if stop else None for stop in passed]
    of_part = torch.tensor([(stop - 1) % 2 for stop in range(late.start, final + 1)])
    for number, part in enumerate(PARTS):
        table[part] = added[of_part == number].sum(0).tolist()
    return table.assign(stops=["".join(map(str, column)) for column in ahead.int().T.tolist()])


def late_stops(net: Network) -> range:
    """The stops in the second half of the layers but the last, after which the winner is ahead in any case."""
    final = 2 * len(net.layers)
    return range(final // 2 + 1, final)

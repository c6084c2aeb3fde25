"""Indirect-object prompts beside variants that each change one thing, and patches at the last position."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Literal, get_args

import torch
from jaxtyping import Float
from torch import Tensor

from helpers.atlas.skills import INDIRECT_OBJECT, Draw, partners, skill_words, words_of
from helpers.circuits.ablation import in_places
from helpers.models.network import read_network
from helpers.models.predict import prompt_ids
from helpers.models.run import patch_residual, residuals, run_layers
from helpers.prompts.pairs import PromptPairs
from helpers.prompts.relations import Split, stable_hash
from helpers.studies.indirect_objects.skill_classes import name_positions

Order = Literal["ABBA", "BABA"]
VARIANTS = ("other subject", "other order", "third name", "named once", "other object")


def name_swaps(
    model,
    n: int,
    seed: int = 0,
    split: Split = "test",
    *,
    template: str | None = None,
    order: str | None = None,
    variants: Sequence[str] = VARIANTS,
) -> dict[str, PromptPairs]:
    """The same clean prompts beside five variants: what changes, and what doesn't (compare arXiv 2211.00593, 3.2).

    With the clean prompt "... Mary and John ..., John gave the drink to" (answer Mary), the corrupt prompts are

    - ``"other subject"``: "... Mary and John ..., Mary gave ...": another name comes twice, the answer changes;
    - ``"other order"``: "... John and Mary ..., John gave ...": names stand elsewhere, subject and answer stay;
    - ``"third name"``: "... Mary and John ..., Anne gave ...": no name comes twice;
    - ``"named once"``: "... Anne and Paul ..., John gave ...": the same name gives, but nothing repeats it;
    - ``"other object"``: "... Anne and John ..., John gave ...": another name should be said.

    In all of them the answer is the indirect object and the wrong answer the subject of the *clean* prompt, but in
    ``"other object"``, where the wrong answer is the other indirect object.

    Args:
        template: with the fields ``a, b, s, place, object``; those of `skills.INDIRECT_OBJECT` in turn by default.
        order: ``"ABBA"`` (the indirect object comes first) or ``"BABA"``; both by default.
        variants: those that are wanted; the prompts are the same whichever they are.

    Raises:
        ValueError: for an unknown order or variant.
    """
    if unknown := set(variants) - set(VARIANTS):
        raise ValueError(f"unknown variant {min(unknown)!r}; choose from {', '.join(VARIANTS)}")
    if order is not None and order not in get_args(Order):
        raise ValueError(f"unknown order {order!r}; choose from {', '.join(get_args(Order))}")
    draw, rows = Draw(stable_hash(seed, "name swaps", split)), []
    while len(rows) < n:
        io = draw.choice(skill_words()["names"])
        s = draw.choice(partners(io, split))
        c, d = draw.sample([name for name in skill_words()["names"] if name not in (io, s)], 2)
        first = draw.chance(0.5) if order is None else order == "ABBA"
        place, item = draw.choice(skill_words()["places"]), draw.choice(words_of("objects", split))
        form = template or INDIRECT_OBJECT[len(rows) % len(INDIRECT_OBJECT)]
        row = {"io": io, "s": s, "c": c} | _texts(form, first, (io, s, c, d), place=place, object=item)
        if len({len(prompt_ids(model.tokenizer, row[name])) for name in ("clean", *VARIANTS)}) == 1:
            rows.append(row)

    def pairs(variant: str) -> PromptPairs:
        names = [[f" {row[key]}" for row in rows] for key in ("io", "c" if variant == "other object" else "s")]
        prompts = [[row[key] for row in rows] for key in ("clean", variant)]
        return PromptPairs.from_prompts(model, *prompts, *names, first_token=True)

    return {variant: pairs(variant) for variant in variants}


def _texts(form: str, first: bool, names: tuple[str, ...], **words: str) -> dict[str, str]:
    io, s, c, d = names

    def text(one: str, two: str, giver: str, turned: bool = False) -> str:
        a, b = (one, two) if first != turned else (two, one)
        return form.format(a=a, b=b, s=giver, **words)

    changed = (text(io, s, io), text(io, s, s, True), text(io, s, c), text(c, d, s), text(c, s, s))
    return {"clean": text(io, s, s)} | dict(zip(VARIANTS, changed, strict=True))


def designed(model, pairs: PromptPairs, source: Callable[[str, str, str], Sequence[str]]) -> PromptPairs:
    """The same clean prompts beside corrupt ones of one's own design.

    Args:
        source: from the clean prompt's names, in their order (the two people, then the subject again), to those that
            stand there in the corrupt prompt.
    """
    corrupt, names = [], [[name.strip() for name in given] for given in (pairs.answers, pairs.wrong)]
    for text, io, s in zip(pairs.clean, *names, strict=True):
        new = iter(source(*sorted((io, s), key=text.index), s))
        corrupt.append(re.sub(rf"\b({io}|{s})\b", lambda _, new=new: next(new), text))
    return PromptPairs.from_prompts(
        model, list(pairs.clean), corrupt, list(pairs.answers), list(pairs.wrong), first_token=True
    )


@torch.no_grad()
def patched_ends(model, pairs: PromptPairs, layers: Sequence[int] | None = None) -> Float[Tensor, "stop batch d_vocab"]:
    """The logits after the clean prompts if their last position, after so many layers, is that of the corrupt prompts.

    Everything at earlier positions stays clean, so what later layers look up there is clean too.

    Args:
        layers: numbers of layers; by default from none to all.

    Raises:
        ValueError: for more layers than the model has.
    """
    net = read_network(model)
    stops = range(len(net.layers) + 1) if layers is None else layers
    if wrong := [stop for stop in stops if not 0 <= stop <= len(net.layers)]:
        raise ValueError(f"the model has {len(net.layers)} layers; there is nothing after layer {wrong[0]}")
    parts = []
    for places, group in pairs.groups():
        ends = residuals(net, group.corrupt_tokens)[::2, :, -1]
        logits = [patch_residual(net, group.clean_tokens, 2 * stop, -1, ends[stop]) for stop in stops]
        parts.append((places, torch.stack(logits, 1)))
    return in_places(parts).transpose(0, 1)


def end_looks(model, pairs: PromptPairs) -> Float[Tensor, "layer head 3"]:
    """Attention from the last position to the first of the two names, to the second, and to the subject's next mention.

    It is the mean over the pairs whose names can be found.
    """
    net, (pairs, places) = read_network(model), name_positions(pairs, model.tokenizer)
    total = 0.0
    for chosen, group in pairs.groups():
        runs, _ = run_layers(net, group.clean_tokens)
        pattern = torch.stack([run.pattern[:, :, -1].cpu() for run in runs], 1)
        first_two, s2 = places[chosen][:, :2].sort(1).values, places[chosen][:, 2:]
        at = torch.cat([first_two, s2], 1)[:, None, None].expand(-1, *pattern.shape[1:3], -1)
        total = total + pattern.gather(-1, at).sum(0)
    return total / len(pairs)

"""Checks of the exercises in *What an edit does to the circuit*."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from helpers.circuits.graph import head_place
from helpers.editing.edit import Edit
from helpers.exercises.kit import Compared, attempted, check, expect
from helpers.models.network import read_network
from helpers.models.run import run_layers
from helpers.studies.edited_circuits.summaries import half_way

# Leads after the embedding and after each layer: one that falls back once, one whose largest isn't its last.
LEADS = ((-4.0, -3.0, 2.5, 1.0, 3.0, 4.0), (-2.0, 0.5, 2.0, 6.0, 3.0), (0.0, 3.0, 2.0, 4.0), (5.0, 6.0, 7.0, 8.0))
# Subject, answer, tokens of the subject.
FACTS = (
    ("Kenya", "Africa", 1),
    ("Zambia", "Africa", 1),
    ("South Africa", "Africa", 2),
    ("Peru", "South America", 1),
    ("Nepal", "Asia", 1),
    ("Sri Lanka", "Asia", 2),
    ("New Zealand", "Oceania", 2),
    ("Saudi Arabia", "Asia", 2),
)
EDITED = (("Zambia", "Asia"), ("Sri Lanka", "Africa"), ("Peru", "Asia"))


def first_above(leads: Sequence[float], least: float) -> int:
    """The first place at which a lead is at or above some value."""
    return next(place for place, lead in enumerate(leads) if lead >= least)


@check
def half_ways(turn: Callable[[Sequence[float]], int]) -> None:
    """``turn(leads)`` is the first place from which on the lead stays at or above half of its final value."""
    for leads in LEADS:
        given = attempted(turn(list(leads)))
        expect(isinstance(given, (int, np.integer)) and not isinstance(given, bool), "return a place: a whole number.")
        right = half_way(leads)
        if given == right:
            continue
        about = f"for {list(leads)}"
        expect(given != first_above(leads, leads[-1] / 2), f"the lead falls back later; it has to stay: {about}.")
        expect(given != first_above(leads, max(leads) / 2), f"half of the *final* lead, not of the largest: {about}.")
        expect(given != half_way(leads, 1.0), f"half of the final lead is enough: {about}.")
        expect(given != right - 1, f"that is the last place at which it is below: {about}.")
        expect(False, f"it is place {right}, not {given}: {about}.")


@torch.no_grad()
def patched(
    model, edit: Edit, tokens: Tensor, heads: Sequence[str], *, everywhere: bool = False, into_edited: bool = True
) -> Tensor:
    """Logits with the heads' writes exchanged between the edited and the unedited model, at the last position."""
    plain, resid = run_layers(read_network(model), tokens)
    with edit:
        edited, _ = run_layers(read_network(model), tokens)

    def run() -> Tensor:
        net = read_network(model)
        base, other = (edited, plain) if into_edited else (plain, edited)
        replaced = {}
        for n, h in map(head_place, heads):
            replaced[n, h] = other[n].written[h].clone()
            if not everywhere:
                replaced[n, h][:, :-1] = base[n].written[h][:, :-1]
        return net.unembed(run_layers(net, tokens, replaced)[1][:, -1])

    if not into_edited:
        return run()
    with edit:
        return run()


@check
def patches_last(without_last: Callable[..., Tensor], model, edit: Edit, tokens: Tensor, heads: Sequence[str]) -> None:
    """``without_last(edit, tokens, heads)`` undoes the heads at the last position of the edited run."""
    given = attempted(without_last(edit, tokens, heads))
    expect(not edit.applied, "the edit is still in the model; use `with edit:`.")
    right = patched(model, edit, tokens, heads)
    expect(isinstance(given, Tensor) and given.shape == right.shape, f"return logits {tuple(right.shape)}.")

    everywhere = patched(model, edit, tokens, heads, everywhere=True)
    answer = Compared(given, right, 1e-2)
    answer.isnt(everywhere, "that patches all positions, not the last one only.")
    turned = patched(model, edit, tokens, heads, into_edited=False)
    answer.isnt(turned, "that patches the edited writes into the unedited run.")
    answer.isnt(patched(model, edit, tokens, []), "the heads still write what the edit made them.")
    answer.is_right(f"the logits differ by up to {(given - right).abs().max():.2f}.")


def beside(fact: tuple[str, str, int], new: str) -> tuple[list[str], list[str]]:
    """The subjects that are asked in as many tokens, with the old answer and with the new one."""
    subject, old, tokens = fact
    fits = [(s, a) for s, a, n in FACTS if n == tokens and s != subject]
    return tuple([s for s, a in fits if a == answer] for answer in (old, new))


@check
def chooses_controls(controls: Callable[..., Sequence[str | None]]) -> None:
    """``controls(fact, new, facts)`` is who shares all but the subject with the fact before, and after its edit."""
    for subject, new in EDITED:
        fact = next(f for f in FACTS if f[0] == subject)
        given = attempted(controls(fact, new, list(FACTS)))
        expect(isinstance(given, (tuple, list)) and len(given) == 2, "return two subjects, None where there is none.")
        known = {s: (a, n) for s, a, n in FACTS}
        for one, right, when in zip(given, beside(fact, new), ("before", "after"), strict=True):
            if one in right or not right and one is None:
                continue
            about = f"{subject}, {fact[1]} -> {new}, {when} the edit"
            expect(one is not None, f"there is somebody for {about}.")
            expect(one in known, f"{one!r} is no subject of the facts: {about}.")
            expect(one != subject, f"that is the fact itself; another subject is asked for: {about}.")
            answer, tokens = known[one]
            expect(answer in (fact[1], new), f"{one} has another answer, so the word differs, too: {about}.")
            wanted = fact[1] if when == "before" else new
            expect(answer == wanted, f"{one} has the answer of the other side of the edit: {about}.")
            expect(tokens == fact[2], f"{one} has {tokens} tokens: its prompts can't be paired alike: {about}.")

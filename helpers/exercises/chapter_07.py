"""Checks of the exercises in *Indirect objects*."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from helpers.exercises.kit import Compared, attempted, check, expect
from helpers.prompts.pairs import PromptPairs

CLEAN = (("Mary", "John", "John"), ("Mary", "John", "Mary"), ("Rachel", "Paul", "Rachel"))


@check
def same_place(fifth: Callable[[str, str, str], tuple[str, str, str]]) -> None:
    """``fifth(a, b, s)`` is a prompt whose repeated name stands in the same place and is the other one."""
    for a, b, s in CLEAN:
        given, io = attempted(fifth(a, b, s)), b if s == a else a
        fits = isinstance(given, tuple | list) and len(given) == 3 and all(isinstance(name, str) for name in given)
        expect(fits, "return the three names of the source: a, b and s.")
        first, second, gives = given
        expect(set(given) <= {a, b}, "use the same two names: a new one changes more than the place or the name.")
        expect(first != second, "the first two slots must hold two names.")
        expect(tuple(given) != (a, b, s), "nothing has changed.")
        if (first, second) == (a, b):
            expect(False, f"that is the source 'other subject': {io} is repeated, and so is another place.")
        expect(gives != s, f"that is the source 'other order': {s} still gives, from another place.")


def first_tokens(pairs: PromptPairs) -> tuple[Tensor, Tensor]:
    """The clean and corrupt tokens of up to four pairs of one length."""
    _, group = pairs.groups(4)[0]
    return group.clean_tokens, group.corrupt_tokens


@check
def looks(end_attention: Callable[..., Mapping[str, Tensor]], model, pairs: PromptPairs) -> None:
    """``end_attention(pattern, places)`` is the attention from the end, in multiples of uniform attention."""
    clean, _ = first_tokens(pairs)
    pattern = model.run_with_cache(clean[:1])[1]["blocks.3.attn.hook_pattern"][0]
    places = {"IO": 1, "S1": 3, "S2": clean.shape[1] - 4}
    given = attempted(end_attention(pattern, places))
    expect(isinstance(given, Mapping) and set(given) == set(places), f"return a dictionary with {sorted(places)}.")
    length = pattern.shape[-1]
    for name, place in places.items():
        value, right = given[name], pattern[:, -1, place] * length
        expect(isinstance(value, Tensor) and value.shape == right.shape, f"{name}: return a tensor ({len(right)},).")

        answer = Compared(value, right, 1e-4)
        answer.isnt(right / length, "divide by what uniform attention gives: 1 / positions.")
        answer.isnt(pattern[:, place, -1], "rows are queries: the last *row* is the end's.")
        answer.isnt(pattern[:, places["S2"], place] * length, "look from the last position, not S2.")
        answer.is_right(f"{name}: the values differ.")


@check
def head_patch(patch_head: Callable[..., Tensor], model, pairs: PromptPairs) -> None:
    """``patch_head(model, clean, corrupt, layer, head)`` patches one head at the last position."""
    clean, corrupt = first_tokens(pairs)
    for layer, head in ((2, 0), (4, 3)):
        given = attempted(patch_head(model, clean, corrupt, layer, head))
        shape = (len(clean), model.cfg.d_vocab)
        expect(isinstance(given, Tensor) and given.shape == shape, f"return the last position's logits, {shape}.")

        right = _patched(model, clean, corrupt, layer, (slice(None), -1, head))
        answer = Compared(given, right, 1e-3)
        answer.isnt(model(clean)[:, -1], "those are the clean logits: the patch changed nothing.")
        answer.isnt(model(corrupt)[:, -1], "those are the corrupt prompt's own logits.")
        every_head = _patched(model, clean, corrupt, layer, (slice(None), -1))
        answer.isnt(every_head, "that patches all heads of the layer; take one.")
        everywhere = _patched(model, clean, corrupt, layer, (slice(None), slice(None), head))
        answer.isnt(everywhere, "that patches all positions; take the last one only.")
        answer.is_right(f"a{layer}.h{head}: the logits differ; does the source's z come from the corrupt prompt?")


@torch.no_grad()
def _patched(model, clean: Tensor, corrupt: Tensor, layer: int, where: tuple) -> Tensor:
    name = f"blocks.{layer}.attn.hook_z"
    _, cache = model.run_with_cache(corrupt, names_filter=name)

    def put(z: Tensor, hook: object) -> Tensor:
        z = z.clone()
        z[where] = cache[name][where]
        return z

    return model.run_with_hooks(clean, fwd_hooks=[(name, put)])[:, -1]

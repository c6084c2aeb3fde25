"""Checks of the exercises in *Induction*."""

from __future__ import annotations

import random
from collections.abc import Callable

import torch
from torch import Tensor

from helpers.components.skill_heads import repeated_tokens
from helpers.exercises.kit import Compared, attempted, check, expect


@check
def copies(share_copied: Callable[[Tensor, Tensor], float], model) -> None:
    """``share_copied(logits, tokens)`` is the share of copied tokens in the second half."""
    for length, seed in ((7, 0), (12, 1)):
        tokens = repeated_tokens(model, length, 1, seed)[0]
        logits = torch.nn.functional.one_hot(tokens.roll(-1), model.cfg.d_vocab).float()
        missed = length + 1 + torch.randperm(length - 1, generator=torch.Generator().manual_seed(seed))[:3]
        logits[missed] = logits[missed].roll(1, -1)
        logits[length] = 0.0  # nobody can know that a repeat begins
        given = float(attempted(share_copied(logits, tokens)))
        right = 1 - 3 / (length - 1)
        guesses = logits.argmax(-1)
        shifted = (guesses[length + 2 :] == tokens[length + 2 :]).float().mean().item()
        everywhere = (guesses[:-1] == tokens[1:]).float().mean().item()
        whole_half = (guesses[length:-1] == tokens[length + 1 :]).float().mean().item()
        expect(given <= 1, "a share is at most 1; divide by the number of tokens.")
        answer = Compared(given, right)
        answer.isnt(shifted, "the logits at a position are about the *next* token; shift by one.")
        answer.isnt(everywhere, "that counts the first half too, where nothing can be copied.")
        answer.isnt(whole_half, "leave the first repeated token out: nothing says that a repeat begins.")
        answer.is_right(f"for {length} tokens with three misses it is {right:.3f}, not {given:.3f}.")


@check
def scores(induction_score: Callable[[Tensor], Tensor], model) -> None:
    """``induction_score(pattern)`` is the mean attention to the token after the earlier occurrence."""
    n = 9
    tokens = repeated_tokens(model, n, 1, 4)
    pattern = model.run_with_cache(tokens)[1]["blocks.2.attn.hook_pattern"][0]
    given = attempted(induction_score(pattern))
    expect(isinstance(given, Tensor) and given.shape == pattern.shape[:1], f"return a tensor ({len(pattern)},).")
    later = torch.arange(n + 1, 2 * n + 1)

    def back(by: int) -> Tensor:
        return pattern[:, later, later - by].mean(-1)

    answer = Compared(given, back(n - 1), 1e-4)
    answer.isnt(back(n), "that is the earlier place of the token itself: a duplicate-token score; look one later.")
    answer.isnt(back(1), "that is the token just before: a previous-token score.")
    answer.isnt(back(n + 1), "that is the token *before* the earlier place; look behind it.")
    diagonal = pattern.diagonal(-(n - 1), -2, -1).mean(-1)
    answer.isnt(diagonal, "that also counts the first half's last token, for which nothing is earlier.")
    answer.isnt(back(n - 1) * n, "take the mean over the positions, not the sum.")
    answer.is_right("the scores differ; rows are queries, columns are keys.")


@check
def composed(k_composition: Callable[..., float]) -> None:
    """``k_composition(W_V, W_O, W_K, W_Q)`` is the normalised K-composition of two heads."""
    generator = torch.Generator().manual_seed(0)
    W_V, W_K, W_Q = (torch.randn(12, 4, generator=generator) for _ in range(3))
    W_O = torch.randn(4, 12, generator=generator)
    given = float(attempted(k_composition(W_V, W_O, W_K, W_Q)))

    def score(write: Tensor, read: Tensor) -> float:
        return ((write @ read).norm() / (write.norm() * read.norm())).item()

    write, read = W_V @ W_O, W_K @ W_Q.T
    right = score(write, read)
    answer = Compared(given, right, 1e-4)
    answer.isnt((write @ read).norm().item(), "divide by the norms of both factors.")
    answer.isnt(score(write, read.T), "that is Q-composition: the keys come first, then the queries.")
    answer.isnt(score(write.T, read), "the first head is the wrong way round: W_V reads, W_O writes.")
    answer.isnt(score(read, write), "the first head writes before the second one reads.")
    answer.is_right(f"for random heads it is {right:.4f}, not {given:.4f}.")


@check
def nothing_to_copy(another_order: Callable[[list[int], random.Random], list[int]]) -> None:
    """``another_order(row, rng)`` keeps the second half's tokens, and none follows the one that it followed before."""
    seen = set()
    for seed in range(20):
        half = random.Random(seed).sample(range(10, 90), 6)
        row = [0, *half, *half]
        given = attempted(another_order(list(row), random.Random(seed)))
        expect(isinstance(given, list), f"return a list of token ids, not {type(given).__name__}.")
        expect(len(given) == len(row), f"the prompt must stay {len(row)} tokens long, not {len(given)}.")
        expect(given[:7] == row[:7], "BOS and the first half must stay as they are.")
        second = given[7:]
        expect(sorted(second) == sorted(half), "the second half must hold the same tokens, each of them once.")
        old, joined = set(zip(half, half[1:], strict=False)), given[6:]
        kept = old & set(zip(joined, joined[1:], strict=False))
        expect(not kept, f"with {half} it gave {second}: {len(kept)} tokens still follow the one they followed before.")
        seen.add(tuple(half.index(token) for token in second))
    expect(len(seen) > 1, "it makes the same exchange in every prompt, a pattern of its own; draw the order with rng.")
